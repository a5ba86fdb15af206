"""Tiles of a picture: where each lies and how much of it its neighbours share. All lengths are pixels."""

import itertools
import math

from pydantic import Field

from invokeai.invocation_api import FieldValue, ImageField, InvalidInput

MOST_TILES = 100_000
TILE_GRID = 8
"""Even tiles have sides of such multiples, so that each fits a model."""


class TBLR(FieldValue):
    """Four lengths, or four edges."""

    top: int
    bottom: int
    left: int
    right: int


class Tile(FieldValue):
    """A tile's edges within the picture, and what it shares with the neighbour at each side."""

    coords: TBLR = Field(description="Edges within the picture; bottom and right are exclusive.")
    overlap: TBLR = Field(description="Pixels shared with the neighbour at each side.")


class TileWithImage(FieldValue):
    """A tile and its picture."""

    tile: Tile
    image: ImageField


Spans = list[tuple[int, int]]
"""Start and end of each tile along one side."""


def spans_with_overlap(length: int, tile: int, overlap: int) -> Spans:
    """Tiles of one size at regular distances, sharing `overlap`; the last one ends with the picture and may share more.

    Raises:
        InvalidInput: the overlap leaves nothing to advance by.
    """
    tile = min(tile, length)
    count = _count(length, tile, overlap)
    starts = [min(index * (tile - overlap), length - tile) for index in range(count)]
    return [(start, start + tile) for start in starts]


def spans_evenly(length: int, tile: int, least_overlap: int) -> Spans:
    """As few tiles of one size as share at least `least_overlap`, spread evenly.

    Raises:
        InvalidInput: the overlap leaves nothing to advance by.
    """
    tile = min(tile, length)
    count = _count(length, tile, least_overlap)
    room = length - tile
    starts = [room * index // (count - 1) if count > 1 else 0 for index in range(count)]
    return [(start, start + tile) for start in starts]


def spans_of_count(length: int, count: int, overlap: int) -> Spans:
    """`count` tiles that share about `overlap`; their size is a multiple of 8 wherever the picture allows it.

    Raises:
        InvalidInput: so many tiles, so far overlapping, do not fit.
    """
    if count == 1:
        return [(0, length)]
    size = math.ceil((length + overlap * (count - 1)) / count / TILE_GRID) * TILE_GRID
    step = size - overlap
    if size > length or step <= 0 or (count - 2) * step >= length - size:
        raise InvalidInput(f"{length} pixels cannot be split into {count} tiles that share {overlap}.")
    starts = [min(index * step, length - size) for index in range(count)]
    return [(start, start + size) for start in starts]


def _count(length: int, tile: int, overlap: int) -> int:
    if tile == length:
        return 1
    if overlap >= tile:
        raise InvalidInput(f"Tiles of {tile} pixels cannot share {overlap}.")
    return math.ceil((length - overlap) / (tile - overlap))


def grid_of(columns: Spans, rows: Spans) -> list[Tile]:
    """Every tile of a grid, row by row.

    Raises:
        InvalidInput: there are too many.
    """
    if len(columns) * len(rows) > MOST_TILES:
        raise InvalidInput(f"That makes {len(columns) * len(rows)} tiles; {MOST_TILES} is the most.")
    across, down = _shared(columns), _shared(rows)
    return [
        Tile(
            coords=TBLR(top=top, bottom=bottom, left=left, right=right),
            overlap=TBLR(top=down[y][0], bottom=down[y][1], left=across[x][0], right=across[x][1]),
        )
        for y, (top, bottom) in enumerate(rows)
        for x, (left, right) in enumerate(columns)
    ]


def _shared(spans: Spans) -> Spans:
    """For each tile, what it shares with the one before and the one after."""
    between = [max(0, end - start) for (_, end), (start, _) in itertools.pairwise(spans)]
    return list(zip([0, *between], [*between, 0], strict=True))
