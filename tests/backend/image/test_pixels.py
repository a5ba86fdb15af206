import numpy as np
import pytest
from PIL import Image

from invokeai.backend.image.pixels import map_colours, plain, require_size


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        *(("L", "L"), ("RGB", "RGB"), ("RGBA", "RGBA"), ("1", "L"), ("F", "L"), ("I", "L"), ("I;16", "L")),
        *(("LA", "RGBA"), ("PA", "RGBA"), ("P", "RGB"), ("CMYK", "RGB"), ("YCbCr", "RGB"), ("HSV", "RGB")),
    ],
)
def test_every_stored_mode_becomes_one_of_three(mode: str, expected: str) -> None:
    assert plain(Image.new(mode, (2, 2))).mode == expected


def test_sixteen_bit_greys_keep_their_range() -> None:
    image = Image.fromarray(np.array([[0, 32768, 65535]], dtype=np.uint16))
    assert np.asarray(plain(image)).tolist() == [[0, 128, 255]]


def test_palette_transparency_becomes_alpha() -> None:
    image = Image.new("P", (1, 1), 0)
    image.info["transparency"] = 0
    assert plain(image).getpixel((0, 0))[3] == 0


def test_strips_see_every_pixel_once_in_order() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (700, 2000, 4), dtype=np.uint8)
    heights = []

    def change(rgb):
        heights.append(len(rgb))
        return 1 - rgb

    changed = np.asarray(map_colours(Image.fromarray(pixels), change))
    assert (changed[..., :3] == 255 - pixels[..., :3]).all() and (changed[..., 3] == pixels[..., 3]).all()
    assert sum(heights) == 700 and len(heights) == 2


def test_size_limits() -> None:
    assert require_size(10_000, 10_000) == (10_000, 10_000)
    with pytest.raises(ValueError, match=r"over the limit of 100,000,000"):
        require_size(10_001, 10_000, 10**12)
