"""The generation node in real sessions: graphs as the web UI sends them, with providers that count what they get."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from invokeai.app.invocations import load_core_invocations
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import ProviderUnavailable
from invokeai.app.services.image_providers.providers.sketch import SketchImageService
from invokeai.app.services.image_providers.receipts import ReceiptStore
from invokeai.app.services.image_providers.spend_caps import SpendCaps
from invokeai.app.services.session_processor.session_processor import SessionProcessor
from invokeai.app.services.shared.errors import NotFound
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from tests.app.services.image_providers.fake_providers import PaidImageService, SlowImageService
from tests.app.services.image_providers.test_provider_contract import hole, scene
from tests.app.services.queue_studio import QUEUE, QueueStudio, batch_of

load_core_invocations()


class Gallery:
    """Stands in for the image service: pictures by name, made again under the same name."""

    def __init__(self) -> None:
        self.pictures: dict[str, Image.Image] = {}
        self.members: dict[str, dict[str, Any]] = {}

    async def create(self, image: Any, **members: Any) -> Any:
        name = members["image_name"]
        self.pictures[name] = Image.open(io.BytesIO(image)) if isinstance(image, bytes) else image
        self.members[name] = members
        width, height = self.pictures[name].size
        return SimpleNamespace(image_name=name, width=width, height=height)

    async def get_pil(self, name: str) -> Image.Image:
        if name not in self.pictures:
            raise NotFound(f"There is no image {name}.")
        return self.pictures[name]

    def metadata(self) -> list[dict[str, Any]]:
        return [json.loads(members["metadata"]) for members in self.members.values()]


class GenerationStudio(QueueStudio):
    """The queue with providers and a gallery."""

    paid_provider: type[PaidImageService] = PaidImageService

    def __init__(self, root: Path, **settings: Any) -> None:
        super().__init__(root, max_concurrent_sessions=4, **settings)
        self.gallery, self.slow = Gallery(), SlowImageService()
        self.paid = self.paid_provider(lambda: ProviderCredentials(api_key="k"))
        providers = [self.paid, self.slow, SketchImageService()]
        caps = SpendCaps(self.config, self.database, {})
        self.generation = ImageServiceManager(providers, ReceiptStore(self.database, DiskObjects(root), caps))
        services: Any = SimpleNamespace(
            config=self.config,
            database=self.database,
            invocation_cache=self.cache,
            images=self.gallery,
            image_generation=self.generation,
        )
        self.processor = SessionProcessor(services, self.queue, self.events)

    async def run(self, node: dict[str, Any]) -> dict[str, Any]:
        """Run one generation node to its end; the item."""
        return await self.run_batch(ui_batch(node))

    async def run_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Run a batch of one item to its end; the item."""
        enqueued = await self.enqueue(batch)
        await self.processor.start()
        (item_id,) = enqueued["item_ids"]
        await self.wait_for(lambda: any(end["item_id"] == item_id for end in self.ends()))
        return dict(await self.queue.get(QUEUE, item_id))

    def error(self) -> tuple[str, str]:
        (event,) = self.named("invocation_error")
        return event["error_type"], event["error_message"]


def model_of(provider_id: str, model_id: str) -> dict[str, Any]:
    """A model as the UI puts it into a node: the whole record."""
    return {
        "key": f"{provider_id}-{model_id}",
        "hash": f"external:{provider_id}:{model_id}",
        "name": "Some Name",
        "base": "external",
        "type": "external_image_generator",
        "format": "external_api",
        "provider_id": provider_id,
        "capabilities": {"modes": ["txt2img"]},
    }


def a_node(provider: str = "sketch", model: str = "flow", **members: Any) -> dict[str, Any]:
    return {
        "type": "third_party_image_generation",
        "model": model_of(provider, model),
        "mode": "txt2img",
        "image_size": "1K",
        "num_images": 1,
        "width": 96,
        "height": 64,
        "use_cache": False,
        **members,
    }


def ui_batch(node: dict[str, Any]) -> dict[str, Any]:
    nodes = {
        "positive_prompt:1": {"type": "string", "value": "a red fox"},
        "seed:1": {"type": "integer", "value": 41},
        "core_metadata:1": {"type": "core_metadata", "model": node["model"], "width": 96, "height": 64},
        "canvas_output:1": node,
    }
    edges = [
        ("positive_prompt:1.value", "canvas_output:1.prompt"),
        ("positive_prompt:1.value", "core_metadata:1.positive_prompt"),
        ("seed:1.value", "canvas_output:1.seed"),
        ("seed:1.value", "core_metadata:1.seed"),
        ("core_metadata:1.metadata", "canvas_output:1.metadata"),
    ]
    return batch_of(nodes, *edges, origin="generate", destination="generate")


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[GenerationStudio]:
    async with GenerationStudio(tmp_path) as studio:
        yield studio


async def test_a_graph_of_the_web_ui_makes_a_picture_with_its_metadata(studio: GenerationStudio) -> None:
    item = await studio.run(a_node())
    assert item["status"] == "completed"
    (picture,) = studio.gallery.pictures.values()
    assert picture.size == (96, 64)
    (metadata,) = studio.gallery.metadata()
    assert metadata["positive_prompt"] == "a red fox" and metadata["seed"] == metadata["external_seed"] == 41
    assert metadata["model"]["key"] == "sketch-flow"
    assert (metadata["external_provider"], metadata["external_model_id"]) == ("sketch", "flow")
    assert metadata["cost"] == {"amount": "0", "currency": "USD", "kind": "computed"}
    assert "image_size" not in metadata and "negative_prompt" not in metadata
    (prepared,) = item["session"]["source_prepared_mapping"]["canvas_output:1"]
    result = item["session"]["results"][prepared]
    assert result["type"] == "image_collection_output"
    assert [image["image_name"] for image in result["collection"]] == list(studio.gallery.pictures)


async def test_progress_carries_a_preview_and_then_says_that_it_saves(studio: GenerationStudio) -> None:
    await studio.run(a_node(width=640, height=320))
    first, last = studio.named("invocation_progress")
    assert first["message"] == "Sketching" and (first["image"]["width"], first["image"]["height"]) == (640, 320)
    assert first["image"]["dataURL"].startswith("data:image/jpeg;base64,")
    assert last["message"] == "Saving image" and last["image"] is None


async def test_several_images_have_names_and_seeds_of_their_own(studio: GenerationStudio) -> None:
    await studio.run(a_node(num_images=3))
    assert len(studio.gallery.pictures) == 3
    assert [metadata["external_seed"] for metadata in studio.gallery.metadata()] == [41, 42, 43]


async def test_a_session_with_a_free_provider_makes_no_round_trip_for_it(studio: GenerationStudio) -> None:
    with studio.database.counted() as trips:
        await studio.run(a_node())
    assert not any("receipts" in sql or "external_models" in sql for sql in trips.statements)


async def test_a_paid_call_is_booked_as_stored_on_the_session_and_its_node(studio: GenerationStudio) -> None:
    item = await studio.run(a_node("paid", "pro"))
    (row,) = await studio.database.fetch("SELECT * FROM generation_receipts")
    (prepared,) = item["session"]["source_prepared_mapping"]["canvas_output:1"]
    assert (row["session_id"], row["node_id"], row["state"]) == (item["session_id"], prepared, "stored")
    assert studio.gallery.metadata()[0]["cost"] == {"amount": "0.013", "currency": "USD", "kind": "reported"}
    told = [progress["message"] for progress in studio.named("invocation_progress")]
    assert told == ["Asking Paid (cost unknown)", "Saving image (0.013 USD)"]


async def test_img2img_and_inpaint_take_their_pictures_from_the_gallery(studio: GenerationStudio) -> None:
    studio.gallery.pictures = {"init.png": scene(), "mask.png": hole()}
    node = a_node(mode="inpaint", init_image={"image_name": "init.png"}, mask_image={"image_name": "mask.png"})
    item = await studio.run(node)
    assert item["status"] == "completed", item["error_message"]
    made = list(studio.gallery.pictures.values())[-1]
    assert made.size == (96, 96)
    difference = ImageChops.difference(made, scene()).getbbox()
    assert difference is not None and difference[0] >= 24 and difference[2] <= 72


async def test_reference_images_and_strength_reach_the_provider(studio: GenerationStudio) -> None:
    studio.gallery.pictures = {"init.png": scene(), "ref.png": Image.new("RGB", (8, 8), "blue")}
    await studio.run(
        a_node(
            mode="img2img",
            init_image={"image_name": "init.png"},
            strength=0.01,
            reference_images=[{"image_name": "ref.png"}],
            width=96,
            height=96,
        )
    )
    made = list(studio.gallery.pictures.values())[-1]
    assert max(ImageStat.Stat(ImageChops.difference(made, scene())).mean) < 8, "hardly changed"


async def test_numbers_that_the_editor_leaves_at_zero_are_not_set(studio: GenerationStudio) -> None:
    zeros = {"steps": 0, "guidance": 0.0, "strength": 0.0, "seed": 0, "negative_prompt": "", "image_size": ""}
    item = await studio.run(a_node("paid", "pro", **zeros))
    assert item["status"] == "completed", item["error_message"]


@pytest.mark.parametrize(
    ("node", "kind", "words"),
    [
        (a_node("slow", "plain", steps=4), "ProviderBadRequest", "Slow Plain cannot do this: it takes no steps."),
        (a_node("slow", "plain", negative_prompt="ugly"), "ProviderBadRequest", "it takes no negative prompt"),
        (a_node("slow", "plain", options="{"), "InvalidInput", "must be a JSON object"),
        (a_node("slow", "plain", options="[1]"), "InvalidInput", "must be a JSON object"),
        (a_node("slow", "plain", options='{"raw": true}'), "ProviderBadRequest", "it has no option raw"),
        (a_node("slow", "gone"), "NotFound", "Slow has no model 'gone'."),
        (a_node("acme", "x"), "NotFound", "No provider of this server has a model"),
        (a_node(type="gemini_image_generation"), "ProviderBadRequest", "is a model of Sketch, not of gemini"),
        (a_node(mode="img2img", init_image={"image_name": "gone.png"}), "NotFound", "no image gone.png"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_fails_in_words_and_is_not_sent(
    studio: GenerationStudio, node: dict[str, Any], kind: str, words: str
) -> None:
    item = await studio.run(node)
    assert item["status"] == "failed"
    error_type, message = studio.error()
    assert error_type == kind and words in message
    assert studio.slow.calls == [] and studio.gallery.pictures == {}


async def test_options_of_provider_named_nodes_are_passed_on() -> None:
    from invokeai.app.invocations.third_party_image_generation import OpenAIImageGenerationInvocation

    node = OpenAIImageGenerationInvocation(model=model_of("openai", "m"), prompt="x", quality="high")
    context: Any = SimpleNamespace(session_id="s", node_id="n", images=None)
    request = await node._request(context)
    assert dict(request.options) == {"quality": "high"}, "a field left at auto is none"
    assert request.model == "external:openai:m"


async def test_options_of_any_provider_are_a_json_object() -> None:
    from invokeai.app.invocations.third_party_image_generation import ThirdPartyImageGenerationInvocation

    given = {None: {}, "": {}, '{"series": 4, "watermark": false}': {"series": 4, "watermark": False}}
    for text, options in given.items():
        node = ThirdPartyImageGenerationInvocation(model=model_of("seedream", "m"), prompt="x", options=text)
        request = await node._request(SimpleNamespace(session_id="s", node_id="n", images=None))  # type: ignore[arg-type]
        assert dict(request.options) == options


async def test_cancelling_the_item_stops_the_call_and_leaves_no_picture(studio: GenerationStudio) -> None:
    studio.slow.hold = asyncio.Event()
    enqueued = await studio.enqueue(ui_batch(a_node("slow", "plain")))
    await studio.processor.start()
    await studio.wait_for(lambda: studio.slow.running == 1)
    await studio.queue.cancel(QUEUE, enqueued["item_ids"][0])
    await studio.wait_for(lambda: studio.slow.cancelled == 1)
    assert studio.slow.running == 0 and studio.gallery.pictures == {}


async def test_many_sessions_wait_for_their_provider_at_once(studio: GenerationStudio) -> None:
    studio.slow.hold = asyncio.Event()
    for _ in range(3):
        await studio.enqueue(ui_batch(a_node("slow", "plain")))
    await studio.processor.start()
    await studio.wait_for(lambda: studio.slow.running == 3)
    studio.slow.hold.set()
    await studio.wait_for_ends(3)
    assert len(studio.gallery.pictures) == 3


async def test_a_canceled_call_that_has_left_is_stored_and_no_other_begins(studio: GenerationStudio) -> None:
    studio.paid.gate = asyncio.Event()
    (item_id,) = (await studio.enqueue(ui_batch(a_node("paid", "pro", num_images=3))))["item_ids"]
    await studio.processor.start()
    await studio.wait_for(lambda: len(studio.paid.sent) == 1)
    await studio.queue.cancel(QUEUE, item_id)
    await studio.wait_for(lambda: not studio.processor.status().is_processing)
    assert studio.gallery.pictures == {}
    studio.paid.gate.set()
    await studio.generation.aclose()
    assert len(studio.paid.sent) == len(studio.gallery.pictures) == 1
    states = await studio.database.fetch("SELECT state, cost_amount FROM generation_receipts")
    assert states == [{"state": "stored", "cost_amount": "0.013"}]
    assert (await studio.queue.get(QUEUE, item_id))["status"] == "canceled"


async def test_a_canceled_call_that_has_not_left_is_given_up(studio: GenerationStudio) -> None:
    studio.slow.hold = asyncio.Event()
    (item_id,) = (await studio.enqueue(ui_batch(a_node("slow", "plain"))))["item_ids"]
    await studio.processor.start()
    await studio.wait_for(lambda: studio.slow.running == 1)
    await studio.queue.cancel(QUEUE, item_id)
    await studio.wait_for(lambda: studio.slow.cancelled == 1)
    await studio.generation.aclose()
    assert studio.gallery.pictures == {}


async def test_another_model_makes_the_picture_where_the_node_allows_it(studio: GenerationStudio) -> None:
    studio.paid.before_sending = ProviderUnavailable("away")
    node = a_node("paid", "pro", width=64, height=64, fallback=["sketch/flow"])
    assert (await studio.run(node))["status"] == "completed"
    (facts,) = studio.gallery.metadata()
    assert (facts["external_provider"], facts["external_model_asked"]) == ("sketch", "paid/pro")
