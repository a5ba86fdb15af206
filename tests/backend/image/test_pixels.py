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


def test_big_pictures_are_worked_on_in_strips_without_seams() -> None:
    """Strip by strip gives the same as at once, for everything that looks at neighbours or counts along."""
    from invokeai.backend.image import control, edges, filters, infill, masks, pixels, watermark

    small = np.random.default_rng(2).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((330, 290), Image.Resampling.BICUBIC)
    area = np.asarray(image.convert("L")) < 60
    works = {
        "canny": lambda: edges.canny(image, 60, 120),
        "distance": lambda: masks.from_distance(area, 40),
        "shuffle": lambda: control.shuffle(image, 64),
        "watermark": lambda: watermark.embed(image, "InvokeAI"),
        "lightness": lambda: filters.unsharp_oklab(image, 3, 80),
        "noise": lambda: filters.add_noise(image, None, 1, "gaussian", 0.2, True, 7),
    }
    at_once = {name: work().tobytes() for name, work in works.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixels, "STRIP_PIXELS", 330 * 17)
        in_strips = {name: work().tobytes() for name, work in works.items()}
        assert watermark.read(works["watermark"](), 8) == "InvokeAI"
    assert [name for name in works if at_once[name] != in_strips[name]] == []

    hole = image.convert("RGBA")
    hole.paste((0, 0, 0, 0), (100, 100, 200, 200))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(infill, "LARGE", 330 * 290 // 9)
        reduced = np.asarray(infill.fill_smoothly(hole), dtype=int)
    exact = np.asarray(infill.fill_smoothly(hole), dtype=int)
    known = np.asarray(hole)[..., 3] == 255
    assert (reduced[known] == exact[known]).all() and np.abs(reduced - exact)[~known].mean() < 25
