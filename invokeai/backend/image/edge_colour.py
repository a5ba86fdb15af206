"""A plain background removed by its colour: what is joined to the picture's edge and has the edge's commonest colour.

No model looks at the picture: a background of many colours stays. Pictures in, RGBA pictures out.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from invokeai.backend.image.pixels import strips
from invokeai.backend.image.regions import Region, connected

TOLERANCE = 40
"""How far a pixel may be from the colour, in each channel."""
COARSE_SIDE = 512
"""Larger pictures are followed from the edge in blocks, as every step of the front costs time."""


def without_edge_colour(image: Image.Image, tolerance: int = TOLERANCE) -> Image.Image:
    """The picture with the background transparent, its rim softened; what was transparent stays so."""
    picture = image.convert("RGBA")
    colour = _edge_colour(picture)
    near = np.concatenate([_near(picture.crop(strip), colour, tolerance) for strip in strips(picture)])
    found = Image.fromarray((~_joined_to_edge(near)).astype(np.uint8) * 255)
    soft = ImageChops.darker(found, found.filter(ImageFilter.GaussianBlur(0.8)))
    picture.putalpha(ImageChops.multiply(picture.getchannel("A"), soft))
    return picture


def _near(strip: Image.Image, colour: NDArray[np.int16], tolerance: int) -> Region:
    """Which pixels have the colour, nearly."""
    away = np.abs(np.asarray(strip.convert("RGB")).astype(np.int16) - colour)
    return np.asarray(away.max(axis=2) <= tolerance)


def _edge_colour(picture: Image.Image) -> NDArray[np.int16]:
    """The mean of the commonest class of colours (eight levels a channel) along the edge."""
    width, height = picture.size
    sides = ((0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height))
    edge = np.concatenate([np.asarray(picture.crop(side).convert("RGB")).reshape(-1, 3) for side in sides])
    edge = edge.astype(np.int16)
    classes = (edge >> 5) @ np.array([64, 8, 1], np.int16)
    commonest = edge[classes == np.bincount(classes).argmax()]
    colour: NDArray[np.int16] = commonest.mean(axis=0).round().astype(np.int16)
    return colour


def _joined_to_edge(near: Region) -> Region:
    block = -(-max(near.shape) // COARSE_SIDE)
    height, width = near.shape
    padded = np.pad(near, ((0, -height % block), (0, -width % block)), constant_values=True)
    rows, columns = padded.shape[0] // block, padded.shape[1] // block
    coarse: Region = np.asarray(padded.reshape(rows, block, columns, block).all(axis=(1, 3)))
    seeds = np.zeros_like(coarse)
    seeds[0], seeds[-1], seeds[:, 0], seeds[:, -1] = coarse[0], coarse[-1], coarse[:, 0], coarse[:, -1]
    joined = connected(coarse, seeds)
    if block > 1:  # the blocks that a rim runs through: their near pixels belong to it too
        joined = _grown(joined)
    fine = np.repeat(np.repeat(joined, block, axis=0), block, axis=1)[:height, :width]
    return fine & near


def _grown(region: Region) -> Region:
    padded = np.pad(region, 1)
    height, width = region.shape
    shifted = np.array([padded[y : y + height, x : x + width] for y in range(3) for x in range(3)])
    return np.asarray(shifted.any(axis=0))
