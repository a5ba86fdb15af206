import numpy as np
import pytest
from PIL import Image

from invokeai.backend.image.colour_spaces import to_cielab, to_oklab, to_polar
from tests.app.invocations.conftest import NodeBench

SPACES = ["HSV / HSL / RGB", "Okhsl", "Okhsv", "*Oklch / Oklab", "*LCh / CIELab"]


def one(*colour: int) -> Image.Image:
    return Image.new("RGBA" if len(colour) == 4 else "RGB", (3, 2), colour)


def many(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8))


def distance(first: Image.Image, second: Image.Image) -> int:
    return int(np.abs(np.asarray(first, dtype=int) - np.asarray(second, dtype=int)).max())


@pytest.mark.parametrize(("degrees", "expected"), [(120, (0, 255, 0)), (-120, (0, 0, 255)), (720, (255, 0, 0))])
def test_hue_turns_in_hsv(bench: NodeBench, degrees: int, expected: tuple[int, ...]) -> None:
    assert distance(bench.image("img_hue_adjust", image=one(255, 0, 0, 7), hue=degrees), one(*expected, 7)) <= 4


@pytest.mark.parametrize("node", ["img_hue_adjust", "img_hue_adjust_oklch"])
def test_greys_have_no_hue_to_turn(bench: NodeBench, node: str) -> None:
    assert distance(bench.image(node, image=one(90, 90, 90), hue=77), one(90, 90, 90)) <= 1


def test_oklch_hue_keeps_lightness(bench: NodeBench) -> None:
    turned = bench.image("img_hue_adjust_oklch", image=one(180, 120, 110), hue=150)
    before, after = (
        to_polar(to_oklab(np.asarray(image, dtype=np.float32) / 255))[0, 0] for image in (one(180, 120, 110), turned)
    )
    assert after[0] == pytest.approx(before[0], abs=0.01) and after[1] == pytest.approx(before[1], abs=0.01)
    assert (after[2] - before[2]) % 1 == pytest.approx(150 / 360, abs=0.02)


def test_oklch_colours_out_of_gamut_lose_chroma_not_lightness(bench: NodeBench) -> None:
    turned = bench.image("img_hue_adjust_oklch", image=one(255, 0, 0), hue=180)
    lab = to_oklab(np.asarray(turned, dtype=np.float32) / 255)[0, 0]
    assert lab[0] == pytest.approx(0.628, abs=0.01)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("keep", [False, True])
def test_no_turn_and_full_turn_change_nothing(bench: NodeBench, space: str, keep: bool) -> None:
    for degrees in (0, 360):
        turned = bench.image(
            "invokeai_img_hue_adjust_plus", image=many(), space=space, degrees=degrees, preserve_lightness=keep
        )
        assert distance(turned, many()) <= 2, degrees


@pytest.mark.parametrize("space", SPACES)
def test_a_turn_changes_hue_and_can_keep_lightness(bench: NodeBench, space: str) -> None:
    image = one(170, 120, 110)
    turned = bench.image("invokeai_img_hue_adjust_plus", image=image, space=space, degrees=120, preserve_lightness=True)
    red, green, _ = turned.getpixel((0, 0))
    assert green > red
    before, after = (to_cielab(np.asarray(i, dtype=np.float32) / 255)[0, 0, 0] for i in (image, turned))
    assert after == pytest.approx(before, abs=1)


def test_uplab_says_what_is_missing(bench: NodeBench) -> None:
    with pytest.raises(ValueError, match="colour profile"):
        bench.invoke("invokeai_img_hue_adjust_plus", image=one(1, 2, 3), space="*UPLab (w/CIELab_to_UPLab.icc)")


def test_strong_colours_look_lighter_than_their_lightness(bench: NodeBench) -> None:
    def seen(*colour: int) -> int:
        return int(bench.image("invokeai_ealightness", image=one(*colour)).getpixel((0, 0)))

    assert (seen(0, 0, 0), seen(255, 255, 255)) == (0, 255)
    assert seen(119, 119, 119) == pytest.approx(255 * 0.5, abs=2)
    for colour in ((255, 0, 0), (0, 0, 255), (255, 0, 255)):
        lightness = to_cielab(np.array(colour, dtype=np.float32) / 255)[0]
        assert seen(*colour) > lightness * 2.55 + 15


def test_enhance(bench: NodeBench) -> None:
    image = one(200, 100, 50, 9)
    assert bench.image("invokeai_img_enhance", image=image).getpixel((0, 0)) == (200, 100, 50, 9)
    assert bench.image("invokeai_img_enhance", image=image, invert=True).getpixel((0, 0)) == (55, 155, 205, 9)
    assert bench.image("invokeai_img_enhance", image=image, brightness=0.5).getpixel((0, 0)) == (100, 50, 25, 9)
    grey = bench.image("invokeai_img_enhance", image=image, color=0).getpixel((0, 0))
    assert grey[0] == grey[1] == grey[2]
    flat = bench.image("invokeai_img_enhance", image=many(), contrast=0)
    assert len(set(flat.get_flattened_data())) == 1
    assert distance(bench.image("invokeai_img_enhance", image=many(), sharpness=3), many()) > 50


def test_matched_colours_have_the_references_histogram(bench: NodeBench) -> None:
    dark = Image.eval(many(1), lambda value: value // 4)
    matched = bench.image("color_correct", base_image=many(2), color_reference=dark)
    for band in range(3):
        ours, theirs = (np.sort(np.asarray(image)[..., band].ravel()).astype(int) for image in (matched, dark))
        assert np.abs(ours - theirs).mean() < 2


def test_matching_to_itself_changes_little(bench: NodeBench) -> None:
    assert distance(bench.image("color_correct", base_image=many(), color_reference=many()), many()) <= 1


def test_only_luma_or_only_chroma(bench: NodeBench) -> None:
    base, reference = many(3), Image.eval(many(4), lambda value: value // 3)
    for space, kept in (("YCbCr-Luma", (1, 2)), ("YCbCr-Chroma", (0,))):
        source = Image.eval(base, lambda value: 100 + value // 10)  # far from clipping
        matched = bench.image("color_correct", base_image=source, color_reference=reference, colorspace=space)
        before, after = (np.asarray(image.convert("YCbCr"), dtype=int) for image in (source, matched))
        changed = [np.abs(before - after)[..., band].mean() for band in range(3)]
        if space == "YCbCr-Luma":
            assert changed[0] > 20
        assert all(changed[band] < 12 for band in kept)


def test_correction_stays_under_the_black_of_the_mask(bench: NodeBench) -> None:
    mask = Image.new("L", (30, 40), 255)
    mask.paste(0, (0, 0, 30, 20))
    dark = Image.new("RGB", (5, 5), (10, 20, 30))
    pixels = np.asarray(bench.image("color_correct", base_image=many(), color_reference=dark, mask=mask))
    assert (pixels[20:] == np.asarray(many())[20:]).all()
    assert (pixels[:20] == (10, 20, 30)).all()
