"""Changes that an upload may ask for: cut away what is transparent, bring to a size."""

from typing import TYPE_CHECKING

import orjson

from invokeai.app.services.image_files.picture_encoding import Edit
from invokeai.app.services.shared.errors import InvalidInput, TooLarge

if TYPE_CHECKING:
    from PIL.Image import Image


def upload_edit(resize_to: str | None, crop_visible: bool, max_pixels: int) -> Edit | None:
    """The edit for an upload, or None. `resize_to` is JSON, `[width, height]`.

    Raises:
        InvalidInput: `resize_to` is no size. TooLarge: it is over `max_pixels`.
    """
    size = _size(resize_to, max_pixels) if resize_to else None
    if size is None and not crop_visible:
        return None

    def edit(image: "Image") -> "Image":
        return _resized(_cropped(image) if crop_visible else image, size)

    return edit


def _size(text: str, max_pixels: int) -> tuple[int, int]:
    try:
        value = orjson.loads(text)
        # forms of some clients hold the JSON once more as a JSON string
        value = orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, list) or len(value) != 2 or not all(type(side) is int and side > 0 for side in value):
        raise InvalidInput("resize_to must be a JSON list of two whole numbers over 0, like [1024, 768].")
    width, height = value
    if width * height > max_pixels:
        raise TooLarge(f"resize_to has {width} × {height} pixels; at most {max_pixels:,} in all are accepted here.")
    return width, height


def _cropped(image: "Image") -> "Image":
    """Without fully transparent margins; a picture with nothing visible stays whole."""
    if not image.has_transparency_data:
        return image
    visible = image.convert("RGBA").getchannel("A").getbbox()
    return image.crop(visible) if visible else image


def _resized(image: "Image", size: tuple[int, int] | None) -> "Image":
    if size is None or size == image.size:
        return image
    from PIL.Image import Resampling

    if image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.resize(size, Resampling.LANCZOS)
