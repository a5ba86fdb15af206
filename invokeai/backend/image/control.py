"""Pictures that steer a generation: coarse colours, shuffled content."""

import numpy as np
from PIL import Image

from invokeai.backend.image.pixels import Bytes, Floats, strips


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
    across, down = _Noise(rng, rgb.width, rgb.height, scale), _Noise(rng, rgb.width, rgb.height, scale)
    pixels, result = np.asarray(rgb), Image.new("RGB", rgb.size)
    for box in strips(rgb):
        x, y = across.strip(box) * (rgb.width - 1), down.strip(box) * (rgb.height - 1)
        result.paste(Image.fromarray(_sample(pixels, x, y)), box)
    return result


class _Noise:
    """A field of values from 0 to 1 without steps, over `width` × `height` pixels, with cells of `scale` pixels."""

    def __init__(self, rng: np.random.Generator, width: int, height: int, scale: int) -> None:
        cells = rng.random((height // scale + 4, width // scale + 4), dtype=np.float32)
        low, high = cells.min(), cells.max()
        self._cells = Image.fromarray((cells - low) / (high - low))
        self._scale = scale

    def strip(self, box: tuple[int, int, int, int]) -> Floats:
        """The values in a box of pixels."""
        left, top, right, bottom = (1 + edge / self._scale for edge in box)
        size = (box[2] - box[0], box[3] - box[1])
        part = self._cells.resize(size, Image.Resampling.BICUBIC, (left, top, right, bottom))
        return np.asarray(np.clip(np.asarray(part), 0, 1), dtype=np.float32)


def _sample(pixels: Bytes, x: Floats, y: Floats) -> Bytes:
    """Bilinear reading at fractional places inside the picture."""
    left, top = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    right, bottom = np.minimum(left + 1, pixels.shape[1] - 1), np.minimum(top + 1, pixels.shape[0] - 1)
    px, py = (x - left)[..., None], (y - top)[..., None]
    upper = pixels[top, left] * (1 - px) + pixels[top, right] * px
    lower = pixels[bottom, left] * (1 - px) + pixels[bottom, right] * px
    return np.asarray(upper * (1 - py) + lower * py + 0.5, dtype=np.uint8)
