"""Upscaling and removing backgrounds: what fits a model, what is said where it does not, and what Sketch makes."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from invokeai.app.services.image_providers.capabilities import ExternalModelCapabilities
from invokeai.app.services.image_providers.checks import check_request
from invokeai.app.services.image_providers.generation import ImageRequest
from invokeai.app.services.image_providers.image_model import ImageModel, PictureWork
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.picture_requests import request_on
from invokeai.app.services.image_providers.pictures import make_pictures
from invokeai.app.services.image_providers.provider_errors import ProviderBadRequest, ProviderUnavailable
from invokeai.app.services.image_providers.providers.sketch import SketchImageService
from invokeai.app.services.image_providers.receipts import CallKey, ReceiptStore
from invokeai.backend.image.edge_colour import without_edge_colour
from tests.app.services.image_providers.fake_providers import PaidImageService, SlowImageService

FOX = Image.new("RGB", (60, 40), "#c05010")
UPSCALER = ImageModel(
    model_id="up",
    name="Up",
    description="",
    capabilities=ExternalModelCapabilities(modes=["upscale"]),
    work=PictureWork(
        scales=(2, 4), usual_scale=4, min_side=32, max_side=1024, min_pixels=1100, max_pixels=250_000, most_made=900_000
    ),
)
WORDED = replace(UPSCALER, work=PictureWork(usual_pixels=4_000_000, words="required"))


def asked(model: ImageModel, picture: Image.Image = FOX, scale: float | None = None, **changes: object) -> ImageRequest:
    assert model.work is not None
    width, height = model.work.result_size(picture.size, scale)
    request = ImageRequest(prompt="", mode="upscale", init_image=picture, scale=scale, width=width, height=height)
    return replace(request, **changes)  # type: ignore[arg-type]


def blank(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height))


@pytest.mark.parametrize(
    "request_",
    [asked(UPSCALER), asked(UPSCALER, scale=2), asked(UPSCALER, blank(1024, 32)), asked(WORDED, prompt="a fox")],
)
def test_what_fits_passes(request_: ImageRequest) -> None:
    check_request(PaidImageService.info, WORDED if request_.prompt else UPSCALER, request_)


@pytest.mark.parametrize(
    ("model", "request_", "words"),
    [
        (UPSCALER, asked(UPSCALER, scale=3), "its scale is 2 or 4, not 3"),
        (UPSCALER, asked(UPSCALER, blank(31, 40)), "a side of the picture has 32 to 1024 pixels, this one has 31×40"),
        (UPSCALER, asked(UPSCALER, blank(1025, 32)), "a side of the picture has 32 to 1024"),
        (UPSCALER, asked(UPSCALER, blank(33, 33)), "the picture has at least 1,100 and at most 250,000 pixels"),
        (UPSCALER, asked(UPSCALER, blank(501, 500)), "at most 250,000 pixels, this one has 501×500"),
        (UPSCALER, asked(UPSCALER, blank(400, 400)), "it makes at most 900,000 pixels, not 1600×1600"),
        (UPSCALER, asked(UPSCALER, width=64), "it makes 240×160 of a picture of 60×40, not 64×160"),
        (UPSCALER, asked(UPSCALER, prompt="a fox"), "it takes no words"),
        (WORDED, asked(WORDED), "it needs a prompt"),
        (WORDED, asked(WORDED, prompt="x", scale=2.0), "it takes no scale"),
        (UPSCALER, asked(UPSCALER, num_images=2), "it makes one"),
        (UPSCALER, asked(UPSCALER, strength=0.3), "it takes no creativity"),
        (UPSCALER, asked(UPSCALER, mode="remove_background"), "its modes are upscale, not remove_background"),
        (UPSCALER, asked(UPSCALER, init_image=None), "upscale needs an initial image"),
        (UPSCALER, asked(UPSCALER, mask_image=FOX), "upscale takes no mask image"),
        (UPSCALER, ImageRequest(prompt="a fox"), "its modes are upscale, not txt2img"),
        (PaidImageService.info.models[0], ImageRequest(prompt="a fox", scale=2), "txt2img takes no scale"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(model: ImageModel, request_: ImageRequest, words: str) -> None:
    with pytest.raises(ProviderBadRequest) as refusal:
        check_request(PaidImageService.info, model, request_)
    assert words in str(refusal.value)


def test_a_model_that_chooses_its_size_is_estimated_by_its_pixels() -> None:
    assert WORDED.work is not None and WORDED.work.result_size((800, 400)) == (2828, 1414)


def manager_of(*providers: object, default_model: str | None = None) -> ImageServiceManager:
    return ImageServiceManager(providers, ReceiptStore(None, None), default_model=default_model)  # type: ignore[arg-type]


def test_without_a_model_the_first_that_can_is_taken_and_never_for_generating() -> None:
    manager = manager_of(SlowImageService(), SketchImageService(), default_model="sketch/mono")
    assert manager.route(None, "upscale").name == "sketch/lanczos"
    assert manager.route(None, "remove_background").name == "sketch/edge-colour"
    assert manager.route(None).name == "sketch/mono"
    with pytest.raises(ProviderUnavailable, match="can remove background now"):
        manager_of(SlowImageService()).route(None, "remove_background")


async def test_sketch_upscales_and_keeps_transparency() -> None:
    manager = manager_of(SketchImageService())
    picture = Image.new("RGBA", (30, 20), (10, 20, 30, 128))
    request = request_on(manager, picture, "upscale", model="sketch/lanczos", scale=2.5)
    (made,) = [made async for made in make_pictures(manager, request, CallKey("s", "n"))]
    assert isinstance(made.image, Image.Image) and (made.image.size, made.image.mode) == ((75, 50), "RGBA")
    assert made.image.getchannel("A").getextrema() == (128, 128)
    assert made.metadata["upscale_scale"] == 2.5 and made.metadata["external_model_id"] == "lanczos"
    assert made.metadata["cost"] == {"amount": "0", "currency": "USD", "kind": "computed"}


def fox_on(background: str, side: int = 96) -> Image.Image:
    image = Image.new("RGB", (side, side), background)
    draw = ImageDraw.Draw(image)
    draw.ellipse((side // 4, side // 4, side * 3 // 4, side * 3 // 4), fill="#c05010")
    draw.ellipse((side * 7 // 16, side * 7 // 16, side * 9 // 16, side * 9 // 16), fill=background)  # an eye
    return image


@pytest.mark.parametrize("side", [96, 1100])
def test_only_what_is_joined_to_the_edge_becomes_transparent(side: int) -> None:
    alpha = np.asarray(without_edge_colour(fox_on("#f0f4f8", side)).getchannel("A"))
    assert alpha[0, 0] == alpha[-1, side // 2] == 0, "the background"
    assert alpha[side // 2, side // 2] == alpha[side // 2, side * 3 // 8] == 255, "the eye and the fur"
    kept = (np.pi / 4) * 0.5**2
    assert abs((alpha > 127).mean() - kept) < 0.02


def test_a_lively_background_stays_and_what_was_transparent_stays_so() -> None:
    noise = Image.effect_noise((64, 64), 120).convert("RGB")
    alpha = np.asarray(without_edge_colour(noise).getchannel("A"))
    assert (alpha > 127).mean() > 0.5
    glass = fox_on("#ffffff").convert("RGBA")
    glass.putalpha(40)
    assert np.asarray(without_edge_colour(glass).getchannel("A")).max() == 40


async def test_another_model_that_the_request_names_is_used_where_the_first_has_no_key() -> None:
    manager = manager_of(PaidImageService(), SketchImageService())
    request = request_on(manager, FOX, "upscale", model="paid/pro", scale=2, fallback=("sketch/lanczos",))
    result = await manager.generate(request)
    assert (result.model_id, request.width, request.height) == ("lanczos", 120, 80)
    assert result.asked == "paid/pro"
