"""Neighbourhood filters. Colour under transparent pixels never bleeds into visible ones; the mode stays as it was."""

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from invokeai.backend.image.colours import change_lightness
from invokeai.backend.image.pixels import (
    Bytes,
    Floats,
    from_floats,
    has_alpha,
    join_alpha,
    split_alpha,
    strips,
    to_floats,
)


def blur(image: Image.Image, radius: float, kind: str) -> Image.Image:
    """`gaussian` or `box` blur; `radius` in pixels."""
    work = image.convert("RGBA").convert("RGBa") if has_alpha(image) else image
    if work.mode not in ("L", "RGB", "RGBa"):
        work = work.convert("RGB")
    kernel = ImageFilter.GaussianBlur(radius) if kind == "gaussian" else ImageFilter.BoxBlur(radius)
    blurred = work.filter(kernel)
    return blurred.convert("RGBA") if blurred.mode == "RGBa" else blurred


def unsharp(image: Image.Image, radius: float, percent: float) -> Image.Image:
    """Difference from a Gaussian blur added on, `percent` (rounded) of it."""
    rgb, alpha = split_alpha(image)
    return join_alpha(rgb.filter(ImageFilter.UnsharpMask(radius, round(percent), 0)), alpha)


def unsharp_oklab(image: Image.Image, radius: float, percent: float) -> Image.Image:
    """As `unsharp`, but of Oklab lightness alone: no coloured seams."""
    return change_lightness(image, lambda plane: unsharp(plane, radius, percent).convert("L"), oklab=True)


def add_noise(
    image: Image.Image, mask: Image.Image | None, seed: int, kind: str, amount: float, coloured: bool, size: int
) -> Image.Image:
    """Noise, the same for the same seed. Alpha stays.

    Args:
        mask: black where noise goes, white where it does not; stretched to the image.
        kind: `gaussian` (standard deviation `amount` of the full range) or `salt_and_pepper` (that part of the dots).
        amount: 0 to 1.
        size: side of one dot in pixels.
    """
    rgb, alpha = split_alpha(image)
    rng = np.random.default_rng(seed)
    result = Image.new("RGB", rgb.size)
    for box in strips(rgb, size):
        result.paste(from_floats(_noisy(to_floats(rgb.crop(box)), rng, kind, amount, coloured, size)), box)
    if mask is not None:
        result = Image.composite(result, rgb, ImageOps.invert(mask.convert("L").resize(rgb.size)))
    return join_alpha(result, alpha)


def _noisy(base: Floats, rng: np.random.Generator, kind: str, amount: float, coloured: bool, size: int) -> Floats:
    height, width = base.shape[:2]
    shape = (-(-height // size), -(-width // size), 3 if coloured else 1)
    if kind == "gaussian":
        return base + _enlarge(rng.standard_normal(shape, dtype=np.float32), size, base) * np.float32(amount)
    draws = rng.random(shape, dtype=np.float32)
    dots = _enlarge(np.where(draws < amount / 2, 0, np.where(draws < amount, 1, -1)).astype(np.float32), size, base)
    return np.where(dots < 0, base, dots)


def _enlarge(dots: Floats, size: int, like: Floats) -> Floats:
    return dots.repeat(size, axis=0).repeat(size, axis=1)[: like.shape[0], : like.shape[1]]


def dilate(image: Image.Image, radius_x: int, radius_y: int) -> Image.Image:
    """Each pixel becomes the highest, by channel, within an ellipse around it."""
    return _spread(image, radius_x, radius_y, erode=False)


def erode(image: Image.Image, radius_x: int, radius_y: int) -> Image.Image:
    """Each pixel becomes the lowest, by channel, within an ellipse around it."""
    return _spread(image, radius_x, radius_y, erode=True)


def _spread(image: Image.Image, radius_x: int, radius_y: int, erode: bool) -> Image.Image:
    values = np.asarray(image)
    if erode:
        values = 255 - values
    radius_y, radius_x = min(radius_y, image.height - 1), min(radius_x, image.width - 1)
    result = values.copy()
    wide, reached = values, 0
    for dy in range(radius_y, -1, -1):  # rows far away take part with a narrow window, which then only grows
        reach = round(radius_x * (1 - (dy / radius_y) ** 2) ** 0.5) if radius_y else radius_x
        while reached < reach:
            step = min(reach - reached, 2 * reached + 1)
            wide, reached = _widened(wide, step), reached + step
        up, down = result[: len(result) - dy], result[dy:]
        np.maximum(up, wide[dy:], out=up)
        np.maximum(down, wide[: len(wide) - dy], out=down)
    return Image.fromarray(255 - result if erode else result)


def _widened(values: Bytes, step: int) -> Bytes:
    """Row-wise highest of the values `step` to the left, `step` to the right, and here."""
    wide = values.copy()
    np.maximum(wide[:, step:], values[:, :-step], out=wide[:, step:])
    np.maximum(wide[:, :-step], values[:, step:], out=wide[:, :-step])
    return wide
