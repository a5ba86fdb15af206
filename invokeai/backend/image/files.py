"""Picture files for export. A file is complete or not there."""

import os
from pathlib import Path

from PIL import Image

from invokeai.backend.image.pixels import has_alpha

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}


def write_image(image: Image.Image, path: Path, quality: int) -> None:
    """Write `image` in the format of `path`'s ending, replacing a file of that name. JPEG gets a white background."""
    kind = FORMATS[path.suffix]
    if kind == "JPEG" and has_alpha(image):
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    if kind == "JPEG" and image.mode != "L":
        image = image.convert("RGB")
    options = {} if kind == "PNG" else {"quality": quality}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    try:
        image.save(draft, kind, **options)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
