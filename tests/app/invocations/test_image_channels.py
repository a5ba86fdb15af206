import numpy as np
import pytest
from PIL import Image

from tests.app.invocations.conftest import NodeBench

CHANNELS = [
    *("Red (RGBA)", "Green (RGBA)", "Blue (RGBA)", "Alpha (RGBA)"),
    *("Cyan (CMYK)", "Magenta (CMYK)", "Yellow (CMYK)", "Black (CMYK)"),
    *("Hue (HSV)", "Saturation (HSV)", "Value (HSV)"),
    *("Luminosity (LAB)", "A (LAB)", "B (LAB)"),
    *("Y (YCbCr)", "Cb (YCbCr)", "Cr (YCbCr)"),
]


def one(*colour: int) -> Image.Image:
    return Image.new("RGBA" if len(colour) == 4 else "RGB", (3, 2), colour)


def many() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 4), dtype=np.uint8))


@pytest.mark.parametrize(("channel", "value"), [("R", 1), ("G", 2), ("B", 3), ("A", 4)])
def test_a_channel_comes_out_as_grey(bench: NodeBench, channel: str, value: int) -> None:
    image = bench.image("img_chan", image=one(1, 2, 3, 4), channel=channel)
    assert (image.mode, image.getpixel((0, 0))) == ("L", value)


@pytest.mark.parametrize("channel", CHANNELS)
def test_offset_and_factor_that_change_nothing_change_nothing(bench: NodeBench, channel: str) -> None:
    source = many()
    for node, inputs in (("img_channel_offset", {"offset": 0}), ("img_channel_multiply", {"scale": 1.0})):
        changed = np.asarray(bench.image(node, image=source, channel=channel, **inputs).convert("RGBA"), dtype=int)
        away = np.abs(changed - np.asarray(source, dtype=int))
        assert away[..., 3].max() == 0
        # 8-bit HSV and YCbCr, and 8-bit a and b, lose a little
        assert away.max() <= (8 if "HSV" in channel else 3), channel


@pytest.mark.parametrize(
    ("channel", "offset", "before", "after"),
    [
        ("Red (RGBA)", 10, (100, 50, 0, 200), (110, 50, 0, 200)),
        ("Red (RGBA)", -200, (100, 50, 0, 200), (0, 50, 0, 200)),
        ("Alpha (RGBA)", -50, (100, 50, 0, 200), (100, 50, 0, 150)),
        ("Cyan (CMYK)", 55, (255, 255, 255, 9), (200, 255, 255, 9)),
        ("Black (CMYK)", 55, (255, 255, 255, 9), (200, 200, 200, 9)),
        ("Value (HSV)", -255, (100, 50, 0, 200), (0, 0, 0, 200)),
        ("Saturation (HSV)", -255, (100, 50, 0, 200), (100, 100, 100, 200)),
        ("Luminosity (LAB)", 255, (100, 100, 100, 7), (255, 255, 255, 7)),
    ],
)
def test_offset(bench: NodeBench, channel: str, offset: int, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    image = bench.image("img_channel_offset", image=one(*before), channel=channel, offset=offset)
    assert image.getpixel((1, 1)) == after


def test_hue_wraps_round(bench: NodeBench) -> None:
    image = bench.image("img_channel_offset", image=one(255, 0, 0), channel="Hue (HSV)", offset=-85)
    assert image.getpixel((0, 0))[2] > 250  # a third of a turn back from red is blue


def test_lab_offset_moves_only_towards_that_colour(bench: NodeBench) -> None:
    red, green, blue = bench.image(
        "img_channel_offset", image=one(128, 128, 128), channel="A (LAB)", offset=30
    ).getpixel((0, 0))
    assert red > 150 and green < 120 and abs(blue - 128) < 12


def test_multiply_clips_and_inverts(bench: NodeBench) -> None:
    image = one(100, 50, 0)
    assert bench.image("img_channel_multiply", image=image, channel="Red (RGBA)", scale=1.5).getpixel((0, 0))[0] == 150
    assert bench.image("img_channel_multiply", image=image, channel="Red (RGBA)", scale=9).getpixel((0, 0))[0] == 255
    inverted = bench.image("img_channel_multiply", image=image, channel="Red (RGBA)", invert_channel=True)
    assert inverted.getpixel((0, 0))[0] == 155


def test_a_channel_must_be_chosen(bench: NodeBench) -> None:
    with pytest.raises(ValueError, match="channel"):
        bench.invoke("img_channel_offset", channel="Infrared", image=one(1, 2, 3))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F"])
def test_every_mode_can_be_stored(bench: NodeBench, mode: str) -> None:
    image = bench.image("img_conv", image=one(200, 100, 50), mode=mode)
    expected = {"RGBA": "RGBA", "L": "L", "I": "L", "F": "L"}.get(mode, "RGB")
    assert image.mode == expected
    if expected != "L":
        assert max(abs(a - b) for a, b in zip(image.getpixel((0, 0)), (200, 100, 50), strict=False)) <= 4
    else:
        assert image.getpixel((0, 0)) == 124


def test_lerp_and_back(bench: NodeBench) -> None:
    grey = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    squeezed = bench.image("img_lerp", image=grey, min=100, max=200)
    assert squeezed.getextrema() == (100, 200)
    back = np.asarray(bench.image("img_ilerp", image=squeezed, min=100, max=200), dtype=int)
    assert np.abs(back - np.asarray(grey, dtype=int)).max() <= 2
    step = np.asarray(bench.image("img_ilerp", image=grey, min=99, max=99))
    assert (step[0, :100] == 0).all() and (step[0, 100:] == 255).all()


def test_lerp_leaves_alpha(bench: NodeBench) -> None:
    assert bench.image("img_lerp", image=one(0, 128, 255, 9), min=0, max=100).getpixel((0, 0)) == (0, 50, 100, 9)


def test_multiply_images_over_the_common_area(bench: NodeBench) -> None:
    image = bench.image("img_mul", image1=one(255, 128, 10), image2=Image.new("L", (2, 9), 128))
    assert (image.size, image.getpixel((0, 0))) == ((2, 2), (128, 64, 5))


def test_value_thresholds(bench: NodeBench) -> None:
    grey = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    hard = np.asarray(bench.image("invokeai_img_val_thresholds", image=grey))
    assert set(np.unique(hard)) == {0, 255} and hard[0, 127] == 0 and hard[0, 128] == 255
    soft = np.asarray(
        bench.image("invokeai_img_val_thresholds", image=grey, threshold_lower=0.25, threshold_upper=0.75)
    )
    assert soft[0, 60] == 0 and soft[0, 100] == 100 and soft[0, 200] == 255
    stretched = np.asarray(
        bench.image(
            "invokeai_img_val_thresholds",
            image=grey,
            threshold_lower=0.25,
            threshold_upper=0.75,
            renormalize_values=True,
            invert_output=True,
        )
    )
    assert stretched[0, 0] == 255 and stretched[0, 255] == 0 and abs(int(stretched[0, 128]) - 127) <= 2
    assert (np.diff(stretched[0].astype(int)) <= 0).all()
