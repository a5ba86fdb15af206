"""Alibaba Cloud's DashScope: Qwen-Image, Wan and Z-Image. An answer with status 200 may be an error: its body decides.

The prompt is not rewritten and no mark is added unless asked for; both are always said. Pictures live for 24 hours on
DashScope's own storage and are fetched at once. Older models of Wan are tasks, whose id is in the receipt at once.
Source of the format: Alibaba Cloud's Model Studio pages, October 2026.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlsplit

from invokeai.app.services.image_providers.dashscope_models import MODELS, DashScopeModel, check, model_like
from invokeai.app.services.image_providers.generation import Cost, CostKind, GeneratedImage, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import HttpImageProvider, data_uri, nothing_empty
from invokeai.app.services.image_providers.image_model import ProviderInfo
from invokeai.app.services.image_providers.job_provider import JobImageProvider
from invokeai.app.services.image_providers.masks import white_mask
from invokeai.app.services.image_providers.picture_addresses import ForeignHost
from invokeai.app.services.image_providers.provider_errors import (
    ProviderAuthError,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
)

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest
    from invokeai.app.services.image_providers.http_provider import AnswerReader
    from invokeai.app.services.image_providers.image_model import ImageModel
    from invokeai.app.services.image_providers.receipts import Receipt

STORAGE = "aliyuncs.com"
SEEDS = 2**31
"""DashScope's seeds have 31 bits, ours 32 and more: the same one of ours always becomes the same one of theirs."""


class AlibabaCloudImageService(JobImageProvider):
    """DashScope's picture endpoints: one that answers with the pictures, and two that take a task."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="alibabacloud",
        display_name="Alibaba Cloud",
        description="Qwen-Image, Wan and Z-Image: pictures with long texts, edits with words.",
        models=MODELS,
        default_model="qwen-image-3.0",
        priority=70,
        max_concurrency=4,
        options=frozenset({"prompt_extend", "watermark"}),
    )
    default_base_url = "https://dashscope-intl.aliyuncs.com"
    api_hosts = ("dashscope.aliyuncs.com", "ap-southeast-1.maas.aliyuncs.com")
    result_hosts = (STORAGE,)

    def get_setup_instructions(self) -> str:
        """Where the key comes from, and what its region means."""
        return (
            "Create a key at https://modelstudio.alibabacloud.com and set DASHSCOPE_API_KEY, or enter it in the "
            "model manager. A key belongs to one region: for another than Singapore, enter that region's base URL "
            "(mainland China: https://dashscope.aliyuncs.com)."
        )

    def base_url(self) -> str:
        """The region's address, without a path."""
        return super().base_url().partition("/api/v1")[0].partition("/compatible-mode")[0]

    def custom_model(self, model_id: str) -> ImageModel | None:
        """Later models of these families, and dated names of those in the list. Prices of others are not known."""
        return model_like(model_id)

    # --- the call --------------------------------------------------------------------------------------------------

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        """At once, or as a task, as the model has it."""
        assert isinstance(model, DashScopeModel)
        if model.is_task:
            return await super().generate(request, model, receipt)
        return await HttpImageProvider.generate(self, request, model, receipt)

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """A message with pictures first, then the words; or a task's input."""
        assert isinstance(model, DashScopeModel)
        check(request, model)
        parameters: dict[str, Any] = {
            "size": f"{request.width}*{request.height}" if model.sized else None,
            "seed": None if request.seed is None else request.seed % SEEDS,
            "prompt_extend": bool(request.options.get("prompt_extend")) if model.extends else None,
            "watermark": bool(request.options.get("watermark")) if model.marks else None,
            "n": request.num_images if model.counts else None,
            "strength": request.strength if request.mode == "img2img" else None,
        }
        given: dict[str, Any] = {"prompt": request.prompt}
        if model.kind == "message":
            parameters["negative_prompt"] = request.negative_prompt or None
            content = [{"image": data_uri(picture)} for picture in request.input_pictures]
            content.append({"text": request.prompt})
            given = {"messages": [{"role": "user", "content": content}]}
        elif model.kind == "words":
            given["negative_prompt"] = request.negative_prompt or None
        else:
            given |= _edit(request)
        body = {"model": model.model_id, "input": nothing_empty(given), "parameters": nothing_empty(parameters)}
        headers = {"X-DashScope-Async": "enable"} if model.is_task else {}
        return HttpCall("POST", model.path, json=body, headers=headers)

    async def pay(
        self, call: HttpCall, receipt: Receipt, seconds: float, read: AnswerReader | None = None
    ) -> HttpAnswer:
        """As ever; an error inside status 200 counts as one."""
        answer = await super().pay(call, receipt, seconds, read)
        values = await asyncio.to_thread(answer.json)
        if isinstance(values, dict) and values.get("code") and not _addresses(values):
            raise self.failure_of(answer)
        return answer

    # --- tasks -----------------------------------------------------------------------------------------------------

    def job_of(self, answer: HttpAnswer) -> str:
        """The task's id."""
        task = _output(answer).get("task_id")
        if not isinstance(task, str):
            raise self.unknown("its answer names no task")
        return task

    def question_for(self, job: str) -> HttpCall:
        """The task by its id."""
        return HttpCall("GET", f"/api/v1/tasks/{quote(job, safe='')}")

    def is_done(self, answer: HttpAnswer) -> bool:
        """By `output.task_status`; a task that failed made and costs nothing."""
        output = _output(answer)
        status = str(output.get("task_status") or "")
        if answer.status in (401, 403):
            raise self.failure_of(answer)
        if status in ("FAILED", "CANCELED"):
            said = {"code": output.get("code") or status, "message": output.get("message") or status}
            words = json.dumps({**said, "request_id": answer.json().get("request_id")}).encode()
            error = self.failure_of(HttpAnswer(answer.status, answer.headers, words))
            raise self._made_nothing(error)
        if status == "UNKNOWN" or answer.status >= 400:
            raise self.unknown("the task is not known there any more")
        return status == "SUCCEEDED"

    def _made_nothing(self, error: ProviderError) -> ProviderError:
        """A task's own failure costs nothing, whatever its words; and it cannot be sent again with another key."""
        if isinstance(error, ProviderRefused | ProviderBadRequest):
            return error
        return ProviderUnavailable(str(error), provider_id=self.info.provider_id, provider_code=error.provider_code)

    async def result_of(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """Pictures from `output.choices[].message.content[].image`, or a task's `output.results[].url`."""
        values = answer.json()
        values = values if isinstance(values, dict) else {}
        addresses, faults = _addresses(values), _faults(values)
        if not addresses and faults:
            words = json.dumps(faults[0]).encode()
            raise self._made_nothing(self.failure_of(HttpAnswer(answer.status, answer.headers, words)))
        if not addresses:
            raise self.unknown("its answer has no picture in it")
        pictures = [GeneratedImage(await self.fetch_picture(address)) for address in addresses]
        model = next((m for m in MODELS if m.model_id == receipt.model_id), None) or model_like(receipt.model_id)
        price = model.price_per_image if model else None
        cost = Cost(str(Decimal(price) * len(pictures)), kind=CostKind.ESTIMATED) if price else Cost()
        said = self.without_key(str(faults[0].get("message") or ""))[:300] if faults else ""
        return ImageResult(
            images=tuple(pictures),
            provider_id=self.info.provider_id,
            model_id=receipt.model_id,
            cost=cost,
            request_id=str(values.get("request_id") or "") or None,
            note=f"{len(faults)} of the pictures failed: {said}" if faults else None,
        )

    def check_result_address(self, url: str) -> None:
        """Of all the storage below that name only DashScope's own: anybody may have some."""
        host = urlsplit(url).hostname or ""
        known = host.startswith("dashscope") or host in self._credentials().result_hosts
        if host.endswith(f".{STORAGE}") and not known:
            raise ForeignHost(host)
        super().check_result_address(url)

    # --- errors ----------------------------------------------------------------------------------------------------

    def failure_of(self, answer: HttpAnswer) -> ProviderError:
        """By `code`, whatever the status; only made pictures are billed, so its own errors cost nothing."""
        values = answer.json()
        values = values if isinstance(values, dict) else {}
        code, said = str(values.get("code") or ""), str(values.get("message") or "")
        low, request_id = code.lower(), str(values.get("request_id") or "") or None
        words: dict[str, Any] = {
            "provider_id": self.info.provider_id,
            "provider_code": code or None,
            "request_id": request_id,
        }
        message = f"{self.info.display_name}: {self.without_key(said)[:500] or code}"
        if "datainspection" in low.replace("_", "") or low == "ipinfringementsuspect":
            return ProviderRefused(message, stage="output" if "output" in said.lower() else "prompt", **words)
        if low.startswith("arrearage") or low == "allocationquota.freetieronly":
            return ProviderQuotaExhausted(message, **words)
        if low.startswith(("throttling", "limitrequests")):
            return ProviderRateLimited(message, retry_after=answer.retry_after, **words)
        if low.startswith(("invalidapikey", "accessdenied", "model.accessdenied", "workspace.accessdenied")):
            remedy = f"Check the key of {self.info.display_name}, and that its region is that of the base URL."
            return ProviderAuthError(f"{message} {remedy}", **words)
        if low.startswith(("invalid", "badrequest", "modelnotfound", "model.notfound", "model not")):
            return ProviderBadRequest(message, **words)
        if low.startswith(("internalerror", "serviceunavailable", "modelserving", "systemerror")):
            return ProviderUnavailable(message, **words)
        return self.failure(answer, said or code, code or None, request_id)


def _output(answer: HttpAnswer) -> Mapping[str, Any]:
    values = answer.json()
    output = values.get("output") if isinstance(values, dict) else None
    return output if isinstance(output, dict) else {}


def _addresses(values: Mapping[str, Any]) -> list[str]:
    """The addresses of the pictures, over https also where DashScope writes its own storage's without."""
    output = values.get("output") or {}
    parts = [
        part.get("image")
        for choice in output.get("choices") or []
        for part in ((choice or {}).get("message") or {}).get("content") or []
        if isinstance(part, dict)
    ]
    parts += [item.get("url") for item in output.get("results") or [] if isinstance(item, dict)]
    return [_with_tls(part) for part in parts if isinstance(part, str)]


def _with_tls(address: str) -> str:
    own = (urlsplit(address).hostname or "").endswith(f".{STORAGE}")
    return f"https{address[4:]}" if own and address.startswith("http:") else address


def _faults(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The pictures of a task that failed while others were made."""
    items = (values.get("output") or {}).get("results") or []
    return [item for item in items if isinstance(item, dict) and item.get("code")]


def _edit(request: ImageRequest) -> dict[str, Any]:
    """What a task takes that changes a picture: all of it by words, or what the mask shows in white."""
    assert request.init_image is not None
    size = (request.width, request.height)
    given = {"function": "description_edit", "base_image_url": data_uri(request.init_image.convert("RGB").resize(size))}
    if request.mask_image is None:
        return given
    mask = data_uri(white_mask(request.mask_image, size))
    return {**given, "function": "description_edit_with_mask", "mask_image_url": mask}
