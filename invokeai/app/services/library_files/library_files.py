"""Small pictures of the library (workflow thumbnails, preset images): written once under a new id, never changed.

Order: the file is written before a record names it and removed after no record does, so a record never points at
nothing.
"""

import asyncio
import re
from pathlib import Path
from uuid import uuid4

from invokeai.app.services.shared.errors import NotFound, TooLarge, UnsupportedMedia

MAX_PICTURE_BYTES = 20 * 2**20
SIDE_PIXELS = 256
_ID = re.compile(r"[0-9a-f-]{36}")
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")


class LibraryFileStore:
    """WebP files of at most 256 x 256 pixels in one folder. Ids are ours; any other id is not found."""

    def __init__(self, folder: Path, max_pixels: int) -> None:
        self._folder = folder
        self._max_pixels = max_pixels

    async def save(self, picture: bytes) -> str:
        """Shrink and store a picture; its new id.

        Raises:
            UnsupportedMedia: the bytes are no picture that can be read.
            TooLarge: too many bytes or pixels.
        """
        if len(picture) > MAX_PICTURE_BYTES:
            raise TooLarge(f"The picture may have {MAX_PICTURE_BYTES // 2**20} MB, this one has more.")
        file_id = str(uuid4())
        await asyncio.to_thread(self._write, file_id, picture)
        return file_id

    async def get(self, file_id: str) -> bytes:
        """The WebP bytes.

        Raises:
            NotFound: there is no such file.
        """
        path = self._path(file_id)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            raise NotFound("The picture is not there.") from None

    async def delete(self, file_id: str | None) -> None:
        """Remove a file; no fault when it is None or gone."""
        if file_id is not None:
            await asyncio.to_thread(self._path(file_id).unlink, missing_ok=True)

    def _path(self, file_id: str) -> Path:
        if not _ID.fullmatch(file_id):
            raise NotFound("The picture is not there.")
        return self._folder / f"{file_id}.webp"

    def _write(self, file_id: str, picture: bytes) -> None:
        data = _shrunk(picture, self._max_pixels)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(file_id)
        partial = path.with_suffix(".partial")
        partial.write_bytes(data)
        partial.replace(path)


def _shrunk(picture: bytes, max_pixels: int) -> bytes:
    """`picture` as WebP within 256 x 256 pixels."""
    from io import BytesIO

    from PIL import Image, ImageOps

    try:
        with Image.open(BytesIO(picture), formats=_FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise TooLarge(f"The picture may have {max_pixels:,} pixels, this one has more.")
            image.draft("RGB", (SIDE_PIXELS * 2, SIDE_PIXELS * 2))
            upright = ImageOps.exif_transpose(image)
            small = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise UnsupportedMedia("The file is not a picture that can be read (PNG, JPEG, WebP, GIF or BMP).") from None
    small.thumbnail((SIDE_PIXELS, SIDE_PIXELS))
    out = BytesIO()
    small.save(out, "WEBP", quality=85)
    return out.getvalue()
