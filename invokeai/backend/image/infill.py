"""Filling of holes. What is known of the picture stays as it is; the result has no transparent pixel."""

import math

import numpy as np
from PIL import Image

from invokeai.backend.image.pixels import Floats, from_floats, to_floats

LARGE = 4_000_000


def fill_colour(image: Image.Image, color: tuple[int, int, int, int]) -> Image.Image:
    """`image` over one colour, RGBA."""
    return Image.alpha_composite(Image.new("RGBA", image.size, color), image.convert("RGBA"))


def fill_tiles(image: Image.Image, tile_size: int, seed: int) -> Image.Image:
    """Holes patched with tiles cut from the opaque parts of the picture, drawn by `seed`, RGB.

    A picture without one opaque tile is filled smoothly instead.
    """
    rgba = np.asarray(image.convert("RGBA"))
    height, width = rgba.shape[:2]
    size = min(tile_size, height, width)
    rows, columns = height // size, width // size
    tiles = rgba[: rows * size, : columns * size].reshape(rows, size, columns, size, 4).swapaxes(1, 2)
    whole = tiles[(tiles[..., 3] == 255).all(axis=(2, 3))]
    if not len(whole):
        return fill_smoothly(image)
    down, across = -(-height // size), -(-width // size)
    drawn = whole[np.random.default_rng(seed).integers(len(whole), size=(down, across))]
    wall = drawn.swapaxes(1, 2).reshape(down * size, across * size, 4)[:height, :width]
    return Image.alpha_composite(Image.fromarray(np.ascontiguousarray(wall)), image.convert("RGBA")).convert("RGB")


def fill_smoothly(image: Image.Image) -> Image.Image:
    """Transparent parts filled with colours that flow in from the edge of the hole, RGB.

    Pull-push (Gortler et al., "The Lumigraph", 1996): averages of the known pixels over ever larger cells, then
    down again, each level filling what the finer one does not know. A picture without any known pixel turns black.
    Of a picture over `LARGE` pixels a smaller copy is filled: what is made up is smooth anyway.
    """
    whole = image.convert("RGBA")
    shrink = math.ceil(math.sqrt(whole.width * whole.height / LARGE))
    small = whole.convert("RGBa").reduce(shrink) if shrink > 1 else whole.convert("RGBa")
    values = to_floats(small)
    filled = from_floats(_pull_push(values[..., :3], values[..., 3:]))
    if shrink == 1:
        return filled
    under = filled.resize(whole.size, Image.Resampling.BICUBIC).convert("RGBA")
    return Image.alpha_composite(under, whole).convert("RGB")


def inpaint(image: Image.Image, mask: Image.Image) -> Image.Image:
    """What lies under the black of `mask` (stretched to the image) filled from around it; mode as before."""
    rgba = image.convert("RGBA").copy()
    known = mask.convert("L").resize(image.size)
    rgba.putalpha(known.point([0] * 128 + [255] * 128))
    filled = fill_smoothly(rgba)
    return Image.composite(image, filled.convert(image.mode), known) if image.mode in ("L", "RGB", "RGBA") else filled


def _pull_push(colours: Floats, weight: Floats) -> Floats:
    """Colours (times weight) in, full colours out; shapes (H, W, 3) and (H, W, 1)."""
    height, width = weight.shape[:2]
    if (height == 1 and width == 1) or weight.min() >= 1:
        return colours / np.maximum(weight, 1e-6)
    pads = ((0, height % 2), (0, width % 2), (0, 0))
    small_colours, small_weight = _halved(np.pad(colours, pads)), _halved(np.pad(weight, pads))
    capped = np.minimum(small_weight, 1)  # a cell with one known pixel is known
    coarse = _pull_push(small_colours * (capped / np.maximum(small_weight, 1e-6)), capped)
    return colours + (1 - weight) * _doubled(coarse)[:height, :width]


def _halved(values: Floats) -> Floats:
    """Sums over cells of 2 × 2."""
    return values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]


def _doubled(values: Floats) -> Floats:
    """Twice the size, each pixel three quarters of its own cell and one of the next, per axis."""
    for axis in (0, 1):
        moved = np.moveaxis(values, axis, 0)
        before = np.concatenate([moved[:1], moved[:-1]])
        after = np.concatenate([moved[1:], moved[-1:]])
        pair = np.stack([0.75 * moved + 0.25 * before, 0.75 * moved + 0.25 * after], axis=1)
        values = np.moveaxis(pair.reshape(-1, *moved.shape[1:]), 0, axis)
    return values
