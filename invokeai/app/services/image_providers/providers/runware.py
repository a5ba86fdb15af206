"""Runware over REST: our task id is written before anything leaves, so a lost answer is asked for and never paid twice.

A task is sent again only under the same id, which Runware answers with `conflictTaskUUID` when it has it already.
"""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, ClassVar, cast

from invokeai.app.services.image_providers.generation import Cost, CostKind, GeneratedImage, ImageRequest, ImageResult
from invokeai.app.services.image_providers.http_provider import (
    AnswerLost,
    HttpAnswer,
    HttpImageProvider,
    NotSent,
    UnsafePicture,
    png_bytes,
)
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
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
from invokeai.app.services.image_providers.providers.runware_models import MODELS, RunwareModelConfig

if TYPE_CHECKING:
    from PIL.Image import Image

    from invokeai.app.services.image_providers.receipts import Receipt

Item = dict[str, Any]

DUPLICATE = "conflictTaskUUID"
GONE = ("taskFailedOrNotFound", "taskNotFound")
REFUSALS = ("contentpolicy", "sensitivecontent", "unsafecontent", "nsfw", "promptblocked", "imageblocked", "moderation",
            "invalidprovidercontent")  # fmt: skip
MONEY = ("insufficient", "credits", "balance", "quota", "paymentrequired")
KEY = ("invalidapikey", "unauthorized", "forbidden", "permissiondenied", "authtimeout", "token", "suspended")
WRONG = ("missing", "invalid", "unsupported", "value", "max", "unknownmodel")
FAILED = ("providererror", "inferenceerror", "processingfailed", "taskfailed", "downloadfailed", "uploadfailed",
          "noavailableserver", "modelunavailable", "modeldisabled", "modelnotready", "taskcancelled")  # fmt: skip
MAX_PROMPT = 3000
DEFAULT_STRENGTH = 0.8
LOST_TRIES = 4


class RunwareImageService(HttpImageProvider):
    """Runware's picture models."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="runware",
        display_name="Runware",
        description="Many open and closed picture models; every picture's cost is reported.",
        models=MODELS,
        default_model="rundiffusion:130@100",
        priority=10,
        max_concurrency=4,
    )
    default_base_url = "https://api.runware.ai"
    result_hosts = ("runware.ai",)
    first_poll_seconds = 1.0
    longest_poll_seconds = 10.0

    def get_setup_instructions(self) -> str:
        """Where the key comes from and where it goes."""
        return "Create a key at https://my.runware.ai and set RUNWARE_API_KEY, or enter it in the model manager."

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        """Send one task and wait for its pictures."""
        task_id = task_uuid(receipt.receipt_id)
        config = cast("RunwareModelConfig", model)
        _check(request, config)
        body = json.dumps([await asyncio.to_thread(task, request, config, task_id)]).encode()
        await receipt.sent(task_id)
        try:
            async with asyncio.timeout(model.timeout_seconds):
                await self._submit(body, task_id)
                raw = await self._wait(task_id)
        except TimeoutError:
            raise self._unknown() from None
        if raw is None:
            raise self._unknown()
        await receipt.answered(raw)
        return await self._result(raw, model.model_id, task_id)

    async def resume(self, receipt: Receipt) -> ImageResult | None:
        """The kept answer, else what Runware says of the task; None when it does not know it."""
        task_id = receipt.provider_ref or task_uuid(receipt.receipt_id)
        raw = await receipt.read_answer()
        if raw is None:
            try:
                async with asyncio.timeout(600):
                    raw = await self._wait(task_id)
            except TimeoutError:
                return None
            if raw is None:
                return None
            await receipt.answered(raw)
        return await self._result(raw, receipt.model_id, task_id)

    async def _submit(self, body: bytes, task_id: str) -> None:
        """Return when Runware has the task. A lost answer: ask; send the same task again only if it is not known."""
        for attempt in range(LOST_TRIES):
            try:
                answer = await self.post_json("/v1", body)
            except NotSent as error:
                if attempt:  # an earlier try may have left, so this one proves nothing
                    raise self._unknown() from None
                raise self._unavailable(f"Runware cannot be reached ({error}); nothing was sent.") from None
            except AnswerLost:
                answer = None
            if answer is not None and answer.status < 500:
                items, errors = self._read(answer)
                if any(error.get("code") == DUPLICATE for error in errors):
                    return
                if errors and not items:
                    raise self._failure(errors[0], answer)
                if any(item.get("taskUUID") == task_id for item in items):
                    return
            if await self._ask(task_id) is not None:
                return
            await asyncio.sleep(self.first_poll_seconds)
        raise self._unknown()

    async def _wait(self, task_id: str) -> bytes | None:
        """The answer as it came once no part of it is still being made; None: Runware does not know the task."""
        pause = self.first_poll_seconds
        while True:
            raw = await self._ask(task_id)
            if raw is None:
                return None
            items, errors = _items(raw)
            if errors or (items and not any(item.get("status") == "processing" for item in items)):
                return raw
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, self.longest_poll_seconds)

    async def _ask(self, task_id: str) -> bytes | None:
        """What Runware says of the task now; None when it does not know it. Asking costs nothing, so it is repeated."""
        body = json.dumps([{"taskType": "getResponse", "taskUUID": task_id}]).encode()
        for _ in range(LOST_TRIES):
            try:
                answer = await self.post_json("/v1", body)
            except (NotSent, AnswerLost):
                answer = None
            if answer is not None and answer.status < 500 and answer.status != 429:
                items, errors = _items(answer.body)
                if any(error.get("code") in GONE for error in errors) and not items:
                    return None
                if answer.status in (401, 403):
                    message = "Runware did not accept the key when asked for a picture under way."
                    raise ProviderAuthError(message, provider_id="runware")
                if items or errors:
                    return answer.body
            await asyncio.sleep(self.first_poll_seconds)
        raise self._unknown()

    async def _result(self, raw: bytes, model_id: str, task_id: str) -> ImageResult:
        items, errors = _items(raw)
        done = [item for item in items if item.get("taskUUID") == task_id and isinstance(item.get("imageURL"), str)]
        if not done:
            raise self._failure(errors[0], None) if errors else self._unknown()
        pictures = [await self._picture(str(item["imageURL"])) for item in done]
        seeds = [item.get("seed") if isinstance(item.get("seed"), int) else None for item in done]
        lost = f"{len(errors)} of the pictures failed: {self._words(errors[0])}" if errors else None
        return ImageResult(
            images=tuple(GeneratedImage(*pair) for pair in zip(pictures, seeds, strict=True)),
            provider_id="runware",
            model_id=model_id,
            cost=cost_of(done),
            request_id=task_id,
            note=lost,
        )

    async def _picture(self, url: str) -> bytes:
        for attempt in range(LOST_TRIES):
            try:
                return await self.fetch_picture(url)
            except AnswerLost:
                await asyncio.sleep(self.first_poll_seconds * attempt)
            except UnsafePicture as error:
                message = f"Runware's picture was paid but not taken over: {error}."
                raise OutcomeUnknown(message, provider_id="runware") from None
        message = "Runware made the picture, but it could not be fetched. Run the item again to fetch it."
        raise OutcomeUnknown(message, provider_id="runware")

    def _read(self, answer: HttpAnswer) -> tuple[list[Item], list[Item]]:
        items, errors = _items(answer.body)
        if answer.status >= 400 and not errors:
            errors = [{"code": "", "message": f"Runware answered with status {answer.status}."}]
        return items, errors

    def _words(self, error: Mapping[str, Any]) -> str:
        return self.without_key(str(error.get("message") or error.get("code") or "no reason given"))[:500]

    def _failure(self, error: Mapping[str, Any], answer: HttpAnswer | None) -> ProviderError:
        """The typed error. `answer` is that of the submission; None: the task had been accepted."""
        code, status = str(error.get("code") or ""), answer.status if answer else 0
        words: dict[str, str | None] = {"provider_code": code or None, "request_id": error.get("taskUUID")}
        said, low = f"Runware: {self._words(error)}", code.lower()
        if any(part in low for part in REFUSALS):
            stage = "output" if answer is None else "input_image" if "imageblocked" in low else "prompt"
            return ProviderRefused(said, stage=stage, provider_id="runware", **words)
        if status == 402 or any(part in low for part in MONEY):
            return ProviderQuotaExhausted(said, provider_id="runware", **words)
        if status in (401, 403) or any(part in low for part in KEY):
            return ProviderAuthError(said, provider_id="runware", **words)
        if status == 429 or "ratelimit" in low:
            hint = answer.retry_after if answer else None
            return ProviderRateLimited(said, retry_after=hint, provider_id="runware", **words)
        if low.startswith(FAILED):
            return ProviderUnavailable(
                said, provider_id="runware", provider_code=words["provider_code"], request_id=words["request_id"]
            )
        if 400 <= status < 500 or low.startswith(WRONG):
            return ProviderBadRequest(said, provider_id="runware", **words)
        return OutcomeUnknown(said, provider_id="runware", **words)

    def _unknown(self) -> OutcomeUnknown:
        message = "The request left for Runware and no answer can be had; it may have been billed."
        return OutcomeUnknown(message, provider_id="runware")

    def _unavailable(self, message: str) -> ProviderUnavailable:
        return ProviderUnavailable(message, provider_id="runware")


def task_uuid(receipt_id: str) -> str:
    """Our id of the task: a version-4 UUID, the same for the same receipt."""
    return str(uuid.UUID(bytes=uuid.UUID(receipt_id).bytes, version=4) if receipt_id else uuid.uuid4())


def task(request: ImageRequest, model: RunwareModelConfig, task_id: str) -> Item:
    """The task as Runware takes it: only fields that the model declares. Masks are white where it repaints."""
    values: Item = {
        "taskType": "imageInference",
        "taskUUID": task_id,
        "model": model.model_id,
        "positivePrompt": request.prompt,
        "width": request.width,
        "height": request.height,
        "numberResults": request.num_images,
        "outputType": "URL",
        "outputFormat": "PNG",
        "deliveryMethod": "async",
        "includeCost": True,
        "negativePrompt": request.negative_prompt or None,
        "seed": request.seed,
        "steps": request.steps if request.steps is not None else model.steps,
        "CFGScale": request.guidance if request.guidance is not None else model.guidance,
        "acceleration": model.acceleration,
    }
    inputs: Item = {}
    if request.init_image is not None:
        inputs["seedImage"] = _data_uri(request.init_image)
        values["strength"] = DEFAULT_STRENGTH if request.strength is None else request.strength
    if request.mask_image is not None:
        from PIL import ImageOps

        inputs["maskImage"] = _data_uri(ImageOps.invert(request.mask_image.convert("L")))
    if request.reference_images:
        inputs["referenceImages"] = [_data_uri(image) for image in request.reference_images]
    return {name: value for name, value in {**values, "inputs": inputs or None}.items() if value is not None}


def cost_of(items: Sequence[Mapping[str, Any]]) -> Cost:
    """The sum of the reported costs; unknown when one is missing."""
    try:
        amounts = [Decimal(str(item["cost"])) for item in items]
    except (KeyError, InvalidOperation):
        return Cost()
    total = sum(amounts, Decimal(0))
    return Cost(format(total, "f"), kind=CostKind.REPORTED) if total.is_finite() and total >= 0 else Cost()


def _check(request: ImageRequest, model: RunwareModelConfig) -> None:
    faults = []
    if request.width % model.side_step or request.height % model.side_step:
        faults.append(f"sides are multiples of {model.side_step} pixels, not {request.width}×{request.height}")
    if not 2 <= len(request.prompt) <= MAX_PROMPT:
        faults.append(f"a prompt has 2 to {MAX_PROMPT} characters")
    if request.negative_prompt and not 2 <= len(request.negative_prompt) <= MAX_PROMPT:
        faults.append(f"a negative prompt has 2 to {MAX_PROMPT} characters")
    if request.seed is not None and request.seed >= 2**63:
        faults.append("a seed is below 2^63")
    if request.steps is not None and not 1 <= request.steps <= model.max_steps:
        faults.append(f"steps are 1 to {model.max_steps}")
    if request.guidance is not None and not 0 <= request.guidance <= model.max_guidance:
        faults.append(f"guidance is 0 to {model.max_guidance:g}")
    if faults:
        raise ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id="runware")


def _items(body: bytes) -> tuple[list[Item], list[Item]]:
    """`data` and `errors` of an answer; both empty where it makes no sense."""
    try:
        answer = json.loads(body)
    except ValueError:
        return [], []
    if not isinstance(answer, dict):
        return [], []
    data, errors = answer.get("data") or [], answer.get("errors") or []
    lists = [value if isinstance(value, list) else [value] for value in (data, errors)]
    return cast("tuple[list[Item], list[Item]]", tuple([v for v in part if isinstance(v, dict)] for part in lists))


def _data_uri(image: Image) -> str:
    return "data:image/png;base64," + base64.b64encode(png_bytes(image)).decode()
