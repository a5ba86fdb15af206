"""The nodes that upscale and remove backgrounds, in workflows through the queue, with a free and a paid provider."""

import io
import json
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
WORDED = replace(
    UP,
    model_id="worded",
    capabilities=ExternalModelCapabilities(modes=["upscale"], supports_seed=True),
    work=PictureWork(usual_scale=2, words="required"),
)


class PaidWorker(PaidImageService):
    """Answers with a palette picture, one colour of which is transparent, as some services do."""

    info: ClassVar[ProviderInfo] = replace(
        PaidImageService.info, models=(*PaidImageService.info.models, UP, CUT, WORDED)
    )

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


def processed(model: str = "sketch/lanczos", **members: Any) -> dict[str, Any]:
    """As the web UI builds it to process a picture, and with a scale as a canvas filter."""
    kind = "spandrel_image_to_image_autoscale" if "scale" in members else "spandrel_image_to_image"
    model_field = {**model_of(*model.split("/")), "type": "spandrel_image_to_image"}
    return {"type": kind, "image": {"image_name": "fox.png"}, "image_to_image_model": model_field, **members}


@pytest.mark.parametrize(
    ("node", "size"),
    [
        (processed(), (192, 192)),
        (processed("paid/up"), (64, 64)),  # what the provider answered
        (processed(scale=3.0), (288, 288)),
        (processed(scale=0.5), (48, 48)),
        (processed(scale=1.05, fit_to_multiple_of_8=True), (104, 104)),
        (processed("paid/up", scale=2.5), (240, 240)),
        (processed("sketch/edge-colour"), (96, 96)),
        (processed("sketch/edge-colour", scale=4.0), (96, 96)),
    ],
)
async def test_the_uis_own_node_does_what_its_model_is_for(
    studio: WorkStudio, node: dict[str, Any], size: tuple[int, int]
) -> None:
    item = await studio.run_batch(batch_of({"work": node}))
    assert item["status"] == "completed", item["error_message"]
    (made,) = studio.made()
    assert made.size == size and (made.mode == "RGBA") == ("edge-colour" in str(node))
    assert len(studio.paid.sent) == ("paid" in str(node))


async def test_the_uis_prompt_and_seed_go_where_the_model_takes_them(studio: WorkStudio) -> None:
    sent = {"prompt": "a fox", "seed": 7}
    await studio.run_batch(batch_of({"plain": processed(**sent), "worded": processed("paid/worded", **sent)}))
    plain, worded = sorted(
        studio.gallery.metadata(), key=lambda metadata: str(metadata["external_provider"]), reverse=True
    )
    assert plain["external_model_id"] == "lanczos" and worded["external_model_id"] == "worded"
    (row,) = await studio.database.fetch("SELECT request FROM generation_receipts")
    asked = json.loads(str(row["request"]))
    assert (asked["positive_prompt"], asked["seed"]) == ("a fox", 7)


async def test_a_scale_beyond_the_model_is_refused_instead_of_paid_twice(studio: WorkStudio) -> None:
    await studio.run_batch(batch_of({"work": processed("paid/up", scale=8.0)}))
    assert "its scale is 4, not 8" in studio.error()[1] and studio.paid.sent == []


async def test_a_model_that_generates_is_none_to_process_a_picture_with(studio: WorkStudio) -> None:
    await studio.run_batch(batch_of({"work": processed("sketch/flow")}))
    assert "Sketch Flow makes pictures of words" in studio.error()[1]


async def test_what_the_server_could_not_store_is_not_paid(tmp_path: Path) -> None:
    async with WorkStudio(tmp_path, max_image_pixels=100_000) as studio:
        await studio.run_batch(batch_of({"work": upscale("paid/up")}))
        assert "384×384 pixels; this server stores 100,000 at most" in studio.error()[1] and studio.paid.sent == []
