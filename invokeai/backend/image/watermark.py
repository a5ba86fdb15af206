"""Invisible text in the chroma of a picture, in the layout of the package `invisible-watermark`, method dwtDctSvd.

The method (Navas et al., "DWT-DCT-SVD based watermarking", 2008): the first level Haar transform of the U channel is
cut into blocks of 4 × 4; in each block the largest singular value is moved to the lower or upper half of a step of 36.
Bits repeat over all blocks and are read by majority. A DCT is orthonormal, changes no singular value and is left out.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from invokeai.backend.image.pixels import Floats, join_alpha, split_alpha, strips

STEP = 36
SMALLEST_AREA = 256 * 256


def embed(image: Image.Image, text: str) -> Image.Image:
    """`image` with the UTF-8 bytes of `text` hidden in it.

    Raises:
        ValueError: no text, too much of it, or too small a picture.
    """
    bits = np.unpackbits(np.frombuffer(text.encode(), dtype=np.uint8))
    rgb, alpha = split_alpha(image)
    _require_room(rgb, bits.size)
    result = rgb.copy()
    columns, done = rgb.width // 8, 0
    for box in _whole_blocks(rgb):
        luma, u, v = _to_yuv(np.asarray(rgb.crop(box)))
        bands = _haar(u.astype(np.float64))
        left, strength, right = np.linalg.svd(_blocks(bands[0]))
        count = strength.shape[0] * columns
        pattern = bits[np.arange(done, done + count) % bits.size].reshape(-1, columns)
        done += count
        strength[..., 0] = (strength[..., 0] // STEP + 0.25 + 0.5 * pattern) * STEP
        marked = (left * strength[..., None, :]) @ right
        bands[0] = marked.swapaxes(1, 2).reshape(bands[0].shape)
        u = np.clip(_haar_back(bands), 0, 255).astype(np.uint8)
        result.paste(Image.fromarray(_from_yuv(luma, u, v)), box)
    return join_alpha(result, alpha)


def read(image: Image.Image, length: int) -> str:
    """The text of `length` bytes hidden in `image`; noise where there is none. Bytes that are no UTF-8 become �.

    Raises:
        ValueError: too small a picture, or no length.
    """
    rgb, _ = split_alpha(image)
    _require_room(rgb, length * 8)
    votes = []
    for box in _whole_blocks(rgb):
        _, u, _ = _to_yuv(np.asarray(rgb.crop(box)))
        strongest = np.linalg.svd(_blocks(_haar(u.astype(np.float64))[0]), compute_uv=False)[..., 0].ravel()
        votes.append(strongest % STEP > STEP / 2)
    voted = np.concatenate(votes)
    places = np.arange(voted.size) % (length * 8)
    bits = np.bincount(places, voted) / np.bincount(places) > 0.5
    return np.packbits(bits).tobytes().decode(errors="replace")


def _whole_blocks(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Strips of the part of the picture that whole blocks of 8 × 8 pixels cover."""
    return strips(Image.new("1", (image.width // 8 * 8, image.height // 8 * 8)), 8)


def _require_room(image: Image.Image, bits: int) -> None:
    if bits < 1:
        raise ValueError("A watermark needs at least one byte of text.")
    if image.width * image.height < SMALLEST_AREA:
        raise ValueError(
            f"An image of {image.width} × {image.height} is too small for a watermark; 256 × 256 is enough."
        )
    if bits > (image.width // 8) * (image.height // 8):
        raise ValueError(f"The image is too small for a watermark of {bits // 8} bytes.")


def _to_yuv(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """8-bit Y, U and V, rounded."""
    red, green, blue = (rgb[..., i].astype(np.float64) for i in range(3))
    luma = np.rint(0.299 * red + 0.587 * green + 0.114 * blue)
    u, v = (np.clip(np.rint(c), 0, 255) for c in (0.492 * (blue - luma) + 128, 0.877 * (red - luma) + 128))
    return luma.astype(np.uint8), u.astype(np.uint8), v.astype(np.uint8)


def _from_yuv(luma: NDArray[np.uint8], u: NDArray[np.uint8], v: NDArray[np.uint8]) -> NDArray[np.uint8]:
    y, u_off, v_off = luma.astype(np.float64), u.astype(np.float64) - 128, v.astype(np.float64) - 128
    rgb = np.stack([y + 1.140 * v_off, y - 0.395 * u_off - 0.581 * v_off, y + 2.032 * u_off], axis=-1)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def _haar(values: Floats) -> list[Floats]:
    """Average, vertical, horizontal and diagonal differences, orthonormal, each of half the size."""
    a, b, c, d = values[::2, ::2], values[::2, 1::2], values[1::2, ::2], values[1::2, 1::2]
    return [(a + b + c + d) / 2, (a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2]


def _haar_back(bands: list[Floats]) -> Floats:
    low, vertical, horizontal, diagonal = bands
    result = np.empty((low.shape[0] * 2, low.shape[1] * 2))
    result[::2, ::2] = (low + vertical + horizontal + diagonal) / 2
    result[::2, 1::2] = (low + vertical - horizontal - diagonal) / 2
    result[1::2, ::2] = (low - vertical + horizontal - diagonal) / 2
    result[1::2, 1::2] = (low - vertical - horizontal + diagonal) / 2
    return result


def _blocks(band: Floats) -> Floats:
    """Whole blocks of 4 × 4, shape (rows, columns, 4, 4)."""
    rows, columns = band.shape[0] // 4, band.shape[1] // 4
    return band[: rows * 4, : columns * 4].reshape(rows, 4, columns, 4).swapaxes(1, 2)
