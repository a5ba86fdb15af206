"""Fonts that the user put into the folder `fonts` of the root. Only files that are fonts, only inside the folder."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from invokeai.app.services.shared.errors import NotFound

MEDIA_TYPES = {".ttf": "font/ttf", ".otf": "font/otf", ".woff": "font/woff", ".woff2": "font/woff2"}
_WEIGHTS = {"thin": 100, "light": 300, "medium": 500, "semibold": 600, "bold": 700, "black": 900}


@dataclass(frozen=True, slots=True)
class Font:
    """One font file: its path in the folder, family, weight (100 to 900) and style (`normal` or `italic`)."""

    path: str
    family: str
    weight: int
    style: str


class FontLibrary:
    """The fonts of one folder, which need not exist."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def fonts(self) -> list[Font]:
        """Every font, by family and path."""
        return await asyncio.to_thread(self._scan)

    def file(self, font_path: str) -> tuple[Path, str]:
        """The file of a font and its media type. Raises NotFound."""
        path = (self._folder / font_path).resolve() if "\0" not in font_path else self._folder
        media_type = MEDIA_TYPES.get(path.suffix.lower())
        if media_type is None or not path.is_relative_to(self._folder.resolve()) or not path.is_file():
            raise NotFound("There is no such font.")
        return path, media_type

    def _scan(self) -> list[Font]:
        paths = [path for path in self._folder.rglob("*") if path.suffix.lower() in MEDIA_TYPES and path.is_file()]
        fonts = [_font(path, path.relative_to(self._folder).as_posix()) for path in paths]
        return sorted(fonts, key=lambda font: (font.family.lower(), font.path))


def _font(path: Path, name: str) -> Font:
    from PIL import ImageFont

    family, face = path.stem, ""
    try:
        names = ImageFont.truetype(path, 12).getname()
        family, face = names[0] or family, names[1] or ""
    except OSError:  # the browser may know a format that FreeType here does not
        pass
    lower = face.lower().replace(" ", "")
    weight = next((value for word, value in _WEIGHTS.items() if word in lower), 400)
    return Font(name, family, weight, "italic" if "italic" in lower or "oblique" in lower else "normal")
