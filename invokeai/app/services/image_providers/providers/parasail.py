"""Parasail: no picture model of its own is known to work, so only models that the settings name are offered.

Words alone go to the user's own deployment at once. Edits are batches, the one way with pictures that has a known
form: the lines are uploaded, the batch is ordered, and its id is in the receipt, so that it is never ordered again.
Source of the format: Parasail's batch documentation and its own batch package.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from invokeai.app.services.image_providers.capabilities import (
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
)
from invokeai.app.services.image_providers.http_answer import AnswerLost, HttpAnswer, HttpCall, NotSent, json_in
from invokeai.app.services.image_providers.http_provider import HttpImageProvider, base64_png
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.job_provider import JobImageProvider
from invokeai.app.services.image_providers.openai_wire import OpenAiWireProvider, error_in
from invokeai.app.services.image_providers.provider_errors import ProviderBadRequest, ProviderUnavailable

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest, ImageResult
    from invokeai.app.services.image_providers.receipts import Receipt

BATCH_LINES = "application/jsonl"
EDITS = "/v1/images/edits"
ENDED = ("completed", "failed", "expired", "cancelled")
CAPABILITIES = ExternalModelCapabilities(
    modes=["txt2img", "img2img"],
    supports_reference_images=True,
    supports_negative_prompt=False,
    max_images_per_request=4,
    input_image_required_for=["img2img"],
)
PANEL = ExternalModelPanelSchema(
    prompts=[ExternalModelPanelControl(name="reference_images")],
    image=[ExternalModelPanelControl(name="dimensions")],
)


class ParasailImageService(OpenAiWireProvider, JobImageProvider):
    """Parasail's inference host, for models that the user names."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="parasail",
        display_name="Parasail",
        description="Models of one's own deployments; edits as batches, cheap and slow.",
        models=(),
        default_model="",
        priority=95,
        max_concurrency=32,
    )
    default_base_url = "https://api.parasail.io/v1"
    finds_lost_jobs = True
    # the smallest plan has five requests a minute
    first_poll_seconds: ClassVar[float] = 5.0
    longest_poll_seconds: ClassVar[float] = 60.0
    resume_seconds: ClassVar[float] = 30.0

    def get_setup_instructions(self) -> str:
        """What Parasail is good for here, and what is to be set."""
        return (
            "Parasail lists no picture model that is known to work, so none is offered by itself. With a deployment of "
            "your own, create a key at https://saas.parasail.io/keys, set PARASAIL_API_KEY or enter it in the model "
            "manager, and name the deployment's models in the setting provider_models (parasail: [model, …]). "
            "Pictures from words are made at once; edits are batches, which may take up to 24 hours."
        )

    def base_url(self) -> str:
        """The address with the version at its end, whether it was given with it or not."""
        url = super().base_url()
        return url if url.endswith("/v1") else f"{url}/v1"

    def models(self) -> Sequence[ImageModel]:
        """Those that the settings name."""
        return [_model(name) for name in self._credentials().models]

    def default_model(self) -> str:
        """The first of them."""
        return next(iter(self._credentials().models), "")

    def custom_model(self, model_id: str) -> ImageModel | None:
        """Any that the user names: only Parasail knows what is deployed."""
        return _model(model_id) if model_id else None

    # --- one call --------------------------------------------------------------------------------------------------

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        """At once from words alone; with pictures as a batch."""
        if not request.input_pictures:
            return await HttpImageProvider.generate(self, request, model, receipt)
        self.check_key()
        lines = await asyncio.to_thread(_lines, request, model.model_id, receipt.receipt_id)
        file_id = await self._upload(lines, receipt)
        await receipt.sent(json.dumps({"input_file_id": file_id}))
        order = {
            "input_file_id": file_id,
            "endpoint": EDITS,
            "completion_window": "24h",
            "metadata": {"receipt": receipt.receipt_id},
        }
        job = await self.submit(HttpCall("POST", "/batches", json=order), receipt, 120)
        await receipt.sent(job)
        if request.on_progress:
            request.on_progress("Parasail took the batch; it may take up to 24 hours", None, None)
        with self.taken():
            return await self._finish(job, receipt, model.timeout_seconds)

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """Words alone, to the user's own deployment."""
        values = {
            "model": model.model_id,
            "prompt": request.prompt,
            "n": request.num_images,
            "size": f"{request.width}x{request.height}",
            "response_format": "b64_json",
        }
        return HttpCall("POST", "/images/generations", json=values)

    def has_taken(self, receipt: Receipt) -> bool:
        """Where it has named the batch."""
        return "batch" in json.loads(receipt.provider_ref or "{}")

    async def look_for(self, receipt: Receipt) -> str | None:
        """The batch whose file it is, among the last hundred."""
        file_id = json.loads(receipt.provider_ref or "{}").get("input_file_id")
        if file_id is None:
            return None
        answer = await self.ask(HttpCall("GET", "/batches?limit=100"))
        if answer.status in (401, 402, 403):
            raise self.failure_of(answer)
        listed = answer.json().get("data") or []
        return next((_job(batch) for batch in listed if batch.get("input_file_id") == file_id), None)

    # --- batches ---------------------------------------------------------------------------------------------------

    async def _upload(self, lines: bytes, receipt: Receipt) -> str:
        """The id of the uploaded lines: free, and nothing is ordered yet."""
        file = ("file", f"{receipt.receipt_id}.jsonl", lines, BATCH_LINES)
        failed = "Parasail did not take the batch's lines ({}); nothing was ordered."
        try:
            answer = await self.send(HttpCall("POST", "/files", form={"purpose": "batch"}, files=(file,)))
        except (NotSent, AnswerLost) as error:
            raise ProviderUnavailable(failed.format(error), provider_id=self.info.provider_id) from None
        file_id = answer.json().get("id")
        if answer.status >= 500 or (answer.status < 300 and not isinstance(file_id, str)):
            raise ProviderUnavailable(failed.format(f"status {answer.status}"), provider_id=self.info.provider_id)
        if answer.status >= 300:
            raise self.failure_of(answer)
        return str(file_id)

    def job_of(self, answer: HttpAnswer) -> str:
        """The batch's id and its file's."""
        batch = answer.json()
        if not isinstance(batch.get("id"), str):
            raise self.unknown("its answer names no batch")
        return _job(batch)

    def question_for(self, job: str) -> HttpCall:
        """The batch by its id."""
        return HttpCall("GET", f"/batches/{json.loads(job)['batch']}")

    def withdrawal_of(self, job: str) -> HttpCall | None:
        """Lines that are done by then are kept, and come."""
        return HttpCall("POST", f"/batches/{json.loads(job)['batch']}/cancel")

    def is_done(self, answer: HttpAnswer) -> bool:
        """Whether it has ended with lines to read."""
        if answer.status == 404:
            raise self.unknown("the batch is not known there any more")
        if answer.status in (401, 402, 403):
            raise self.failure_of(answer)
        if answer.status != 200:  # it says nothing of the batch, which may be billed and done
            raise self.late(f"asking for the batch was answered with status {answer.status}")
        batch = answer.json()
        status = batch.get("status")
        if status not in ENDED:
            return False
        if batch.get("output_file_id") or batch.get("error_file_id"):
            return True
        if status == "failed":
            said = ((batch.get("errors") or {}).get("data") or [{}])[0].get("message") or "no reason given"
            raise ProviderBadRequest(f"Parasail refused the batch: {said}", provider_id=self.info.provider_id)
        raise self.unknown(f"the batch ended without pictures ({status})")

    async def _last_answer(self, job: str) -> HttpAnswer:
        """The lines of output and errors together: all that pictures and reasons are read from."""
        batch = (await super()._last_answer(job)).json()
        parts = []
        for file_id in filter(None, (batch.get("output_file_id"), batch.get("error_file_id"))):
            answer = await self.ask(HttpCall("GET", f"/files/{file_id}/content"))
            if answer.status != 200:
                raise self.late(f"the lines of the batch could not be fetched (status {answer.status})")
            parts.append(answer.body.strip())
        headers = {"content-type": BATCH_LINES, "x-request-id": str(batch.get("id"))}
        return HttpAnswer(200, headers, b"\n".join(parts))

    async def result_of(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """Pictures of an answer at once, or of a batch's lines, in the order they were asked for."""
        if answer.headers.get("content-type") != BATCH_LINES:
            return await super().result_of(answer, receipt)
        items, status = await asyncio.to_thread(_items_of, answer.body)
        if items and status >= 400 and not any("error" not in item for item in items):
            raise self.failure_of(HttpAnswer(status, answer.headers, json.dumps(items[0]).encode()))
        return await self.result_in({"data": items}, answer, receipt)


def _lines(request: ImageRequest, model_id: str, receipt_id: str) -> bytes:
    """One line a picture. Slow: draws PNG files."""
    pictures = [base64_png(picture) for picture in request.input_pictures]
    body = {
        "model": model_id,
        "prompt": request.prompt,
        "image": pictures[0] if len(pictures) == 1 else pictures,
        "size": f"{request.width}x{request.height}",
        "response_format": "b64_json",
    }
    lines = [
        {"custom_id": f"{receipt_id}-{n:03}", "method": "POST", "url": EDITS, "body": body}
        for n in range(request.num_images)
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _items_of(lines: bytes) -> tuple[list[dict[str, Any]], int]:
    """What an answer at once would have in `data`, by `custom_id`; the status of the first that failed, else 200."""
    found, status = [], 200
    for line in lines.splitlines():
        try:
            value = json_in(line)
            answer = value.get("response") or {}
            told = _item_of(answer.get("body") or {}, value.get("error"))
            found.append((str(value.get("custom_id")), told))
        except (ValueError, AttributeError):
            continue
        if "error" in told and status == 200:
            status = int(answer.get("status_code") or 500)
    return [item for _, item in sorted(found, key=lambda pair: pair[0])], status


def _item_of(body: Mapping[str, Any], error: Any) -> dict[str, Any]:
    data = body.get("data")
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return data[0]
    return {"error": error_in(body) or (error if isinstance(error, dict) else {"message": str(error or "no picture")})}


def _job(batch: Mapping[str, Any]) -> str:
    return json.dumps({"input_file_id": batch.get("input_file_id"), "batch": batch["id"]})


@lru_cache(maxsize=256)
def _model(model_id: str) -> ImageModel:
    return ImageModel(
        model_id=model_id,
        name=model_id,
        description="A deployment of one's own on Parasail. Edits are batches and may take up to 24 hours.",
        capabilities=CAPABILITIES,
        panel_schema=PANEL,
    )
