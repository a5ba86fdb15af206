"""OpenAI's own Python client against the running server."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from invokeai.app.services.image_providers.generation import ImageRequest, ImageResult
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import ProviderQuotaExhausted, ProviderRefused
from invokeai.app.services.image_providers.providers.openai_compatible import OpenAiCompatibleImageService
from invokeai.app.services.image_providers.receipts import CallKey, ReceiptStore
from invokeai.app.services.shared.database.sqlite import SqliteDatabase
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from tests.studio_process import StudioProcess

TOKEN = "canary-token-of-a-program"

PROVIDER = """
from PIL import Image
from invokeai.app.services.image_providers.capabilities import ExternalApiModelDefaultSettings
from invokeai.app.services.image_providers.capabilities import ExternalModelCapabilities
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.provider_errors import *

ENDS = {
    "refused": ProviderRefused("Blocked: safety_violations=[violence]", stage="prompt", provider_code="moderation"),
    "limited": ProviderRateLimited("images per minute", retry_after=600, request_id="req-9"),
    "spent": ProviderQuotaExhausted("no credit left"),
    "lost": OutcomeUnknown("no answer came; it may have been billed"),
    "away": ProviderUnavailable("not reached"),
}

class Failing(ImageProvider):
    info = ProviderInfo(
        provider_id="failing", display_name="Failing", description="", default_model="refused", priority=900,
        needs_key=False, is_paid=False,
        models=tuple(ImageModel(model_id=name, name=name, description="",
            capabilities=ExternalModelCapabilities(modes=["txt2img", "img2img"]),
            default_settings=ExternalApiModelDefaultSettings(width=320, height=200)) for name in ENDS),
    )
    calls = 0

    async def generate(self, request, model, receipt):
        Failing.calls += 1
        if request.prompt == "how large?":
            raise ProviderBadRequest(f"{request.width}x{request.height}")
        if request.prompt == "late":
            request.on_progress("Draft", 0.5, Image.new("RGB", (8, 8)))
        raise ENDS[model.model_id]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    root = tmp_path_factory.mktemp("openai") / "root"
    (root / "providers").mkdir(parents=True)
    (root / "providers" / "failing.py").write_text(PROVIDER)
    process = StudioProcess(root, settings={"INVOKEAI_API_TOKENS": f"{TOKEN}-older,{TOKEN}"})
    process.start()
    yield process
    process.stop()


@pytest.fixture
def client(server: StudioProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=TOKEN, base_url=f"{server.base_url}/v1") as made:
        yield made


def picture_of(b64: str | None) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(b64 or "")))


def png(image: Image.Image) -> tuple[str, bytes, str]:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return ("picture.png", buffer.getvalue(), "image/png")


def test_pictures_come_as_base64_and_lie_in_the_gallery(client: openai.OpenAI, server: StudioProcess) -> None:
    answer = client.images.generate(prompt="a fox", model="sketch/flow", n=2, size="96x64")  # type: ignore[call-overload]
    assert [picture_of(item.b64_json).size for item in answer.data] == [(96, 64)] * 2
    assert answer.cost == {"amount": "0", "currency": "USD", "kind": "computed"} and answer.provider == "sketch"
    listed = httpx.get(f"{server.base_url}/api/v1/images/names").json()
    assert len(listed["image_names"]) >= 2


def test_an_address_leads_to_the_picture(client: openai.OpenAI) -> None:
    answer = client.images.generate(prompt="a fox", model="sketch", size="64x64", response_format="url")  # type: ignore[call-overload]
    (item,) = answer.data
    assert item.b64_json is None
    assert Image.open(io.BytesIO(httpx.get(item.url).content)).size == (64, 64)


async def test_another_studio_can_use_this_one_as_its_provider(server: StudioProcess, tmp_path: Path) -> None:
    known = ProviderCredentials(TOKEN, server.base_url)
    provider = OpenAiCompatibleImageService(lambda: known)
    await provider.refresh_models()
    assert {"sketch/flow", "failing/refused"} <= {model.model_id for model in provider.models()}
    database = SqliteDatabase(tmp_path / "other.db")
    await database.migrate()
    manager = ImageServiceManager([provider], ReceiptStore(database, DiskObjects(tmp_path / "objects")))

    async def make(model: str, **changes: Any) -> ImageResult:
        request = ImageRequest(prompt="a fox", model=f"openai_compatible/{model}", width=96, height=64, **changes)
        return await manager.generate(request, CallKey("session", model + request.mode))

    made = (await make("sketch/flow")).images[0].image
    edited = (await make("sketch/flow", mode="img2img", init_image=Image.new("RGB", (96, 64), "teal"))).images[0].image
    for file in (made, edited):
        assert isinstance(file, bytes) and Image.open(io.BytesIO(file)).size == (96, 64)
    for model, error in (("refused", ProviderRefused), ("spent", ProviderQuotaExhausted)):
        with pytest.raises(error):
            await make(f"failing/{model}")
    await provider.aclose()
    await database.close()


def test_without_a_size_a_picture_is_as_large_as_is_usual_for_its_model(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="320x200"):
        client.images.generate(prompt="how large?", model="failing/refused", size="auto")


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    ids = [model.id for model in client.models.list()]
    assert "sketch/flow" in ids and "failing/lost" in ids
    assert client.models.retrieve("sketch/flow").owned_by == "sketch"
    with pytest.raises(openai.NotFoundError) as error:
        client.models.retrieve("sketch/flaw")
    assert error.value.code == "model_not_found" and "The models are sketch/flow" in error.value.message


def test_what_the_mask_keeps_stays_and_the_transparent_part_is_new(client: openai.OpenAI) -> None:
    scene = Image.new("RGB", (64, 64), (250, 20, 20))
    mask = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 32, 64))
    answer = client.images.edit(image=png(scene), mask=png(mask), prompt="blue sea", model="sketch/flow")
    made = picture_of((answer.data or [])[0].b64_json).convert("RGB")
    right, left = made.crop((32, 0, 64, 64)).getcolors(4096) or [], made.crop((0, 0, 32, 64)).getcolors(4096) or []
    assert [colour for _, colour in right] == [(250, 20, 20)]
    assert (250, 20, 20) not in [colour for _, colour in left] or len(left) > 1


def test_a_stream_has_the_picture_and_the_drafts_that_were_asked_for(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"prompt": "a fox", "model": "sketch/flow", "size": "96x64", "stream": True}
    events = list(client.images.generate(**asked, n=2))
    assert [event.type for event in events] == ["image_generation.completed"] * 2
    assert [picture_of(event.b64_json).size for event in events] == [(96, 64)] * 2
    assert events[0].size == "96x64" and events[0].cost == {"amount": "0", "currency": "USD", "kind": "computed"}
    with client.images.generate(**asked, n=2, partial_images=1) as stream:
        draft, first, second = stream
    assert draft.type == "image_generation.partial_image" and draft.partial_image_index == 0
    assert picture_of(draft.b64_json).size == (96, 64) and first.type == second.type == "image_generation.completed"


def test_an_edit_streams_too(client: openai.OpenAI) -> None:
    scene = Image.new("RGB", (64, 64), (250, 20, 20))
    asked: dict[str, Any] = {"prompt": "a fox", "model": "sketch/flow", "stream": True, "partial_images": 1}
    (*_, last) = client.images.edit(image=png(scene), **asked)
    assert last.type == "image_edit.completed" and picture_of(last.b64_json).size == (64, 64)


def test_what_fails_before_a_stream_begins_has_its_status_and_later_is_an_event(
    client: openai.OpenAI,
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(prompt="x", model="failing/refused", stream=True)
    assert refused.value.code == "moderation_blocked"
    events = client.images.generate(prompt="late", model="failing/refused", stream=True, partial_images=1)
    with pytest.raises(openai.APIError) as late:
        list(events)
    assert late.value.code == "moderation_blocked" and "violence" in late.value.message


def test_a_repeat_under_its_key_has_the_same_picture(client: openai.OpenAI, server: StudioProcess) -> None:
    def count() -> int:
        return len(httpx.get(f"{server.base_url}/api/v1/images/names").json()["image_names"])

    asked: dict[str, Any] = {"prompt": "a fox", "model": "sketch/flow", "size": "96x64"}
    key = {"Idempotency-Key": "order-7"}
    first = client.images.generate(**asked, extra_headers=key)
    before = count()
    again = client.images.generate(**asked, extra_headers=key)
    assert (again.data or [])[0].b64_json == (first.data or [])[0].b64_json
    with pytest.raises(openai.ConflictError, match="came with another request") as other:
        client.images.generate(**asked, n=2, extra_headers=key)
    assert other.value.code == "idempotency_key_used"
    (event,) = client.images.generate(**asked, stream=True, extra_headers={"Idempotency-Key": "streamed"})
    (same,) = client.images.generate(**asked, stream=True, extra_headers={"Idempotency-Key": "streamed"})
    assert same.b64_json == event.b64_json and count() == before + 1


def test_an_edit_is_repeated_by_its_files_not_by_the_bytes_of_its_form(client: openai.OpenAI) -> None:
    red, green = (png(Image.new("RGB", (64, 64), colour)) for colour in ("red", "green"))
    asked: dict[str, Any] = {"prompt": "a fox", "model": "sketch/flow", "extra_headers": {"Idempotency-Key": "edit-7"}}
    first, again = (client.images.edit(image=red, **asked) for _ in range(2))
    assert (again.data or [])[0].b64_json == (first.data or [])[0].b64_json
    with pytest.raises(openai.ConflictError):
        client.images.edit(image=green, **asked)
    with pytest.raises(openai.ConflictError):
        client.images.generate(prompt="a fox", model="sketch/flow", extra_headers={"Idempotency-Key": "edit-7"})


def test_a_fallback_may_be_named(client: openai.OpenAI) -> None:
    more = {"fallback": ["gone/gone", "sketch/flow"]}
    answer = client.images.generate(prompt="x", model="failing/away", size="64x64", extra_body=more)
    assert answer.provider == "sketch" and "failing/away failed at no cost" in answer.note  # type: ignore[attr-defined]
    scene = png(Image.new("RGB", (64, 64), (250, 20, 20)))
    edited = client.images.edit(image=scene, prompt="x", model="failing/away", extra_body=more)
    assert edited.provider == "sketch"  # type: ignore[attr-defined]


def test_several_pictures_are_edited_together(client: openai.OpenAI) -> None:
    pictures = [png(Image.new("RGB", (48, 32), colour)) for colour in ("red", "green")]
    answer = client.images.edit(image=pictures, prompt="both", model="sketch/flow")
    assert picture_of((answer.data or [])[0].b64_json).size == (48, 32)


@pytest.mark.parametrize(
    ("model", "kind", "status", "code"),
    [
        ("failing/refused", openai.BadRequestError, 400, "moderation_blocked"),
        ("failing/spent", openai.RateLimitError, 429, "insufficient_quota"),
        ("failing/lost", openai.InternalServerError, 502, "outcome_unknown"),
        ("sketch/gone", openai.NotFoundError, 404, "model_not_found"),
        ("failing/limited", openai.RateLimitError, 429, "rate_limit_exceeded"),  # last: it makes its provider rest
    ],
)
def test_the_client_raises_what_its_users_expect(
    server: StudioProcess, model: str, kind: type[openai.APIStatusError], status: int, code: str
) -> None:
    retries = 0 if "limited" in model else 2  # the client would wait for a limit, and for nothing else
    with (
        openai.OpenAI(api_key=TOKEN, base_url=f"{server.base_url}/v1", max_retries=retries) as client,
        pytest.raises(kind) as error,
    ):
        client.images.generate(prompt="x", model=model)
    assert (error.value.status_code, error.value.code) == (status, code)
    if "lost" in model:
        text = httpx.get(f"{server.base_url}/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text
        assert 'invokeai_provider_failures_total{provider="failing",kind="OutcomeUnknown"} 1\n' in text
    if "limited" in model:
        assert error.value.response.headers["retry-after"] == "600"
        assert error.value.body["request_id"] == "req-9"  # type: ignore[index]


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"size": "huge"}, "size"),
        ({"quality": "high"}, "quality"),
        ({"stream": True, "response_format": "url"}, "response_format"),
        ({"partial_images": 2}, "partial_images"),
        ({"stream": True, "partial_images": 4}, "partial_images"),
        ({"output_format": "webp"}, "output_format"),
        ({"n": 11}, "n"),
        ({"extra_body": {"sparkle": 1}}, "sparkle"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(client: openai.OpenAI, more: dict[str, object], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.images.generate(prompt="x", model="sketch/flow", **more)  # type: ignore[call-overload]
    assert error.value.param == param


def test_a_mask_that_does_not_fit_and_files_that_are_no_pictures_are_refused(client: openai.OpenAI) -> None:
    scene, mask = Image.new("RGB", (64, 64)), Image.new("RGBA", (32, 32))
    for image, hole in [(png(scene), png(mask)), (png(scene), png(scene)), (("a.png", b"text", "image/png"), None)]:
        with pytest.raises(openai.BadRequestError):
            client.images.edit(image=image, mask=hole or openai.omit, prompt="x", model="sketch/flow")


def test_without_a_token_nothing_is_answered_and_no_token_is_logged(server: StudioProcess) -> None:
    with (
        openai.OpenAI(api_key="wrong-secret", base_url=f"{server.base_url}/v1") as client,
        pytest.raises(openai.AuthenticationError) as error,
    ):
        client.models.list()
    assert error.value.code == "invalid_api_key" and "wrong-secret" not in str(error.value)
    for path in ("/api/images/models", "/api/image-models", "/metrics"):
        assert httpx.get(server.base_url + path).status_code == 401
        assert httpx.get(server.base_url + path, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert httpx.post(f"{server.base_url}/api/generate-image", json={"prompt": "x"}).status_code == 401
    assert httpx.get(f"{server.base_url}/api/v1/app/version").status_code == 200  # the UI's own routes stay
    config = httpx.get(f"{server.base_url}/api/v1/app/runtime_config").text
    for secret in (TOKEN, "wrong-secret"):
        assert secret not in server.log_text() and secret not in config


def test_a_token_is_kept_out_of_the_files(server: StudioProcess) -> None:
    kept = [path for path in Path(server.root).rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert kept == []
