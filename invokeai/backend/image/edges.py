"""Edge maps. Source: J. Canny, "A computational approach to edge detection" (1986), without the smoothing step."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from invokeai.backend.image.pixels import Floats, strips
from invokeai.backend.image.regions import connected


def canny(image: Image.Image, low: int, high: int) -> Image.Image:
    """White one-pixel edges on black, as an L picture.

    A pixel is an edge where the gradient (|dx| + |dy| of the Sobel kernels) is a maximum across the edge and over
    `high`, or over `low` and connected to such a pixel. For a colour picture the strongest channel counts.
    """
    if low > high:
        low, high = high, low
    work = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
    weak, strong = np.zeros((2, work.height, work.width), dtype=np.bool_)
    for _, top, right, bottom in strips(work):
        above, below = max(0, top - 2), min(work.height, bottom + 2)  # rows that a pixel's answer depends on
        values = np.asarray(work.crop((0, above, right, below)), dtype=np.float32)
        dx, dy = _sobel(values if values.ndim == 3 else values[..., None])
        strength = np.abs(dx) + np.abs(dy)
        ridge, inner = _ridges(strength, dx, dy), slice(top - above, bottom - above)
        weak[top:bottom], strong[top:bottom] = ((ridge & (strength > bound))[inner] for bound in (low, high))
    return Image.fromarray(connected(weak, strong).astype(np.uint8) * 255)


def _sobel(values: Floats) -> tuple[Floats, Floats]:
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="edge")
    smooth_y = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    smooth_x = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    dx, dy = smooth_y[:, 2:] - smooth_y[:, :-2], smooth_x[2:] - smooth_x[:-2]
    best = (np.abs(dx) + np.abs(dy)).argmax(axis=-1)[..., None]
    return np.take_along_axis(dx, best, -1)[..., 0], np.take_along_axis(dy, best, -1)[..., 0]


def _ridges(strength: Floats, dx: Floats, dy: Floats) -> NDArray[np.bool_]:
    """Where the gradient is not exceeded by its two neighbours along its own direction (4 directions)."""
    padded = np.pad(strength, 1)
    height, width = strength.shape

    def at(x: int, y: int) -> Floats:
        return padded[1 + y : 1 + y + height, 1 + x : 1 + x + width]

    flat, steep = np.abs(dy) < 0.41421356 * np.abs(dx), np.abs(dy) > 2.41421356 * np.abs(dx)
    rising = dx * dy > 0
    before = np.select([flat, steep, rising], [at(-1, 0), at(0, -1), at(-1, -1)], at(1, -1))
    after = np.select([flat, steep, rising], [at(1, 0), at(0, 1), at(1, 1)], at(-1, 1))
    return (strength > before) & (strength >= after)
