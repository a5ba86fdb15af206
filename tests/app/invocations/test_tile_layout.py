"""Tile layouts: they cover the picture, share what was asked, and are refused where that cannot be."""

import itertools
from typing import Any

import pytest

from invokeai.invocation_api import InvalidInput
from tests.app.invocations.run_node import run


def check_cover(tiles: list[dict[str, Any]], width: int, height: int, least: int) -> None:
    """Every pixel lies in a tile; neighbours share at least `least`, and say so."""
    lefts = sorted({(t["coords"]["left"], t["coords"]["right"]) for t in tiles})
    tops = sorted({(t["coords"]["top"], t["coords"]["bottom"]) for t in tiles})
    assert len(lefts) * len(tops) == len(tiles)
    for spans, end in ((lefts, width), (tops, height)):
        assert spans[0][0] == 0 and spans[-1][1] == end
        for before, after in itertools.pairwise(spans):
            assert before[1] - after[0] >= least and after[0] > before[0]
    for tile in tiles:
        at, shared = tile["coords"], tile["overlap"]
        right = next((t for t in tiles if t["coords"]["top"] == at["top"] and t["coords"]["left"] > at["left"]), None)
        assert shared["right"] == (at["right"] - right["coords"]["left"] if right else 0)
        assert (shared["top"] == 0) == (at["top"] == 0 or least == 0)


@pytest.mark.parametrize("size", [(1024, 1024), (1000, 700), (577, 2000), (100, 100)])
@pytest.mark.parametrize("overlap", [0, 128])
def test_tiles_of_a_size(size: tuple[int, int], overlap: int) -> None:
    area = {"image_width": size[0], "image_height": size[1]}
    regular = run("calculate_image_tiles", **area, overlap=overlap)["tiles"]
    even = run("calculate_image_tiles_min_overlap", **area, min_overlap=overlap)["tiles"]
    for tiles in (regular, even):
        if overlap:
            check_cover(tiles, *size, least=overlap)
        assert {t["coords"]["right"] - t["coords"]["left"] for t in tiles} == {min(576, size[0])}
        assert {t["coords"]["bottom"] - t["coords"]["top"] for t in tiles} == {min(576, size[1])}
    assert len(even) == len(regular)


def test_regular_and_even_distances() -> None:
    area = {"image_width": 1200, "image_height": 576}
    regular = run("calculate_image_tiles", **area)["tiles"]
    assert [t["coords"]["left"] for t in regular] == [0, 448, 624]
    even = run("calculate_image_tiles_min_overlap", **area)["tiles"]
    assert [t["coords"]["left"] for t in even] == [0, 312, 624]


def test_a_given_number_of_tiles() -> None:
    tiles = run("calculate_image_tiles_even_split", image_width=1024, image_height=768, num_tiles_x=3, num_tiles_y=2)
    check_cover(tiles["tiles"], 1024, 768, least=128)
    assert len(tiles["tiles"]) == 6
    assert all((t["coords"]["right"] - t["coords"]["left"]) % 8 == 0 for t in tiles["tiles"])
    one = run("calculate_image_tiles_even_split", image_width=101, image_height=33, num_tiles_x=1, num_tiles_y=1)
    assert one["tiles"][0]["coords"] == {"top": 0, "bottom": 33, "left": 0, "right": 101}


@pytest.mark.parametrize(
    "node_type, inputs",
    [
        ("calculate_image_tiles", {"tile_width": 128, "overlap": 128}),
        ("calculate_image_tiles_min_overlap", {"tile_height": 64, "min_overlap": 100}),
        ("calculate_image_tiles_even_split", {"image_width": 64, "num_tiles_x": 9}),
        (
            "calculate_image_tiles",
            {"image_width": 10**6, "image_height": 10**6, "tile_width": 8, "tile_height": 8, "overlap": 0},
        ),
    ],
)
def test_impossible_layouts_are_refused(node_type: str, inputs: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match=r"\.$"):
        run(node_type, **inputs)


def test_tiles_are_paired_and_taken_apart() -> None:
    edges = {"top": 1, "bottom": 11, "left": 2, "right": 22}
    tile = {"coords": edges, "overlap": {"top": 3, "bottom": 4, "left": 5, "right": 6}}
    found = run("tile_to_properties", tile=tile)
    assert (found["width"], found["height"], found["coords_left"], found["overlap_right"]) == (20, 10, 2, 6)
    paired = run("pair_tile_image", tile=tile, image={"image_name": "a"})
    assert paired["tile_with_image"] == {"tile": tile, "image": {"image_name": "a"}}
