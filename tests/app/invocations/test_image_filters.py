import numpy as np
import pytest
from PIL import Image

from tests.app.invocations.conftest import NodeBench


def dot(mode: str = "RGB") -> Image.Image:
    """One white pixel in the middle of black, 21 × 21; in RGBA the black is transparent."""
    image = Image.new(mode, (21, 21))
    image.putpixel((10, 10), 255 if mode == "L" else (255, 255, 255, 255)[: len(mode)])
    return image


def ramp() -> Image.Image:
    values = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    return Image.fromarray(np.stack([values, values.T, np.full_like(values, 128)], axis=-1))


@pytest.mark.parametrize("kind", ["gaussian", "box"])
def test_blur_spreads_evenly_and_keeps_the_mode(bench: NodeBench, kind: str) -> None:
    image = bench.image("img_blur", image=dot("L"), radius=2, blur_type=kind)
    assert image.mode == "L"
    assert 0 < image.getpixel((9, 10)) == image.getpixel((11, 10)) == image.getpixel((10, 9)) < 100
    assert bench.image("img_blur", image=dot(), radius=0).getpixel((10, 10)) == (255, 255, 255)


def test_blur_does_not_darken_towards_transparency(bench: NodeBench) -> None:
    image = bench.image("img_blur", image=dot("RGBA"), radius=1)
    red, green, blue, alpha = image.getpixel((9, 10))
    assert 0 < alpha < 255 and min(red, green, blue) > 240


def test_noise_repeats_with_its_seed(bench: NodeBench) -> None:
    first, again = (bench.image("img_noise", image=ramp(), seed=7) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert bench.image("img_noise", image=ramp(), seed=8).tobytes() != first.tobytes()


def test_gaussian_noise_has_the_strength_asked_for(bench: NodeBench) -> None:
    grey = Image.new("RGB", (200, 200), (128, 128, 128))
    noisy = np.asarray(bench.image("img_noise", image=grey, amount=0.1), dtype=float)
    assert noisy.std() == pytest.approx(25.5, rel=0.05) and noisy.mean() == pytest.approx(128, abs=1)
    plain = np.asarray(bench.image("img_noise", image=grey, amount=0.1, noise_color=False))
    assert (plain[..., 0] == plain[..., 1]).all()


def test_salt_and_pepper_changes_that_part_of_the_dots(bench: NodeBench) -> None:
    grey = Image.new("RGB", (200, 200), (128, 128, 128))
    noisy = np.asarray(
        bench.image("img_noise", image=grey, noise_type="salt_and_pepper", amount=0.3, noise_color=False, size=4)
    )[..., 0]
    assert set(np.unique(noisy)) == {0, 128, 255}
    assert (noisy != 128).mean() == pytest.approx(0.3, abs=0.04)
    blocks = noisy.reshape(50, 4, 50, 4)
    assert (blocks == blocks[:, :1, :, :1]).all()


def test_noise_goes_where_the_mask_is_black_and_alpha_stays(bench: NodeBench) -> None:
    image = Image.new("RGBA", (20, 20), (128, 128, 128, 77))
    mask = Image.new("L", (20, 20), 255)
    mask.paste(0, (0, 0, 10, 20))
    noisy = np.asarray(bench.image("img_noise", image=image, mask=mask, amount=0.5))
    assert (noisy[:, 10:, :3] == 128).all() and (noisy[:, :10, :3] != 128).any()
    assert (noisy[..., 3] == 77).all()


@pytest.mark.parametrize("node", ["unsharp_mask", "unsharp_mask_oklab"])
def test_unsharp_steepens_an_edge_and_leaves_flat_areas(bench: NodeBench, node: str) -> None:
    image = Image.new("RGBA", (40, 10), (100, 100, 100, 50))
    image.paste((150, 150, 150, 50), (20, 0, 40, 10))
    sharp = bench.image(node, image=image, radius=2, strength=100)
    assert sharp.getpixel((19, 5))[0] < 95 and sharp.getpixel((20, 5))[0] > 155
    assert max(abs(a - b) for a, b in zip(sharp.getpixel((2, 5)), (100, 100, 100, 50), strict=True)) <= 1
    same = np.asarray(bench.image(node, image=image, strength=0), dtype=int)
    assert np.abs(same - np.asarray(image, dtype=int)).max() <= 1


def test_oklab_unsharp_keeps_the_hue(bench: NodeBench) -> None:
    image = Image.new("RGB", (40, 10), (160, 60, 60))
    image.paste((200, 80, 80), (20, 0, 40, 10))
    sharp = bench.image("unsharp_mask_oklab", image=image, radius=2, strength=60)
    _, green, blue = sharp.getpixel((20, 5))
    assert abs(green - blue) <= 2


def test_dilate_and_erode_work_in_an_ellipse(bench: NodeBench) -> None:
    grown = np.asarray(bench.image("invokeai_img_dilate_erode", image=dot("L"), radius_w=4, radius_h=2))
    assert grown[10].nonzero()[0].tolist() == list(range(6, 15))
    assert grown[:, 10].nonzero()[0].tolist() == list(range(8, 13))
    assert grown[8, 6] == 0
    hole = Image.eval(dot("L"), lambda value: 255 - value)
    shrunk = np.asarray(bench.image("invokeai_img_dilate_erode", image=hole, radius_w=4, radius_h=2, mode="Erode"))
    assert (shrunk == 255 - grown).all()


def test_dilating_with_a_radius_over_the_size_is_fine(bench: NodeBench) -> None:
    grown = np.asarray(bench.image("invokeai_img_dilate_erode", image=dot("L"), radius_w=5000, radius_h=5000))
    assert grown[10, 0] == 255 and grown[0, 10] == 255


def test_dilating_lightness_keeps_colours(bench: NodeBench) -> None:
    image = Image.new("RGB", (9, 9), (120, 40, 40))
    image.putpixel((4, 4), (255, 255, 255))
    changed = bench.image("invokeai_img_dilate_erode", image=image, lightness_only=True, radius_w=1, radius_h=1)
    red, green, _ = changed.getpixel((3, 4))
    assert red > 200 and red > green
    assert max(abs(a - b) for a, b in zip(changed.getpixel((0, 0)), (120, 40, 40), strict=True)) <= 1
