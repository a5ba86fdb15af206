"""What every provider owes the studio, asked of each one that can be asked without a network."""

import asyncio
import io
from dataclasses import replace

import pytest
from PIL import Image, ImageDraw

from invokeai.app.services.image_providers.checks import check_request
from invokeai.app.services.image_providers.generation import CostKind, ImageRequest, ImageResult
from invokeai.app.services.image_providers.image_model import ImageModel
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.provider_errors import ProviderBadRequest
from invokeai.app.services.image_providers.providers.sketch import SketchImageService
from invokeai.app.services.image_providers.receipts import Receipt
from tests.app.services.image_providers.fake_providers import SlowImageService

PROVIDERS = [SketchImageService, SlowImageService]
MODELS = [(provider, model) for provider in PROVIDERS for model in provider.info.models]
each_provider = pytest.mark.parametrize("provider_class", PROVIDERS)
each_model = pytest.mark.parametrize(
    ("provider_class", "model"), MODELS, ids=[f"{p.info.provider_id}/{m.model_id}" for p, m in MODELS]
)


def scene(size: int = 96) -> Image.Image:
    image = Image.new("RGB", (size, size), "#88b5dd")
    ImageDraw.Draw(image).rectangle((0, size // 2, size, size), fill="#2f7a3a")
    return image


def hole(size: int = 96) -> Image.Image:
    mask = Image.new("L", (size, size), 255)
    ImageDraw.Draw(mask).rectangle((24, 24, 71, 71), fill=0)
    return mask


def request_for(mode: str, /, **changes: object) -> ImageRequest:
    request = ImageRequest(prompt="a red fox", seed=7, width=128, height=96)
    if mode != "txt2img":
        request = replace(request, mode=mode, init_image=scene())  # type: ignore[arg-type]
    if mode == "inpaint":
        request = replace(request, mask_image=hole())
    return replace(request, **changes)  # type: ignore[arg-type]


def work_request(model: ImageModel, **changes: object) -> ImageRequest:
    """The model's own work on the scene."""
    picture, scale = changes.get("init_image", scene()), changes.get("scale")
    assert model.work is not None and isinstance(picture, Image.Image)
    width, height = model.work.result_size(picture.size, scale)  # type: ignore[arg-type]
    mode = model.capabilities.modes[0]
    request = ImageRequest(prompt="", mode=mode, init_image=picture, width=width, height=height)
    return replace(request, **changes)  # type: ignore[arg-type]


async def made(provider: ImageProvider, request: ImageRequest, model_id: str | None = None) -> ImageResult:
    info = provider.info
    model = next(m for m in info.models if m.model_id == (model_id or info.default_model))
    check_request(info, model, request)
    return await provider.generate(request, model, Receipt("", info.provider_id, model.model_id))


def opened(image: Image.Image | bytes) -> Image.Image:
    return Image.open(io.BytesIO(image)) if isinstance(image, bytes) else image


@each_provider
def test_it_introduces_itself(provider_class: type[ImageProvider]) -> None:
    info, provider = provider_class.info, provider_class()
    assert info.provider_id.isidentifier() and info.display_name and info.description
    assert info.default_model in [model.model_id for model in info.models]
    assert provider.get_setup_instructions()
    assert provider.is_available() == (provider.get_unavailability_reason() is None)


@each_model
@pytest.mark.parametrize("mode", ["txt2img", "img2img", "inpaint"])
async def test_a_declared_mode_works_and_gives_the_size_that_was_asked_for(
    provider_class: type[ImageProvider], model: object, mode: str
) -> None:
    if mode not in model.capabilities.modes:  # type: ignore[attr-defined]
        pytest.skip("not declared")
    result = await made(provider_class(), request_for(mode), model.model_id)  # type: ignore[attr-defined]
    (image,) = result.images
    assert opened(image.image).size == (128, 96)
    assert (result.provider_id, result.model_id) == (provider_class.info.provider_id, model.model_id)  # type: ignore[attr-defined]


@each_model
async def test_equal_requests_give_equal_pixels(provider_class: type[ImageProvider], model: ImageModel) -> None:
    request = request_for("txt2img")
    if model.work is not None:
        request = work_request(model)
    first, second = [await made(provider_class(), request, model.model_id) for _ in range(2)]
    assert opened(first.images[0].image).tobytes() == opened(second.images[0].image).tobytes()
    assert first.images[0].seed == request.seed


@each_provider
async def test_it_makes_as_many_images_as_it_says_it_can(provider_class: type[ImageProvider]) -> None:
    most = provider_class.info.models[0].capabilities.max_images_per_request or 1
    result = await made(provider_class(), request_for("txt2img", num_images=most))
    assert len(result.images) == most


@each_provider
@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"num_images": 50}, "images a request"),
        ({"width": 9000}, "at most"),
        ({"steps": 20}, "no steps"),
        ({"guidance": 4.5}, "no guidance"),
        ({"negative_prompt": "ugly"}, "no negative prompt"),
        ({"options": {"sparkle": True}}, "no option sparkle"),
        ({"seed": -1}, "a seed is"),
        ({"mode": "img2img"}, "needs an initial image"),
        ({"mode": "inpaint", "init_image": scene()}, "needs a mask"),
        ({"init_image": scene()}, "takes no initial image"),
    ],
)
async def test_what_a_model_cannot_do_is_refused_in_words(
    provider_class: type[ImageProvider], changes: dict[str, object], word: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=word):
        await made(provider_class(), request_for("txt2img", **changes))


@each_provider
async def test_a_cost_is_never_an_invented_zero(provider_class: type[ImageProvider]) -> None:
    cost = (await made(provider_class(), request_for("txt2img"))).cost
    assert (cost.amount is None) == (cost.kind is CostKind.UNKNOWN)


@each_provider
async def test_being_cancelled_ends_the_call(provider_class: type[ImageProvider]) -> None:
    provider = provider_class()
    if isinstance(provider, SlowImageService):
        provider.hold = asyncio.Event()
    task = asyncio.create_task(made(provider, request_for("txt2img", width=2048, height=2048)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
