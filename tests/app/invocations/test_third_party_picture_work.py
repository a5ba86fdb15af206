"""The nodes that upscale and remove backgrounds, in workflows through the queue, with a free and a paid provider."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from invokeai.app.services.image_providers.capabilities import ExternalModelCapabilities
from invokeai.app.services.image_providers.generation import GeneratedImage, ImageResult
from invokeai.app.services.image_providers.image_model import ImageModel, PictureWork, ProviderInfo
from tests.app.invocations.test_third_party_image_generation import GenerationStudio, model_of
from tests.app.services.image_providers.fake_providers import PaidImageService
from tests.app.services.image_providers.test_picture_work import fox_on
from tests.app.services.queue_studio import batch_of

UP = ImageModel(
    model_id="up",
    name="Paid Up",
    description="Four times, for money.",
    capabilities=ExternalModelCapabilities(modes=["upscale"], supports_negative_prompt=False),
    work=PictureWork(scales=(4,), usual_scale=4, max_pixels=10_000),
    price_per_image="0.02",
)
CUT = replace(
    UP,
    model_id="cut",
    name="Paid Cut",
    work=PictureWork(),
    capabilities=ExternalModelCapabilities(modes=["remove_background"]),
)


class PaidWorker(PaidImageService):
    """Answers with a palette picture, one colour of which is transparent, as some services do."""

    info: ClassVar[ProviderInfo] = replace(PaidImageService.info, models=(*PaidImageService.info.models, UP, CUT))

    def _result(self, raw: bytes, model_id: str) -> ImageResult:
        result = super()._result(raw, model_id)
        buffer = io.BytesIO()
        Image.new("P", (64, 64)).save(buffer, "PNG", transparency=0)
        return replace(result, images=(GeneratedImage(buffer.getvalue()),)) if model_id == "cut" else result


class WorkStudio(GenerationStudio):
    """With a fox in the gallery."""

    paid_provider = PaidWorker

    def __init__(self, root: Path, **settings: Any) -> None:
        super().__init__(root, **settings)
        self.gallery.pictures["fox.png"] = fox_on("#f0f4f8")

    def made(self) -> list[Image.Image]:
        return list(self.gallery.pictures.values())[1:]


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[WorkStudio]:
    async with WorkStudio(tmp_path) as studio:
        yield studio


def upscale(model: str = "sketch/lanczos", **members: Any) -> dict[str, Any]:
    """As the workflow editor sends the node: numbers that are not set are 0."""
    node = {
        "type": "third_party_image_upscale",
        "image": {"image_name": "fox.png"},
        "model": model_of(*model.split("/")),
    }
    return {**node, "scale": 0, "creativity": 0, "seed": 0, "prompt": "", "use_cache": False, **members}


def cut_out(model: str = "sketch/edge-colour", **members: Any) -> dict[str, Any]:
    return {
        "type": "third_party_background_removal",
        "model": model_of(*model.split("/")),
        "use_cache": False,
        **members,
    }


async def test_a_workflow_upscales_a_picture_and_removes_its_background(studio: WorkStudio) -> None:
    item = await studio.run_batch(batch_of({"up": upscale(scale=3), "cut": cut_out()}, ("up.image", "cut.image")))
    assert item["status"] == "completed", item["error_message"]
    large, free = studio.made()
    assert large.size == free.size == (288, 288)
    assert free.mode == "RGBA" and free.getchannel("A").getextrema() == (0, 255)
    (prepared,) = item["session"]["source_prepared_mapping"]["cut"]
    result = item["session"]["results"][prepared]
    assert (result["type"], result["width"], result["height"]) == ("image_output", 288, 288)
    first, second = studio.gallery.metadata()
    assert (first["external_model_id"], first["upscale_scale"]) == ("lanczos", 3)
    assert (second["external_provider"], second["external_model_id"]) == ("sketch", "edge-colour")
    assert first["cost"] == second["cost"] == {"amount": "0", "currency": "USD", "kind": "computed"}


@pytest.mark.parametrize("node", [upscale("paid/up"), cut_out("paid/cut", image={"image_name": "fox.png"})])
async def test_a_paid_one_is_one_call_with_a_receipt(studio: WorkStudio, node: dict[str, Any]) -> None:
    item = await studio.run_batch(batch_of({"work": node}))
    assert item["status"] == "completed", item["error_message"]
    (row,) = await studio.database.fetch("SELECT * FROM generation_receipts")
    assert (row["state"], row["images"], row["session_id"]) == ("stored", 1, item["session_id"])
    assert studio.paid.sent == [row["receipt_id"]]
    assert studio.gallery.metadata()[0]["cost"] == {"amount": "0.013", "currency": "USD", "kind": "reported"}
    told = [progress["message"] for progress in studio.named("invocation_progress")]
    assert told == ["Asking Paid (about 0.02 USD)", "Saving image (0.013 USD)"]


async def test_transparency_of_any_kind_becomes_alpha(studio: WorkStudio) -> None:
    await studio.run_batch(batch_of({"work": cut_out("paid/cut", image={"image_name": "fox.png"})}))
    (made,) = studio.made()
    assert made.mode == "RGBA" and made.getchannel("A").getextrema() == (0, 0)


async def test_a_cap_stops_it_before_the_call(tmp_path: Path) -> None:
    async with WorkStudio(tmp_path, daily_spend_cap="0.015") as studio:
        item = await studio.run_batch(batch_of({"work": upscale("paid/up")}))
        assert item["status"] == "failed" and studio.error()[0] == "SpendCapReached"
        assert studio.paid.sent == [] and not await studio.database.fetch("SELECT 1 FROM generation_receipts")


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (upscale("paid/up", scale=2), "its scale is 4, not 2"),
        (upscale("paid/up", prompt="a fox"), "it takes no words"),
        (upscale("paid/up", creativity=0.3), "it takes no creativity"),
        (upscale("paid/up", seed=7), "it takes no seed"),
        (upscale("paid/cut"), "its modes are remove_background, not upscale"),
        (upscale("paid/pro"), "its modes are txt2img, not upscale"),
        (cut_out("paid/up", image={"image_name": "fox.png"}), "its modes are upscale, not remove_background"),
    ],
)
async def test_what_a_model_cannot_do_is_refused_and_not_sent(
    studio: WorkStudio, node: dict[str, Any], words: str
) -> None:
    item = await studio.run_batch(batch_of({"work": node}))
    assert item["status"] == "failed" and studio.error()[0] == "ProviderBadRequest"
    assert words in studio.error()[1]
    assert studio.paid.sent == [] and studio.made() == []


async def test_a_picture_that_is_too_large_is_not_sent(studio: WorkStudio) -> None:
    studio.gallery.pictures["fox.png"] = fox_on("#ffffff", 101)
    await studio.run_batch(batch_of({"work": upscale("paid/up")}))
    assert "the picture has at most 10,000 pixels, this one has 101×101" in studio.error()[1]
    assert studio.paid.sent == []
