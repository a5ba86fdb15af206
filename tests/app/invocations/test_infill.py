import numpy as np
import pytest
from PIL import Image

from invokeai.invocation_api import ColorField
from tests.app.invocations.conftest import NodeBench


def holed(size: int = 64, hole: tuple[int, int, int, int] = (20, 20, 44, 44)) -> Image.Image:
    """A left-right gradient from red to blue with a transparent hole."""
    x = np.linspace(0, 255, size).astype(np.uint8)
    rgba = np.zeros((size, size, 4), dtype=np.uint8)
    rgba[..., 0], rgba[..., 2], rgba[..., 3] = 255 - x, x, 255
    rgba[hole[1] : hole[3], hole[0] : hole[2]] = 0
    return Image.fromarray(rgba)


def outside_is_kept(filled: Image.Image, source: Image.Image) -> bool:
    known = np.asarray(source)[..., 3] == 255
    return bool((np.asarray(filled.convert("RGB"))[known] == np.asarray(source)[..., :3][known]).all())


def test_solid_colour_shows_through_by_alpha(bench: NodeBench) -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (255, 0, 0, 0))
    filled = bench.image("infill_rgba", image=image, color=ColorField(r=1, g=2, b=3, a=255))
    assert (filled.getpixel((0, 0)), filled.getpixel((1, 0))) == ((255, 0, 0, 255), (1, 2, 3, 255))


def test_smooth_infill_continues_the_gradient(bench: NodeBench) -> None:
    source = holed()
    filled = bench.image("infill_cv2", image=source)
    assert filled.mode == "RGB" and outside_is_kept(filled, source)
    red, green, blue = filled.getpixel((32, 32))
    assert abs(red - 127) < 25 and abs(blue - 127) < 25 and green == 0
    assert filled.getpixel((21, 32))[0] > filled.getpixel((42, 32))[0]


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (13, 1), (33, 17)])
def test_smooth_infill_of_any_size(bench: NodeBench, size: tuple[int, int]) -> None:
    clear = Image.new("RGBA", size, (9, 9, 9, 0))
    assert bench.image("infill_cv2", image=clear).getextrema() == ((0, 0),) * 3
    clear.putpixel((0, 0), (10, 20, 30, 255))
    assert bench.image("infill_cv2", image=clear).getextrema() == ((10, 10), (20, 20), (30, 30))


def test_inpaint_fills_under_black_and_keeps_the_rest(bench: NodeBench) -> None:
    source = holed().convert("RGB")
    mask = Image.new("L", source.size, 255)
    mask.paste(0, (20, 20, 44, 44))
    filled = bench.image("cv_inpaint", image=source, mask=mask)
    assert outside_is_kept(filled, holed()) and filled.getpixel((32, 32))[0] > 90


def test_tiles_come_from_the_picture_and_repeat_with_the_seed(bench: NodeBench) -> None:
    source = holed()
    filled = bench.image("infill_tile", image=source, tile_size=8, seed=3)
    assert filled.mode == "RGB" and outside_is_kept(filled, source)
    assert filled.tobytes() == bench.image("infill_tile", image=source, tile_size=8, seed=3).tobytes()
    assert filled.tobytes() != bench.image("infill_tile", image=source, tile_size=8, seed=4).tobytes()
    known = {tuple(pixel) for pixel in np.asarray(source)[np.asarray(source)[..., 3] == 255][:, :3]}
    assert {tuple(pixel) for pixel in np.asarray(filled).reshape(-1, 3)} <= known


def test_tiles_of_a_picture_without_a_whole_one(bench: NodeBench) -> None:
    image = Image.new("RGBA", (30, 30))
    image.putpixel((3, 3), (10, 20, 30, 255))
    assert bench.image("infill_tile", image=image, tile_size=16).getpixel((29, 29)) == (10, 20, 30)
    assert bench.image("infill_tile", image=Image.new("RGB", (3, 3), "red"), tile_size=500).getpixel((2, 2))[0] == 255
