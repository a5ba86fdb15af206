"""Sketch itself: colours follow words and references, masks are kept, a stopped drawing stops."""

import colorsys
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageChops

from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.pictures import make_pictures
from invokeai.app.services.image_providers.providers.sketch import SketchImageService
from invokeai.app.services.image_providers.receipts import CallKey, ReceiptStore
from invokeai.backend.cppn import Stopped
from invokeai.backend.sketch import Sketch
from tests.app.services.image_providers.test_provider_contract import hole, made, request_for, scene

STYLES = ("flow", "symmetry", "mono")


def hue(image: Image.Image) -> float:
    """The mean hue in degrees, weighted by colour strength."""
    pixels = [colorsys.rgb_to_hsv(*(v / 255 for v in p)) for p in image.resize((24, 24)).get_flattened_data()]
    angle = sum(s * v * np.exp(2j * np.pi * h) for h, s, v in pixels)
    return float(np.degrees(np.angle(angle)) % 360)


def strongest(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), np.float32).mean(axis=(0, 1))


@pytest.mark.parametrize("style", STYLES)
def test_seed_and_prompt_change_the_picture(style: str) -> None:
    pictures = [Sketch(*words, style).draw(96, 96) for words in (("a fox", 1), ("a fox", 2), ("a wolf", 1))]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        difference = np.abs(np.asarray(pictures[one], int) - np.asarray(pictures[other], int))
        assert difference.mean() > 4


@pytest.mark.parametrize("style", STYLES)
def test_a_picture_is_rich_in_tones(style: str) -> None:
    for seed in range(4):
        grey = np.asarray(Sketch("anything", seed, style).draw(128, 128).convert("L"))
        assert grey.std() > 18 and len(np.unique(grey)) > 80


@pytest.mark.parametrize("style", STYLES)
def test_the_pattern_is_the_same_at_another_size(style: str) -> None:
    large = Sketch("sea", 3, style).draw(512, 512).resize((64, 64), Image.Resampling.BOX)
    small = Sketch("sea", 3, style).draw(128, 128).resize((64, 64), Image.Resampling.BOX)
    assert np.abs(np.asarray(large, int) - np.asarray(small, int)).mean() < 14


@pytest.mark.parametrize(
    ("word", "low", "high"), [("ruby", -30, 30), ("emerald", 100, 180), ("sapphire", 200, 265), ("gold", 20, 60)]
)
def test_colour_words_choose_the_colours(word: str, low: float, high: float) -> None:
    for seed in range(3):
        found = hue(Sketch(f"a {word} thing", seed, "flow").draw(64, 64))
        assert low <= found <= high or low <= found - 360 <= high, found


def test_mono_stays_nearly_grey() -> None:
    pixels = np.asarray(Sketch("red lava", 1, "mono").draw(64, 64), int)
    assert (pixels.max(axis=2) - pixels.min(axis=2)).max() < 40


def test_reference_images_give_their_colours() -> None:
    blue, orange = Image.new("RGB", (64, 64), "#1040c0"), Image.new("RGB", (64, 64), "#f08010")
    cold = strongest(Sketch("x", 1, "flow", [blue]).draw(64, 64))
    warm = strongest(Sketch("x", 1, "flow", [orange]).draw(64, 64))
    assert cold[2] > cold[0] and warm[0] > warm[2]


def test_strength_leads_away_from_the_initial_image() -> None:
    start = scene()
    distance = [
        ImageChops.difference(start, Sketch("fox", 5, "flow").draw_over(start, start.size, share))
        for share in (0.0, 0.3, 0.6, 1.0)
    ]
    means = [np.asarray(d).mean() for d in distance]
    assert means[0] == 0 and all(a < b for a, b in pairwise(means))


def test_a_picture_with_transparency_can_be_the_start() -> None:
    start = Image.new("RGBA", (64, 64), (200, 30, 30, 0))
    assert Sketch("fox", 5, "flow").draw_over(start, (64, 64), 0.0).getpixel((5, 5)) == (255, 255, 255)


def test_a_stopped_drawing_stops_between_two_blocks() -> None:
    asked = []

    def stop_at_second() -> bool:
        asked.append(None)
        return len(asked) > 1

    with pytest.raises(Stopped):
        Sketch("fox", 1, "flow").draw(1024, 1024, stop_at_second)
    assert len(asked) == 2


async def test_images_of_one_call_count_their_seeds_up() -> None:
    provider = SketchImageService()
    together = (await made(provider, request_for("txt2img", num_images=3))).images
    assert [image.seed for image in together] == [7, 8, 9]
    alone = (await made(provider, request_for("txt2img", seed=9))).images[0]
    assert together[2].image.tobytes() == alone.image.tobytes()  # type: ignore[union-attr]


async def test_without_a_seed_a_repeated_call_draws_the_same() -> None:
    provider = SketchImageService()
    first, again, other = [
        (await made(provider, request_for("txt2img", seed=None, call_id=call))).images[0].seed for call in "aab"
    ]
    assert first == again != other


async def test_progress_shows_a_small_preview_first() -> None:
    seen: list[tuple[str, float | None, tuple[int, int]]] = []

    def listen(message: str, share: float | None, image: Image.Image | None) -> None:
        seen.append((message, share, image.size if image else (0, 0)))

    request = request_for("txt2img", width=640, height=320, num_images=2, on_progress=listen)
    await made(SketchImageService(), request)
    assert seen == [("Sketching", 0.0, (160, 80)), ("Sketching", 0.5, (160, 80))]


async def test_inpainting_keeps_every_pixel_that_the_mask_keeps() -> None:
    manager = ImageServiceManager([SketchImageService()], ReceiptStore(None, None))  # type: ignore[arg-type]
    request = request_for("inpaint", width=128, height=128)
    (picture,) = [p async for p in make_pictures(manager, request, CallKey("s", "n"))]
    assert isinstance(picture.image, Image.Image) and picture.image.size == scene().size
    kept = Image.composite(picture.image, Image.new("RGB", scene().size), hole())
    assert (
        ImageChops.difference(kept, Image.composite(scene(), Image.new("RGB", scene().size), hole())).getbbox() is None
    )
    box = (26, 26, 70, 70)
    assert np.asarray(ImageChops.difference(picture.image.crop(box), scene().crop(box))).mean() > 10
