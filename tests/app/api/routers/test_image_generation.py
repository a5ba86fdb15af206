"""Generating pictures with one request, and what programs can ask about models and health."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from invokeai.app.api.routers.image_generation import image_generation_router
from invokeai.app.services.image_providers.capabilities import (
    ExternalApiModelDefaultSettings,
    ExternalModelCapabilities,
)
from invokeai.app.services.image_providers.idempotent_calls import IdempotentCalls
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.providers.sketch import SketchImageService
from invokeai.app.services.image_providers.receipts import ReceiptStore
from invokeai.app.services.image_records.image_dto import ImageDTO
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.shared.errors import NotFound
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from tests.app.api.library_api import LibraryApi, library_api
from tests.app.services.image_providers.fake_providers import PaidImageService, SlowImageService
from tests.app.services.image_providers.test_provider_contract import hole, scene


class Gallery:
    """Stands in for the image service."""

    def __init__(self) -> None:
        self.pictures: dict[str, Any] = {}
        self.members: list[dict[str, Any]] = []
        self.stored: dict[str, ImageDTO] = {}

    async def get_pil(self, name: str) -> Image.Image:
        if name not in self.pictures:
            raise NotFound(f"There is no image {name}.")
        picture: Image.Image = self.pictures[name]
        return picture

    async def create(self, image: Any, **members: Any) -> ImageDTO:
        name = f"{len(self.pictures)}.png"
        self.pictures[name] = image
        self.members.append(members)
        self.stored[name] = ImageDTO(
            image_name=name, image_url=f"api/v1/images/i/{name}/full", thumbnail_url="", width=1, height=1,
            image_origin=ResourceOrigin.INTERNAL, image_category=ImageCategory.GENERAL, created_at="", updated_at="",
            is_intermediate=False, starred=False, has_workflow=False, board_id=members.get("board_id"),
        )  # fmt: skip
        return self.stored[name]

    async def get_dtos(self, names: list[str]) -> list[ImageDTO]:
        return [self.stored[name] for name in names if name in self.stored]

    def metadata(self) -> list[dict[str, Any]]:
        return [json.loads(members["metadata"]) for members in self.members]


def generation_of(studio: SimpleNamespace) -> ImageServiceManager:
    studio.key = ""
    paid = PaidImageService(lambda: ProviderCredentials(api_key=studio.key))
    receipts = ReceiptStore(studio.database, DiskObjects(studio.config.root_path))
    return ImageServiceManager([paid, SlowImageService(), SketchImageService()], receipts)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LibraryApi]:
    services: dict[str, Any] = {"images": lambda _: Gallery(), "image_generation": generation_of}
    services["idempotent_calls"] = lambda studio: IdempotentCalls(studio.database, studio.images)
    async with library_api(tmp_path, [image_generation_router], **services) as api:
        yield api


async def test_a_picture_from_a_prompt_is_stored_and_can_be_recalled(api: LibraryApi) -> None:
    body = {"prompt": "a fox", "model": "sketch/mono", "seed": 5, "num_images": 2, "width": 64, "height": 48}
    with api.database.counted() as trips:
        answer = await api.json("POST", "/images/generate", json=body | {"board_id": "b1"})
    assert trips.count == 0
    assert (answer["provider"], answer["model"], answer["note"]) == ("sketch", "mono", None)
    assert answer["cost"] == {"amount": "0", "currency": "USD", "kind": "computed"}
    assert [image["board_id"] for image in answer["images"]] == ["b1", "b1"]
    first, second = api.services.images.metadata()
    assert (first["seed"], second["seed"]) == (5, 6)
    assert first["model"] == {
        "key": "sketch-mono", "hash": "external:sketch:mono", "name": "Sketch Mono", "base": "external",
        "type": "external_image_generator",
    }  # fmt: skip
    assert first["positive_prompt"] == "a fox" and first["width"] == 64 and first["generation_mode"] == "txt2img"


async def test_pictures_of_the_gallery_are_named(api: LibraryApi) -> None:
    gallery: Gallery = api.services.images
    gallery.pictures = {"init.png": scene(), "mask.png": hole()}
    body = {"prompt": "a fox", "model": "sketch", "mode": "inpaint", "init_image": "init.png", "mask_image": "mask.png"}
    await api.json(
        "POST", "/images/generate", json=body | {"width": 96, "height": 96, "reference_images": ["init.png"]}
    )
    assert gallery.pictures["2.png"].size == (96, 96)
    assert (
        await api.refusal("POST", "/images/generate", 404, json=body | {"init_image": "gone.png"})
        == "There is no image gone.png."
    )


async def test_a_paid_picture_leaves_a_receipt(api: LibraryApi) -> None:
    api.services.key = "k"
    answer = await api.json("POST", "/images/generate", json={"prompt": "a fox", "model": "paid/pro"})
    assert answer["cost"] == {"amount": "0.013", "currency": "USD", "kind": "reported"}
    (row,) = await api.database.fetch("SELECT state, user_id, cost_amount FROM generation_receipts")
    assert dict(row) == {"state": "stored", "user_id": "system", "cost_amount": "0.013"}


async def test_the_cost_of_an_answer_is_that_of_all_its_calls(api: LibraryApi) -> None:
    api.services.key = "k"
    (pro,) = PaidImageService.info.models
    one_at_once = replace(pro, capabilities=ExternalModelCapabilities(max_images_per_request=1))
    api.services.image_generation.model_overrides = lambda *name: one_at_once if name == ("paid", "pro") else None
    body = {"prompt": "a fox", "model": "paid/pro", "num_images": 3}
    answer = await api.json("POST", "/images/generate", json=body)
    assert len(answer["images"]) == 3 and answer["cost"]["amount"] == "0.039"
    mixed = await api.json("POST", "/images/generate", json={"prompt": "x", "model": "slow", "num_images": 3})
    assert mixed["cost"]["amount"] is None


async def test_a_provider_without_a_key_is_replaced_where_that_is_allowed(api: LibraryApi) -> None:
    body = {"prompt": "a fox", "model": "paid/pro", "fallback": ["sketch/mono"]}
    answer = await api.json("POST", "/generate-image", json=body | {"size": "64x64"})
    assert (answer["service"], answer["model"]) == ("sketch", "mono")
    estimate = await api.json("POST", "/images/estimate", json=body)
    assert (estimate["provider"], estimate["model"], estimate["total"]["amount"]) == ("sketch", "mono", "0")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"prompt": "x", "model": "sketch", "steps": 5}, 422, "Sketch Flow cannot do this: it takes no steps."),
        ({"prompt": "x", "model": "sketch", "width": 99999}, 422, "at most 4096"),
        ({"prompt": "x", "model": "gone"}, 404, "has a model 'gone'"),
        ({"prompt": "x", "model": "paid"}, 503, "No API key is set for Paid."),
        ({"prompt": "x", "num_images": 0}, 422, ""),
        ({"prompt": "x", "sparkle": 1}, 422, ""),
        ({"model": "sketch"}, 422, ""),
        ({"prompt": "y" * 200_000, "model": "sketch"}, 422, "at most 100,000 characters"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_refused_and_nothing_is_stored(
    api: LibraryApi, body: dict[str, Any], status: int, words: str
) -> None:
    assert words in await api.refusal("POST", "/images/generate", status, json=body)
    assert api.services.images.pictures == {}
    assert await api.database.fetch("SELECT 1 FROM generation_receipts") == []


async def test_one_picture_in_one_call(api: LibraryApi) -> None:
    body = {"prompt": "a fox", "style": "watercolour", "image_type": "icon", "model": "sketch", "size": "64x32"}
    answer = await api.json("POST", "/generate-image", json=body)
    assert answer.pop("generation_time") >= 0
    assert answer == {
        "success": True, "image_url": "api/v1/images/i/0.png/full", "image_path": "0.png",
        "prompt": "a fox, watercolour, icon", "service": "sketch", "model": "flow",
        "cost": {"amount": "0", "currency": "USD", "kind": "computed"},
    }  # fmt: skip
    assert api.services.images.pictures["0.png"].size == (64, 32)
    assert await api.refusal("POST", "/generate-image", 422, json=body | {"size": "big"})


async def test_what_one_call_does_not_know_is_refused_by_name(api: LibraryApi) -> None:
    body = {"prompt": "a fox", "model": "sketch", "seed": 4, "n": 2, "negative_prompt": "text"}
    said = await api.refusal("POST", "/generate-image", 422, json=body)
    assert said == (
        "This call knows no seed, n, negative_prompt; it takes prompt, style, image_type, model, size, fallback. "
        "POST /api/images/generate takes more."
    )
    assert "This call knows no n; it takes prompt" in await api.refusal(
        "POST", "/images/generate", 422, json={"prompt": "a fox", "n": 2}
    )
    assert api.services.images.pictures == {}


@pytest.mark.parametrize("path", ["/images/generate", "/generate-image"])
async def test_a_repeat_under_its_key_has_the_same_answer_and_costs_nothing(api: LibraryApi, path: str) -> None:
    api.services.key = "k"
    body, headers = {"prompt": "a fox", "model": "paid/pro"}, {"Idempotency-Key": "order-7"}
    first = await api.json("POST", path, json=body, headers=headers)
    api.services.key = ""  # what is there needs no provider
    assert await api.json("POST", path, json=body, headers=headers) == first
    assert len(api.services.images.pictures) == 1
    said = await api.refusal("POST", path, 409, json=body | {"prompt": "a hen"}, headers=headers)
    assert said == "This Idempotency-Key came with another request before. Use a new key for a new request."
    assert await api.refusal("POST", path, 422, json=body, headers={"Idempotency-Key": ""})
    huge = {"prompt": "a fox", "model": "paid/pro", "options": {"of": 2**70}}
    if path == "/images/generate":
        await api.refusal("POST", path, 503, json=huge, headers={"Idempotency-Key": "huge"})


async def test_a_size_that_nobody_asked_for_is_the_models_own(api: LibraryApi) -> None:
    (plain,) = SlowImageService.info.models
    wide = replace(plain, default_settings=ExternalApiModelDefaultSettings(width=2048, height=1536, num_images=1))
    api.services.image_generation.model_overrides = lambda *name: wide if name == ("slow", "plain") else None
    asked = {"prompt": "a fox"}
    for path, body in (
        ("/generate-image", asked),
        ("/images/generate", asked),
        ("/images/generate", asked | {"height": 512}),
        ("/generate-image", asked | {"size": "640x512"}),
    ):
        await api.json("POST", path, json=body)
    sizes = [(request.width, request.height) for request in api.services.image_generation.get_provider("slow").calls]
    assert sizes == [(2048, 1536), (2048, 1536), (2048, 512), (640, 512)]


async def test_without_a_known_cost_there_is_no_amount(api: LibraryApi) -> None:
    answer = await api.json("POST", "/images/generate", json={"prompt": "x", "width": 16, "height": 16})
    assert answer["note"] == "No model was named; Slow made it with Slow Plain."
    assert answer["cost"] == {"amount": None, "currency": "USD", "kind": "unknown"}


async def test_models_health_and_the_reason_of_what_is_missing(api: LibraryApi) -> None:
    ids = [model["id"] for model in (await api.json("GET", "/images/models"))["models"]]
    assert ids == [
        "slow/plain",
        *(f"sketch/{model}" for model in ("flow", "symmetry", "mono", "lanczos", "edge-colour")),
    ]
    grouped = await api.json("GET", "/image-models")
    assert (grouped["current_provider"], grouped["current_model"]) == ("slow", "plain")
    assert grouped["providers"][0]["reason"] == "No API key is set for Paid."
    await api.json("POST", "/images/generate", json={"prompt": "x", "model": "sketch", "width": 16, "height": 16})
    health = await api.json("GET", "/health/images")
    assert health["status"] == "ok"
    counts = {row["provider"]: (row["available"], row["requests"], row["images"]) for row in health["providers"]}
    assert counts == {"paid": (False, 0, 0), "slow": (True, 0, 0), "sketch": (True, 1, 1)}


async def test_the_list_tells_what_an_upscaler_takes(api: LibraryApi) -> None:
    models = {model["id"]: model for model in (await api.json("GET", "/images/models"))["models"]}
    assert models["sketch/flow"]["work"] is None
    work = models["sketch/lanczos"]["work"]
    assert (work["scales"], work["any_scale"], work["usual_scale"], work["words"]) == ([1, 8], True, 2, "none")


async def test_a_picture_is_upscaled_and_freed_of_its_background_with_one_request(api: LibraryApi) -> None:
    api.services.images.pictures["fox.png"] = scene(40)
    body = {"mode": "upscale", "init_image": "fox.png", "scale": 2.5}
    estimate = await api.json("POST", "/images/estimate", json=body)
    assert (estimate["provider"], estimate["model"], estimate["total"]["amount"]) == ("sketch", "lanczos", "0")
    answer = await api.json("POST", "/images/generate", json=body)
    assert answer["model"] == "lanczos" and "No model was named" in answer["note"]
    free = await api.json("POST", "/images/generate", json={"mode": "remove_background", "init_image": "fox.png"})
    assert free["model"] == "edge-colour"
    pictures = [api.services.images.pictures[image["image_name"]] for image in (*answer["images"], *free["images"])]
    assert [(picture.size, picture.mode) for picture in pictures] == [((100, 100), "RGB"), ((40, 40), "RGBA")]
    recalled = api.services.images.metadata()[0]
    assert (recalled["generation_mode"], recalled["upscale_scale"]) == ("upscale", 2.5)
    assert recalled["model"]["type"] == "spandrel_image_to_image"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"mode": "upscale", "init_image": "fox.png", "width": 80}, "upscale takes no width or height"),
        ({"mode": "upscale", "model": "sketch/lanczos"}, "upscale needs an initial image"),
        ({"mode": "upscale", "model": "sketch/lanczos", "init_image": "fox.png", "mask_image": "fox.png"}, "no mask"),
        ({"mode": "upscale", "init_image": "fox.png", "model": "sketch/flow"}, "not upscale"),
        ({"mode": "txt2img"}, "A prompt is needed"),
    ],
)  # fmt: skip
async def test_work_on_a_picture_that_cannot_be_done_is_refused(
    api: LibraryApi, body: dict[str, Any], words: str
) -> None:
    api.services.images.pictures["fox.png"] = scene(40)
    assert words in str(await api.refusal("POST", "/images/generate", 422, json=body))
