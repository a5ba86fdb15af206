"""Runware: one task per receipt whatever happens to the answers, typed failures, reported cost, checked addresses."""

import base64
import io
import json
import uuid
from typing import Any

import httpx
import pytest
from PIL import Image

from invokeai.app.services.image_providers.generation import CostKind, ImageRequest, ImageResult
from invokeai.app.services.image_providers.http_provider import UnsafePicture
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.providers.runware import RunwareImageService, task_uuid
from invokeai.app.services.image_providers.receipts import Receipt
from tests.app.services.image_providers.fake_providers import png

KEY = "canary-5f1e"
RECEIPT = str(uuid.uuid5(uuid.NAMESPACE_DNS, "one"))
PRO = "rundiffusion:130@100"


class Runware:
    """Answers as Runware does and counts the tasks it bills. `script` holds what happens to the next submissions."""

    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.billed = self.submissions = 0
        self.script: list[Any] = []
        self.poll_errors: list[dict[str, Any]] = []
        self.image_url = "https://im.runware.ai/image/{}.png"
        self.keys: dict[str, set[str | None]] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.keys.setdefault(request.url.host, set()).add(request.headers.get("authorization"))
        if request.method == "GET":
            return httpx.Response(200, content=png(128, 128))
        (task,) = json.loads(request.content)
        return self._poll(task) if task["taskType"] == "getResponse" else self._submit(task)

    def _submit(self, task: dict[str, Any]) -> httpx.Response:
        self.submissions += 1
        step = self.script.pop(0) if self.script else None
        if isinstance(step, httpx.Response) or step == "lost before":
            if step == "lost before":
                raise httpx.ReadError("cut")
            return step
        if step == "no connection":
            raise httpx.ConnectError("refused")
        if task["taskUUID"] in self.tasks:
            return error(400, "conflictTaskUUID")
        self.tasks[task["taskUUID"]] = task
        self.billed += 1
        if step == "lost after":
            raise httpx.ReadError("cut")
        return httpx.Response(200, json={"data": [{"taskType": "imageInference", "taskUUID": task["taskUUID"]}]})

    def _poll(self, asked: dict[str, Any]) -> httpx.Response:
        task = self.tasks.get(asked["taskUUID"])
        if task is None:
            return error(400, "taskFailedOrNotFound")
        if self.poll_errors:
            return httpx.Response(200, json={"errors": self.poll_errors})
        item = {"taskUUID": task["taskUUID"], "status": "success", "cost": 0.0051, "seed": task.get("seed", 9)}
        items = [{**item, "imageURL": self.image_url.format(n)} for n in range(task["numberResults"])]
        return httpx.Response(200, json={"data": items})


def error(status: int, code: str, **headers: str) -> httpx.Response:
    body = {"errors": [{"code": code, "message": f"No: {code} for {KEY}"}]}
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture
def server() -> Runware:
    return Runware()


@pytest.fixture
def provider(server: Runware) -> RunwareImageService:
    made = RunwareImageService(lambda: ProviderCredentials(KEY), httpx.MockTransport(server))
    made.first_poll_seconds = 0.0
    return made


async def generated(provider: RunwareImageService, model_id: str = PRO, **changes: Any) -> ImageResult:
    request = ImageRequest(**{"prompt": "a red fox", "width": 128, "height": 128, **changes})
    model = next(model for model in provider.info.models if model.model_id == model_id)
    return await provider.generate(request, model, Receipt(RECEIPT, "runware", model_id))


async def test_pictures_come_with_seed_and_the_reported_cost(provider: RunwareImageService, server: Runware) -> None:
    result = await generated(provider, seed=7, num_images=2)
    assert [image.seed for image in result.images] == [7, 7]
    assert (result.cost.amount, result.cost.kind) == ("0.0102", CostKind.REPORTED)
    assert server.billed == 1


async def test_the_key_goes_to_the_api_only(provider: RunwareImageService, server: Runware) -> None:
    await generated(provider)
    assert server.keys == {"api.runware.ai": {f"Bearer {KEY}"}, "im.runware.ai": {None}}


@pytest.mark.parametrize("what", ["lost before", "lost after", httpx.Response(503), httpx.Response(200, text="{cut")])
async def test_a_lost_answer_bills_one_task(provider: RunwareImageService, server: Runware, what: Any) -> None:
    server.script = [what]
    assert len((await generated(provider)).images) == 1
    assert server.billed == 1 and list(server.tasks) == [task_uuid(RECEIPT)]


async def test_a_lost_answer_and_then_no_connection_is_unknown(provider: RunwareImageService, server: Runware) -> None:
    server.script = ["lost before", "no connection"]
    with pytest.raises(OutcomeUnknown):
        await generated(provider)


async def test_a_paid_picture_is_asked_for_after_a_crash(provider: RunwareImageService, server: Runware) -> None:
    await generated(provider)
    result = await provider.resume(Receipt(RECEIPT, "runware", PRO, provider_ref=task_uuid(RECEIPT)))
    assert result is not None and len(result.images) == 1
    assert (server.billed, server.submissions) == (1, 1)


async def test_a_task_that_nobody_knows_cannot_be_resumed(provider: RunwareImageService) -> None:
    assert await provider.resume(Receipt(RECEIPT, "runware", PRO)) is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error(429, "rateLimitExceeded", retry_after="3"), ProviderRateLimited),
        (error(429, "insufficientCredits"), ProviderQuotaExhausted),
        (error(402, "paymentRequired"), ProviderQuotaExhausted),
        (error(401, "invalidApiKey"), ProviderAuthError),
        (error(400, "contentPolicyViolation"), ProviderRefused),
        (error(400, "invalidSteps"), ProviderBadRequest),
        ("no connection", ProviderUnavailable),
    ],
)
async def test_failures_have_types_are_sent_once_and_never_quote_the_key(
    provider: RunwareImageService, server: Runware, answer: Any, expected: type[ProviderError]
) -> None:
    server.script = [answer]
    with pytest.raises(expected) as caught:
        await generated(provider)
    assert type(caught.value) is expected and KEY not in str(caught.value)
    assert (server.submissions, server.billed) == (1, 0)
    if isinstance(caught.value, ProviderRateLimited):
        assert caught.value.retry_after == 3


async def test_a_refusal_of_the_finished_picture_is_a_refusal(provider: RunwareImageService, server: Runware) -> None:
    server.poll_errors = [{"code": "nsfwContentDetected", "message": "no"}]
    with pytest.raises(ProviderRefused) as caught:
        await generated(provider)
    assert caught.value.stage == "output"


@pytest.mark.parametrize(
    "url",
    [
        "http://im.runware.ai/a.png",
        "https://evil.example/a.png",
        "https://runware.ai.evil.example/a.png",
        "https://10.0.0.1/a.png",
        "https://user@im.runware.ai/a.png",
        "https://im.runware.ai:8443/a.png",
    ],
)
async def test_other_addresses_are_not_followed(provider: RunwareImageService, server: Runware, url: str) -> None:
    with pytest.raises(UnsafePicture):
        await provider.fetch_picture(url)
    assert server.keys == {}


async def test_a_redirect_is_checked_again() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"location": "http://127.0.0.1:1/a.png"})

    provider = RunwareImageService(lambda: ProviderCredentials(KEY), httpx.MockTransport(away))
    with pytest.raises(UnsafePicture):
        await provider.fetch_picture("https://im.runware.ai/a.png")


async def test_masks_are_white_where_runware_repaints(provider: RunwareImageService, server: Runware) -> None:
    mask = Image.new("L", (128, 128), 255)
    mask.putpixel((0, 0), 0)
    await generated(provider, mode="inpaint", init_image=Image.new("RGB", (128, 128)), mask_image=mask)
    (task,) = server.tasks.values()
    sent = Image.open(io.BytesIO(base64.b64decode(task["inputs"]["maskImage"].partition(",")[2])))
    assert (sent.getpixel((0, 0)), sent.getpixel((1, 1))) == (255, 0)
    assert task["strength"] == 0.8 and task["includeCost"] is True


@pytest.mark.parametrize("changes", [{"width": 130}, {"prompt": "x"}, {"steps": 51}, {"guidance": 21.0}])
async def test_what_the_model_cannot_do_is_not_sent(
    provider: RunwareImageService, server: Runware, changes: dict[str, Any]
) -> None:
    with pytest.raises(ProviderBadRequest):
        await generated(provider, **changes)
    assert server.submissions == 0
