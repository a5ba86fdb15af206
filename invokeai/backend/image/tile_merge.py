"""Overlapping tiles put together again, row by row, each one blended into what already lies there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from invokeai.backend.image.pixels import MAX_PIXELS, Floats, require_size


@dataclass(frozen=True, slots=True)
class PlacedTile:
    """A tile's picture, where its corner lies, and how much of it its upper and left neighbours cover, in pixels."""

    image: Image.Image
    left: int
    top: int
    overlap_left: int
    overlap_top: int


def merge_tiles(tiles: Sequence[PlacedTile], blend: int, seams: bool, limit: int = MAX_PIXELS) -> Image.Image:
    """One RGB picture of all tiles.

    Tiles meet in a line in the middle of the overlap or, with `seams`, where they differ least; `blend` pixels around
    that line go over from one to the other.

    Raises:
        ValueError: no tiles, a tile outside of the picture, or an overlap smaller than `blend`.
    """
    if not tiles:
        raise ValueError("There are no tiles to merge.")
    width = max(tile.left + tile.image.width for tile in tiles)
    height = max(tile.top + tile.image.height for tile in tiles)
    require_size(width, height, limit)
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    for tile in sorted(tiles, key=lambda placed: (placed.top, placed.left)):
        _check(tile, blend)
        pixels = np.asarray(tile.image.convert("RGB"), dtype=np.float32)
        window = canvas[tile.top : tile.top + len(pixels), tile.left : tile.left + pixels.shape[1]]
        weight = _weight(window.astype(np.float32), pixels, tile, blend, seams)[..., None]
        window[:] = (window * (1 - weight) + pixels * weight + 0.5).astype(np.uint8)
    return Image.fromarray(canvas)


def _check(tile: PlacedTile, blend: int) -> None:
    if tile.left < 0 or tile.top < 0:
        raise ValueError(f"A tile lies outside of the image, at ({tile.left}, {tile.top}).")
    for overlap in (tile.overlap_left, tile.overlap_top):
        if 0 < overlap < blend:
            raise ValueError(f"The blend amount of {blend} is over the overlap of {overlap} pixels between tiles.")


def _weight(canvas: Floats, pixels: Floats, tile: PlacedTile, blend: int, seams: bool) -> Floats:
    """How much of the new tile shows at each pixel, 0 to 1."""
    weight = np.ones(pixels.shape[:2], dtype=np.float32)
    left, top = min(tile.overlap_left, pixels.shape[1]), min(tile.overlap_top, pixels.shape[0])
    if left > 0:
        cost = ((canvas[:, :left] - pixels[:, :left]) ** 2).sum(axis=-1)
        weight[:, :left] = _ramp(cost, blend, seams)
    if top > 0:
        cost = ((canvas[:top] - pixels[:top]) ** 2).sum(axis=-1)
        weight[:top] = np.minimum(weight[:top], _ramp(cost.T, blend, seams).T)
    return weight


def _ramp(cost: Floats, blend: int, seams: bool) -> Floats:
    """Per row of `cost`, 0 before a line and 1 after it, going over within `blend` pixels."""
    lines, width = cost.shape
    margin = min(blend / 2, (width - 1) / 2)
    middle = np.full(lines, (width - 1) / 2)
    if seams:
        edge = int(margin)
        middle = cheapest_path(cost[:, edge : width - edge]) + edge if width > 2 * edge else middle
    places = np.arange(width) - middle[:, None]
    return np.asarray(np.clip(places / blend + 0.5, 0, 1) if blend > 0 else places >= 0, dtype=np.float32)


def cheapest_path(cost: Floats) -> Floats:
    """The column, per row, of the path from top to bottom with the least sum, moving at most one column a row.

    Efros and Freeman, "Image quilting for texture synthesis and transfer" (2001), minimum error boundary cut.
    """
    rows, columns = cost.shape
    total = cost[0].astype(np.float64)
    moves = np.zeros((rows, columns), dtype=np.int8)
    for row in range(1, rows):
        padded = np.pad(total, 1, constant_values=np.inf)
        choices = np.stack([padded[1:-1], padded[:-2], padded[2:]])  # straight on wins a tie
        best = choices.argmin(axis=0)
        moves[row] = np.array([0, -1, 1], dtype=np.int8)[best]
        total = choices[best, np.arange(columns)] + cost[row]
    path = np.empty(rows, dtype=np.float64)
    place = int(total.argmin())
    for row in range(rows - 1, -1, -1):
        path[row] = place
        place += int(moves[row, place])
    return path
