"""Pictures and their channels: the alpha is split off before colour work and put back untouched.

No function returns a picture of more than the pixels it was allowed.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.floating[Any]]
"""Colours or channels, 0 to 1, shape (H, W) or (H, W, 3)."""
Bytes = NDArray[np.uint8]
"""Pixels as Pillow keeps them."""

MAX_PIXELS = 100_000_000
STRIP_PIXELS = 1 << 20
ALPHA_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})


class PictureTooLarge(ValueError):
    """The picture asked for has more pixels than this server allows."""


def require_size(width: int, height: int, limit: int = MAX_PIXELS) -> tuple[int, int]:
    """`(width, height)` when a picture of that size may be made.

    Raises:
        ValueError: a side is under one pixel.
        PictureTooLarge: over `limit` pixels (never more than `MAX_PIXELS`).
    """
    limit = min(limit, MAX_PIXELS)
    if width < 1 or height < 1:
        raise ValueError(f"An image of {width} × {height} pixels is empty; each side must be at least 1.")
    if width * height > limit:
        raise PictureTooLarge(f"An image of {width} × {height} pixels is over the limit of {limit:,} pixels.")
    return width, height


def plain(image: Image.Image) -> Image.Image:
    """`image` as L, RGB or RGBA, whichever holds it; 16-bit greys keep their upper 8 bits."""
    if image.mode in ("L", "RGB", "RGBA"):
        return image.convert("RGBA") if "transparency" in image.info else image
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.int64)
        return Image.fromarray(np.clip(wide >> 8 if wide.max(initial=0) > 255 else wide, 0, 255).astype(np.uint8))
    if has_alpha(image):
        return image.convert("RGBA")
    return image.convert("L" if image.mode in ("1", "F") else "RGB")


def has_alpha(image: Image.Image) -> bool:
    """Whether some pixel of `image` may be transparent."""
    return image.mode in ALPHA_MODES or "transparency" in image.info


def split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours as RGB and the alpha as L (None for a picture without one)."""
    if not has_alpha(image):
        return image.convert("RGB"), None
    rgba = image.convert("RGBA")
    return rgba.convert("RGB"), rgba.getchannel("A")


def join_alpha(rgb: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """RGB with `alpha` put back, or as it is."""
    if alpha is None:
        return rgb
    rgba = rgb.convert("RGB").copy()
    rgba.putalpha(alpha)
    return rgba


def to_floats(image: Image.Image) -> Floats:
    """An 8-bit L or RGB picture as floats, 0 to 1."""
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def from_floats(values: Floats) -> Image.Image:
    """Floats (clipped to 0 to 1) as an L or RGB picture."""
    return Image.fromarray((np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8))


def strips(image: Image.Image, multiple: int = 1) -> Iterator[tuple[int, int, int, int]]:
    """Boxes that cover `image` from top to bottom, each of at most about `STRIP_PIXELS` and `multiple` whole rows.

    Work in floats goes strip by strip: its memory then does not grow with the picture.
    """
    rows = max(1, STRIP_PIXELS // max(1, image.width * multiple)) * multiple
    for top in range(0, image.height, rows):
        yield (0, top, image.width, min(top + rows, image.height))


def map_colours(image: Image.Image, change: Callable[[Floats], Floats]) -> Image.Image:
    """`change` applied to every pixel's RGB floats, alpha kept.

    `change` gets strips of shape (h, W, 3) and returns that shape, or (h, W) throughout, which gives an L picture.
    """
    rgb, alpha = split_alpha(image)
    parts = [np.asarray(from_floats(change(to_floats(rgb.crop(box))))) for box in strips(rgb)]
    result = Image.fromarray(np.concatenate(parts, axis=0))
    return result if result.mode == "L" else join_alpha(result, alpha)
