"""Neighbourhood filters. Colour under transparent pixels never bleeds into visible ones; the mode stays as it was."""

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from invokeai.backend.image.colour_spaces import from_oklab, to_oklab
from invokeai.backend.image.pixels import Bytes, Floats, from_floats, has_alpha, join_alpha, split_alpha, to_floats


def blur(image: Image.Image, radius: float, kind: str) -> Image.Image:
    """`gaussian` or `box` blur; `radius` in pixels."""
    work = image.convert("RGBA").convert("RGBa") if has_alpha(image) else image
    if work.mode not in ("L", "RGB", "RGBa"):
        work = work.convert("RGB")
    kernel = ImageFilter.GaussianBlur(radius) if kind == "gaussian" else ImageFilter.BoxBlur(radius)
    blurred = work.filter(kernel)
    return blurred.convert("RGBA") if blurred.mode == "RGBa" else blurred


def unsharp(image: Image.Image, radius: float, percent: float) -> Image.Image:
    """Difference from a Gaussian blur added on, `percent` of it."""
    rgb, alpha = split_alpha(image)
    soft = np.asarray(rgb.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32)
    sharp = np.asarray(rgb, dtype=np.float32)
    sharp = sharp + (sharp - soft) * np.float32(percent / 100)
    return join_alpha(from_floats(sharp / 255), alpha)


def unsharp_oklab(image: Image.Image, radius: float, percent: float) -> Image.Image:
    """As `unsharp`, but of Oklab lightness alone: no coloured seams."""
    rgb, alpha = split_alpha(image)
    lab = to_oklab(to_floats(rgb))
    plane = Image.fromarray(lab[..., 0])  # mode F: no rounding
    soft = _gaussian(np.asarray(plane), radius)
    lab[..., 0] += (lab[..., 0] - soft) * np.float32(percent / 100)
    return join_alpha(from_floats(from_oklab(lab)), alpha)


def _gaussian(plane: Floats, sigma: float) -> Floats:
    """Separable Gaussian with repeated edges; Pillow's own does not take floats."""
    reach = max(1, int(3 * sigma + 0.5))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-6)) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (0, 1):
        pads = [(reach, reach) if a == axis else (0, 0) for a in (0, 1)]
        padded, size = np.pad(plane, pads, mode="edge"), plane.shape[axis]
        plane = sum(
            weight * (padded[k : k + size] if axis == 0 else padded[:, k : k + size])
            for k, weight in enumerate(weights)
        )
    return plane


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
    shape = (-(-rgb.height // size), -(-rgb.width // size), 3 if coloured else 1)
    base = to_floats(rgb)
    if kind == "gaussian":
        dots = _enlarge(rng.standard_normal(shape, dtype=np.float32), size, base)
        noisy = base + dots * np.float32(amount)
    else:
        draws = rng.random(shape, dtype=np.float32)
        dots = _enlarge(np.where(draws < amount / 2, 0, np.where(draws < amount, 1, -1)).astype(np.float32), size, base)
        noisy = np.where(dots < 0, base, dots)
    result = from_floats(noisy)
    if mask is not None:
        result = Image.composite(result, rgb, ImageOps.invert(mask.convert("L").resize(rgb.size)))
    return join_alpha(result, alpha)


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
    for dy in range(radius_y + 1):
        reach = round(radius_x * (1 - (dy / radius_y) ** 2) ** 0.5) if radius_y else radius_x
        wide = _row_maximum(values, reach)
        up, down = result[: len(result) - dy], result[dy:]
        np.maximum(up, wide[dy:], out=up)
        np.maximum(down, wide[: len(wide) - dy], out=down)
    return Image.fromarray(255 - result if erode else result, image.mode)


def _row_maximum(values: Bytes, reach: int) -> Bytes:
    """Highest value within `reach` to the left and right, by doubling windows."""
    if reach == 0:
        return values
    window, span = 1, 2 * reach + 1
    pads = [(0, 0), (reach, reach)] + [(0, 0)] * (values.ndim - 2)
    row = np.pad(values, pads)  # zeros never win
    while window * 2 <= span:
        row = np.maximum(row[:, :-window], row[:, window:])
        window *= 2
    rest = span - window
    return np.maximum(row[:, : row.shape[1] - rest], row[:, rest:]) if rest else row
