import numpy as np
import pytest
from PIL import Image

from invokeai.app.invocations.image_compositing import BlendMode, BlendSpace
from tests.app.invocations.conftest import NodeBench

MODES, SPACES = BlendMode.__args__, BlendSpace.__args__


def one(*colour: int, size: tuple[int, int] = (4, 4)) -> Image.Image:
    return Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour)


def many(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8))


def blend(bench: NodeBench, base: Image.Image, upper: Image.Image, **options: object) -> np.ndarray:
    return np.asarray(bench.image("invokeai_img_blend", layer_base=base, layer_upper=upper, **options), dtype=int)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("Normal", 51),
        ("Lighten Only", 204),
        ("Darken Only", 51),
        ("Linear Dodge (Add)", 255),
        ("Subtract", 153),
        ("Multiply", 41),
        ("Divide", 255),
        ("Screen", 214),
        ("Overlay", 173),
        ("Linear Burn", 0),
        ("Difference", 153),
        ("Hard Light", 82),
        ("Soft Light", 180),
        ("Vivid Light", 128),
        ("Linear Light", 51),
        ("Color Burn", 0),
        ("Color Dodge", 255),
    ],
)
def test_separable_modes_in_rgb(bench: NodeBench, mode: str, expected: int) -> None:
    """Base 0.8 under 0.2, each value worked out by hand from the published formula."""
    mixed = blend(bench, one(204, 204, 204), one(51, 51, 51), blend_mode=mode)
    assert mixed[0, 0].tolist()[:3] == pytest.approx([expected] * 3, abs=1)


def test_multiply_in_linear_light_is_lighter(bench: NodeBench) -> None:
    plain = blend(bench, one(128, 128, 128), one(128, 128, 128), blend_mode="Screen")
    linear = blend(bench, one(128, 128, 128), one(128, 128, 128), blend_mode="Screen", color_space="Linear RGB")
    assert plain[0, 0, 0] == 192 and linear[0, 0, 0] == pytest.approx(167, abs=2)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_in_every_space_gives_a_picture(bench: NodeBench, mode: str, space: str) -> None:
    with np.errstate(all="raise", under="ignore"):
        mixed = blend(bench, many(1), many(2), blend_mode=mode, color_space=space)
    assert mixed.shape == (20, 20, 4) and (mixed[..., 3] == 255).all()


@pytest.mark.parametrize("space", SPACES)
def test_luminosity_takes_lightness_and_colour_takes_the_rest(bench: NodeBench, space: str) -> None:
    grey, warm = one(90, 90, 90), one(200, 120, 90)
    lit = blend(bench, warm, grey, blend_mode="Luminosity", color_space=space)[0, 0]
    assert lit[0] > lit[2] and lit[:3].sum() < 410
    tinted = blend(bench, grey, warm, blend_mode="Color", color_space=space)[0, 0]
    assert tinted[0] > tinted[2] + 20
    pale = blend(bench, warm, grey, blend_mode="Saturation", color_space=space)[0, 0]
    assert pale[:3].max() - pale[:3].min() <= 3


@pytest.mark.parametrize("mode", ["Lighten Only (EAL)", "Darken Only (EAL)"])
def test_lightness_as_seen_picks_whole_pixels(bench: NodeBench, mode: str) -> None:
    # the same CIELAB lightness, but the red looks lighter than the grey
    mixed = blend(bench, one(255, 0, 0), one(127, 127, 127), blend_mode=mode)[0, 0].tolist()
    assert mixed[:3] == ([255, 0, 0] if mode.startswith("Lighten") else [127, 127, 127])


def test_opacity_mask_and_alpha_limit_the_upper_layer(bench: NodeBench) -> None:
    black, white = one(0, 0, 0), one(255, 255, 255)
    assert blend(bench, black, white, opacity=0.5)[0, 0, 0] == 128
    assert blend(bench, black, white, opacity=7)[0, 0, 0] == 255
    assert blend(bench, black, one(255, 255, 255, 51))[0, 0].tolist() == [51, 51, 51, 255]
    mask = Image.new("L", (4, 4), 0)
    mask.paste(255, (0, 0, 2, 4))
    assert blend(bench, black, white, mask=mask)[0, :, 0].tolist() == [0, 0, 255, 255]


def test_transparent_layers_composite_as_they_should(bench: NodeBench) -> None:
    mixed = blend(bench, one(0, 0, 0, 0), one(200, 100, 50, 128), blend_mode="Multiply")
    assert mixed[0, 0].tolist() == [200, 100, 50, 128]


def test_upper_layer_is_fitted_and_centred(bench: NodeBench) -> None:
    base, upper = one(0, 0, 0, size=(8, 4)), one(255, 255, 255, size=(2, 2))
    assert (blend(bench, base, upper)[0, :, 0] == 255).tolist() == [False, False, True, True, True, True, False, False]
    wide = blend(bench, base, upper, fit_to_width=True, fit_to_height=False)
    assert (wide[..., 0] == 255).all()
    as_is = blend(bench, base, upper, fit_to_height=False)
    assert (as_is[..., 0] == 255).sum() == 4 and as_is[1, 3, 0] == 255


def subject() -> Image.Image:
    """A red square with a green middle on green."""
    image = one(0, 255, 0, size=(20, 20))
    image.paste((255, 0, 0), (5, 5, 15, 15))
    image.paste((0, 255, 0), (9, 9, 11, 11))
    return image


def composed(bench: NodeBench, **options: object) -> np.ndarray:
    background = one(0, 0, 255, size=(40, 20))
    picture = bench.image("invokeai_img_composite", image_subject=subject(), image_background=background, **options)
    return np.asarray(picture)[..., :3]


def test_backdrop_joined_to_the_corners_goes(bench: NodeBench) -> None:
    picture = composed(bench)
    assert picture[0, 0].tolist() == picture[2, 12].tolist() == [0, 0, 255]
    assert picture[10, 16].tolist() == [255, 0, 0] and picture[10, 20].tolist() == [0, 255, 0]


@pytest.mark.parametrize("key", ["#00ff00", "lime", "(0, 255, 0)", "0,250,10"])
def test_a_key_colour_goes_everywhere(bench: NodeBench, key: str) -> None:
    picture = composed(bench, chroma_key=key)
    assert picture[10, 20].tolist() == [0, 0, 255] and picture[10, 16].tolist() == [255, 0, 0]


def test_a_key_that_is_no_colour_is_refused(bench: NodeBench) -> None:
    with pytest.raises(ValueError, match="is no colour"):
        composed(bench, chroma_key="greenish")


def test_offset_and_fill(bench: NodeBench) -> None:
    assert composed(bench, x_offset=-10, y_offset=5)[14, 6].tolist() == [255, 0, 0]
    stretched = composed(bench, fill_x=True)
    assert np.abs(stretched[10, 11:16].astype(int) - (255, 0, 0)).max() < 20 and stretched[10, 8].tolist() == [
        0,
        0,
        255,
    ]
