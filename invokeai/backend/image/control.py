"""Pictures that steer a generation: coarse colours, shuffled content."""

import numpy as np
from PIL import Image

from invokeai.backend.image.pixels import Bytes, Floats


def colour_map(image: Image.Image, tile_size: int) -> Image.Image:
    """Tiles of one average colour each, `tile_size` pixels wide (the last ones cut off), RGB."""
    rgb = np.asarray(image.convert("RGB"), dtype=np.float32)
    height, width = rgb.shape[:2]
    rows, columns = np.arange(0, height, tile_size), np.arange(0, width, tile_size)
    sums = np.add.reduceat(np.add.reduceat(rgb, rows, axis=0), columns, axis=1)
    tall, wide = np.diff([*rows, height]), np.diff([*columns, width])
    means = (sums / (tall[:, None] * wide[None, :])[..., None] + 0.5).astype(np.uint8)
    return Image.fromarray(means.repeat(tall, axis=0).repeat(wide, axis=1))


def shuffle(image: Image.Image, scale: int) -> Image.Image:
    """Content carried along by a smooth random flow with swirls about `scale` pixels large, RGB.

    After ControlNet's shuffle (Zhang, Rao and Agrawala, "Adding conditional control", 2023): each pixel is read from a
    place that two smooth noise fields name. The noise depends on size and scale alone, so the result repeats.
    """
    rgb = image.convert("RGB")
    if scale <= 0:
        return rgb.copy()
    rng = np.random.default_rng(scale)
    across = _smooth_noise(rng, rgb.width, rgb.height, scale) * (rgb.width - 1)
    down = _smooth_noise(rng, rgb.width, rgb.height, scale) * (rgb.height - 1)
    return Image.fromarray(_sample(np.asarray(rgb), across, down))


def _smooth_noise(rng: np.random.Generator, width: int, height: int, scale: int) -> Floats:
    """Values from 0 to 1, both reached, without steps."""
    cells = rng.random((height // scale + 3, width // scale + 3), dtype=np.float32)
    left, top = (float(part) for part in rng.random(2))
    field = Image.fromarray(cells).resize(
        (width, height), Image.Resampling.BICUBIC, (left, top, left + 1 + width / scale, top + 1 + height / scale)
    )
    values = np.asarray(field)
    low, high = values.min(), values.max()
    return np.asarray((values - low) / max(float(high - low), 1e-6), dtype=np.float32)


def _sample(pixels: Bytes, x: Floats, y: Floats) -> Bytes:
    """Bilinear reading at fractional places inside the picture."""
    left, top = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    right, bottom = np.minimum(left + 1, pixels.shape[1] - 1), np.minimum(top + 1, pixels.shape[0] - 1)
    px, py = (x - left)[..., None], (y - top)[..., None]
    upper = pixels[top, left] * (1 - px) + pixels[top, right] * px
    lower = pixels[bottom, left] * (1 - px) + pixels[bottom, right] * px
    return np.asarray(upper * (1 - py) + lower * py + 0.5, dtype=np.uint8)
