import numpy as np
import pytest
from PIL import Image

from invokeai.app.invocations.tile_values import TBLR, Tile, TileWithImage
from invokeai.app.services.shared.errors import InvalidInput
from invokeai.backend.image.tile_merge import cheapest_path
from tests.app.invocations.conftest import NodeBench


def photo(width: int = 150, height: int = 100) -> Image.Image:
    small = np.random.default_rng(1).integers(0, 256, (10, 10, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def tiles_of(bench: NodeBench, image: Image.Image) -> list[TileWithImage]:
    """The picture cut by the layout node and the crop node."""
    layout = bench.invoke(
        "calculate_image_tiles_min_overlap",
        image_width=image.width,
        image_height=image.height,
        tile_width=64,
        tile_height=64,
        min_overlap=16,
    )
    pairs = []
    for tile in layout.tiles:
        part = image.crop((tile.coords.left, tile.coords.top, tile.coords.right, tile.coords.bottom))
        pairs.append(bench.invoke("pair_tile_image", image=part, tile=tile).tile_with_image)
    return pairs


def tile(bench: NodeBench, colour: str, left: int, right: int, overlap: int) -> TileWithImage:
    place = TBLR(top=0, bottom=20, left=left, right=right)
    lap = TBLR(top=0, bottom=0, left=overlap if left else 0, right=0 if left else overlap)
    image = bench.put(Image.new("RGB", (right - left, 20), colour))
    return TileWithImage(tile=Tile(coords=place, overlap=lap), image=image)


@pytest.mark.parametrize("mode", ["Linear", "Seam"])
@pytest.mark.parametrize("blend", [0, 16])
def test_cut_tiles_give_the_picture_back(bench: NodeBench, mode: str, blend: int) -> None:
    tiles = tiles_of(bench, photo())
    assert len(tiles) > 4
    merged = bench.image("merge_tiles_to_image", tiles_with_images=tiles, blend_mode=mode, blend_amount=blend)
    assert np.abs(np.asarray(merged, dtype=int) - np.asarray(photo(), dtype=int)).max() <= 1


def test_linear_blend_goes_over_in_the_middle_of_the_overlap(bench: NodeBench) -> None:
    tiles = [tile(bench, "white", 30, 80, 20), tile(bench, "black", 0, 50, 20)]  # in any order
    options = {"tiles_with_images": tiles, "blend_mode": "Linear"}
    row = np.asarray(bench.image("merge_tiles_to_image", blend_amount=10, **options))[10, :, 0].astype(int)
    assert row.size == 80 and (row[:34] == 0).all() and (row[46:] == 255).all()
    assert (np.diff(row[34:46]) >= 0).all() and 100 < row[39] <= row[40] < 155
    hard = np.asarray(bench.image("merge_tiles_to_image", blend_amount=0, **options))[10, :, 0]
    assert set(hard) == {0, 255}


def test_seam_runs_where_the_tiles_agree(bench: NodeBench) -> None:
    left, right = tile(bench, "black", 0, 50, 20), tile(bench, "white", 30, 80, 20)
    image = Image.new("RGB", (50, 20), "white")
    image.paste("black", (5, 0, 7, 20))  # columns 35 and 36 of the whole are black in both tiles
    right = right.model_copy(update={"image": bench.put(image)})
    merged = bench.image("merge_tiles_to_image", tiles_with_images=[left, right], blend_amount=0)
    row = np.asarray(merged)[10, :, 0]
    assert (row[:37] == 0).all() and (row[37:] == 255).all()


def test_cheapest_path_bends_around_costs() -> None:
    cost = np.ones((5, 5), dtype=np.float32)
    for row, column in enumerate([0, 1, 2, 3, 3]):
        cost[row, column] = 0
    assert cheapest_path(cost).tolist() == [0, 1, 2, 3, 3]


def test_what_cannot_be_merged_is_refused(bench: NodeBench) -> None:
    with pytest.raises(ValueError, match="no tiles"):
        bench.invoke("merge_tiles_to_image", tiles_with_images=[])
    pair = [tile(bench, "black", 0, 50, 20), tile(bench, "white", 30, 80, 20)]
    with pytest.raises(ValueError, match="blend amount of 32 is over the overlap of 20"):
        bench.invoke("merge_tiles_to_image", tiles_with_images=pair)
    wrong = pair[0].model_copy(update={"image": bench.put(Image.new("RGB", (3, 3)))})
    with pytest.raises(InvalidInput, match="is 3 × 3, its tile 50 × 20"):
        bench.invoke("merge_tiles_to_image", tiles_with_images=[wrong])
    far = Tile(coords=TBLR(top=0, bottom=20, left=10**6, right=10**6 + 50), overlap=pair[0].tile.overlap)
    bench.limit_pixels(10**6)
    with pytest.raises(ValueError, match="over the limit"):
        bench.invoke("merge_tiles_to_image", tiles_with_images=[pair[0].model_copy(update={"tile": far})])
