"""Runware: our task id is written before anything leaves, so a lost answer is asked for and never paid twice.

A task is sent again only under the same id, which Runware answers with `conflictTaskUUID` when it has it already. It
goes over REST, or over the WebSocket where the base URL begins with wss://.
Source of the format: Runware's API documentation and its official SDK, November 2026.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, ClassVar, cast

from invokeai.app.services.image_providers.generation import Cost, CostKind, GeneratedImage, ImageRequest, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.job_provider import JobImageProvider
from invokeai.app.services.image_providers.provider import CredentialsSource, ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    PaidPictureLate,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
)
from invokeai.app.services.image_providers.runware_models import MODELS, RunwareModelConfig, model_like
from invokeai.app.services.image_providers.runware_socket import RunwareSocket
from invokeai.app.services.image_providers.runware_tasks import OPTIONS, Item, task

if TYPE_CHECKING:
    import httpx

    from invokeai.app.services.image_providers.http_provider import AnswerReader
    from invokeai.app.services.image_providers.receipts import Receipt

DUPLICATE = "conflictTaskUUID"
GONE = ("taskFailedOrNotFound", "taskNotFound")
REFUSALS = ("contentpolicy", "sensitivecontent", "unsafecontent", "nsfw", "promptblocked", "imageblocked", "moderation",
            "invalidprovidercontent")  # fmt: skip
MONEY = ("insufficient", "credits", "balance", "quota", "paymentrequired")
SERVER = ("internalserver", "serviceunavailable", "standarderror", "unknownerror", "timeoutprovider")
"""After these it may have the task, whatever the status says."""
KEY = ("invalidapikey", "unauthorized", "forbidden", "permissiondenied", "authtimeout", "suspended")
SENDINGS = 3
TAKEN = {"taskType", "taskUUID"}
"""All that is said of a task when it is taken; over a socket it may come late, as the answer to a question."""
SOCKET_SCHEMES = ("wss://", "ws://")


class RunwareImageService(JobImageProvider):
    """Runware's picture models."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="runware",
        display_name="Runware",
        description="Many open and closed picture models; every picture's cost is reported.",
        models=MODELS,
        default_model="rundiffusion:130@100",
        priority=10,
        max_concurrency=4,
        options=OPTIONS,
    )
    default_base_url = "https://api.runware.ai"
    finds_lost_jobs = True
    api_hosts = ("runware.ai",)
    base_url_schemes = ("https", "wss")
    result_hosts = ("runware.ai",)

    def __init__(
        self,
        credentials: CredentialsSource = ProviderCredentials,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(lambda: _over_http(credentials()), transport)
        self._as_set = credentials
        self._socket = RunwareSocket()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._socket.aclose()
        await super().aclose()

    async def send(self, call: HttpCall, read_seconds: float = 120.0, read: AnswerReader | None = None) -> HttpAnswer:
        """One task over the transport that the base URL names."""
        if not (self._as_set().base_url or "").startswith(SOCKET_SCHEMES):
            return await super().send(call, read_seconds, read)
        [wanted] = call.json
        url = "ws" + self.base_url().removeprefix("http") + call.path
        return await self._socket.exchange(url, self._credentials().api_key or "", wanted, read_seconds)

    def get_setup_instructions(self) -> str:
        """Where the key comes from and where it goes."""
        return "Create a key at https://my.runware.ai and set RUNWARE_API_KEY, or enter it in the model manager."

    def custom_model(self, model_id: str) -> ImageModel | None:
        """Any AIR id: Runware has hundreds of models, and more each week."""
        return model_like(model_id)

    def estimate(self, request: ImageRequest, model: ImageModel) -> Cost | None:
        """By size, steps, quality and pictures given, from the upper end of prices seen."""
        assert isinstance(model, RunwareModelConfig)
        return Cost(model.price(request), kind=CostKind.ESTIMATED)

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        """One task. A lost answer is asked for; what Runware does not know is sent again under the same id."""
        call = await asyncio.to_thread(self.call_for, request, model, receipt)
        job = receipt.provider_ref or ""
        for sending in range(SENDINGS):
            try:
                self.job_of(await self.pay(call, receipt, model.timeout_seconds))
            except PaidPictureLate:
                raise
            except OutcomeUnknown as error:
                if await self._was_taken(job):
                    break
                if sending + 1 == SENDINGS or error.provider_code is not None:  # told by words or status, not lost
                    raise
                continue
            except ProviderError as error:
                if sending and not isinstance(error, ProviderBadRequest | ProviderRefused):
                    raise self.unknown("it could not be sent a second time") from None
                raise
            break
        with self.taken():
            return await self._finish(job, receipt, model.timeout_seconds)

    async def look_for(self, receipt: Receipt) -> str | None:
        """The task's own id, where Runware knows it."""
        job = receipt.provider_ref
        return job if job and await self._is_known(job) else None

    def has_taken(self, receipt: Receipt) -> bool:
        """The id in the receipt is our own, so nothing shows it."""
        return False

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """The task, under an id that is written into the receipt before it is sent."""
        assert isinstance(model, RunwareModelConfig)
        task_id = task_uuid(receipt.receipt_id)
        receipt.provider_ref = f"{task_id} {request.num_images}"
        return HttpCall("POST", "/v1", json=[task(request, model, task_id)])

    def job_of(self, answer: HttpAnswer) -> str:
        """The task's id, when it was taken, now or before."""
        items, errors = items_of(answer)
        if items:
            return str(items[0].get("taskUUID"))
        if errors and errors[0].get("code") == DUPLICATE:
            return str(errors[0].get("taskUUID"))
        raise self._failure(errors[0], answer) if errors else self.unknown("its answer makes no sense")

    def question_for(self, job: str) -> HttpCall:
        """`getResponse`, which is free. `job` is the task's id and how many pictures it makes."""
        return HttpCall("POST", "/v1", json=[{"taskType": "getResponse", "taskUUID": job.partition(" ")[0]}])

    def is_done(self, answer: HttpAnswer) -> bool:
        """Whether no part of the task is being made any more."""
        if answer.status in (401, 403):
            raise ProviderAuthError("Runware did not accept the key when asked for a picture.", provider_id="runware")
        items, errors = items_of(answer)
        if errors and not items and errors[0].get("code") != DUPLICATE:  # that one is a late answer to the task itself
            raise self._failure(errors[0], None)
        return bool(items) and not any(item.get("status") == "processing" or item.keys() <= TAKEN for item in items)

    async def _last_answer(self, job: str) -> HttpAnswer:
        """Until every picture has come or failed: the list grows while they are made."""
        pause, wanted = self.first_poll_seconds, int(job.partition(" ")[2] or 1)
        while True:
            answer = await self.ask(self.question_for(job))
            if _is_gone(answer) and await self._is_known(job):  # a late answer to an earlier question
                continue
            if self.is_done(answer) and sum(map(len, items_of(answer))) >= wanted:
                return answer
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, self.longest_poll_seconds)

    async def result_of(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """The pictures that were made; those that failed are told in the note."""
        items, errors = items_of(answer)
        done = [item for item in items if isinstance(item.get("imageURL"), str)]
        if not done:
            raise self._failure(errors[0], None) if errors else self.unknown("its answer has no picture in it")
        pictures = [await self.fetch_picture(str(item["imageURL"])) for item in done]
        seeds = [item.get("seed") if isinstance(item.get("seed"), int) else None for item in done]
        return ImageResult(
            images=tuple(GeneratedImage(*pair) for pair in zip(pictures, seeds, strict=True)),
            provider_id="runware",
            model_id=receipt.model_id,
            cost=cost_of(done),
            request_id=(receipt.provider_ref or "").partition(" ")[0] or None,
            note=f"{len(errors)} of the pictures failed: {self._words(errors[0])}" if errors else None,
        )

    def failure_of(self, answer: HttpAnswer) -> ProviderError:
        """By the code of the first error, else by status."""
        _, errors = items_of(answer)
        if errors and errors[0].get("code") == DUPLICATE:
            return self.unknown("it says that it has the task already")
        if errors:
            return self._failure(errors[0], answer)
        return self.failure(answer, f"status {answer.status}", code=str(answer.status))

    async def _was_taken(self, job: str) -> bool:
        with self.taken(certainly=False):
            return await self._is_known(job)

    async def _is_known(self, job: str) -> bool:
        """Whether Runware has the task: asked twice, as a request that was cut off may still be on its way."""
        for attempt in range(2):
            if not _is_gone(await self.ask(self.question_for(job))):
                return True
            await asyncio.sleep(self.pause_seconds * (attempt + 1))
        return False

    def _words(self, error: Mapping[str, Any]) -> str:
        return self.without_key(str(error.get("message") or error.get("code") or "no reason given"))[:500]

    def _failure(self, error: Mapping[str, Any], answer: HttpAnswer | None) -> ProviderError:
        """The typed error. `answer` is that of the submission; None: the task had been accepted."""
        code = str(error.get("code") or "")
        said, low = self._words(error), code.lower()
        task_id = error.get("taskUUID")
        words: dict[str, Any] = {"provider_code": code or "none", "request_id": task_id, "provider_id": "runware"}
        if any(part in low for part in REFUSALS):
            stage = "output" if answer is None else "input_image" if "imageblocked" in low else "prompt"
            return ProviderRefused(f"Runware: {said}", stage=stage, **words)
        if answer is None:  # it had been taken; that a failed task is free is not promised
            return OutcomeUnknown(f"Runware: {said} It may have been billed.", **words)
        if any(part in low for part in MONEY):
            return ProviderQuotaExhausted(f"Runware: {said}", **words)
        if any(part in low for part in KEY):
            return ProviderAuthError(f"Runware: {said} Check the key of Runware.", **words)
        if "ratelimit" in low:
            return ProviderRateLimited(f"Runware: {said}", retry_after=answer.retry_after, **words)
        if any(part in low for part in SERVER):
            return OutcomeUnknown(f"Runware: {said} It may have been billed.", **words)
        return self.failure(answer, said, code or "none", task_id)


def task_uuid(receipt_id: str) -> str:
    """Our id of the task: a version-4 UUID, the same for the same receipt."""
    return str(uuid.UUID(bytes=uuid.UUID(receipt_id).bytes, version=4))


def _over_http(credentials: ProviderCredentials) -> ProviderCredentials:
    """With the address of a WebSocket in the form of its handshake."""
    url = credentials.base_url or ""
    return (
        replace(credentials, base_url="http" + url.removeprefix("ws"))
        if url.startswith(SOCKET_SCHEMES)
        else credentials
    )


def _is_gone(answer: HttpAnswer) -> bool:
    return any(error.get("code") in GONE for error in items_of(answer)[1])


def cost_of(items: Sequence[Mapping[str, Any]]) -> Cost:
    """The sum of the reported costs; unknown when one is missing."""
    try:
        total = sum((Decimal(str(item["cost"])) for item in items), Decimal(0))
    except (KeyError, InvalidOperation):
        return Cost()
    return Cost(format(total, "f"), kind=CostKind.REPORTED) if total.is_finite() and total >= 0 else Cost()


def items_of(answer: HttpAnswer) -> tuple[list[Item], list[Item]]:
    """`data` and `errors` of an answer; both empty where it makes no sense."""
    values = answer.json()
    if not isinstance(values, dict):
        return [], []
    data, errors = values.get("data") or [], values.get("errors") or []
    lists = [value if isinstance(value, list) else [value] for value in (data, errors)]
    return cast("tuple[list[Item], list[Item]]", tuple([v for v in part if isinstance(v, dict)] for part in lists))
