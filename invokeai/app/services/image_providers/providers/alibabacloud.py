"""Alibaba Cloud's DashScope: Qwen-Image and Z-Image. An answer with status 200 may be an error, so its body decides.

The prompt is not rewritten and no mark is added unless asked for; both are always said. Pictures live for 24 hours on
DashScope's own storage and are fetched at once. Source of the format: Alibaba Cloud's Model Studio pages, October 2026.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from invokeai.app.services.image_providers.capabilities import (
    ExternalImageSize,
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
)
from invokeai.app.services.image_providers.generation import Cost, CostKind, GeneratedImage, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import HttpImageProvider, data_uri, nothing_empty
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.picture_addresses import UnsafePicture
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
    from invokeai.app.services.image_providers.receipts import Receipt

PATH = "/api/v1/services/aigc/multimodal-generation/generation"
STORAGE = "aliyuncs.com"
LEAST_PIXELS, MOST_PIXELS = 512 * 512, 2048 * 2048
LONGEST_NEGATIVE = 500
SEEDS = 2**31
"""DashScope's seeds have 31 bits, ours 32 and more: the same one of ours always becomes the same one of theirs."""


@dataclass(frozen=True, kw_only=True)
class DashScopeModel(ImageModel):
    """`rewrites`: takes `prompt_extend`, `watermark`, `n` and a negative prompt; prices are of November 2026."""

    rewrites: bool = True


QWEN = ExternalModelCapabilities(
    modes=["txt2img", "img2img"],
    supports_reference_images=True,
    supports_negative_prompt=True,
    supports_seed=True,
    max_images_per_request=6,
    max_image_size=ExternalImageSize(width=4096, height=4096),
    max_reference_images=3,
    input_image_required_for=["img2img"],
)
Z_IMAGE = ExternalModelCapabilities(
    modes=["txt2img"],
    supports_negative_prompt=False,
    supports_seed=True,
    max_images_per_request=1,
    max_image_size=QWEN.max_image_size,
)
DIMENSIONS_AND_SEED = [ExternalModelPanelControl(name="dimensions"), ExternalModelPanelControl(name="seed")]
PANEL = ExternalModelPanelSchema(
    prompts=[ExternalModelPanelControl(name="reference_images")], image=DIMENSIONS_AND_SEED
)
MODELS = (
    DashScopeModel(
        model_id="qwen-image-3.0",
        name="Qwen-Image 3.0",
        description="Draws and edits; long texts in many scripts.",
        capabilities=QWEN,
        panel_schema=PANEL,
        price_per_image="0.03",
    ),
    DashScopeModel(
        model_id="qwen-image-2.0-pro",
        name="Qwen-Image 2.0 Pro",
        description="The finer one of its family; draws and edits.",
        capabilities=QWEN,
        panel_schema=PANEL,
        price_per_image="0.075",
    ),
    DashScopeModel(
        model_id="qwen-image-2.0",
        name="Qwen-Image 2.0",
        description="The faster one of its family; draws and edits.",
        capabilities=QWEN,
        panel_schema=PANEL,
        price_per_image="0.035",
    ),
    DashScopeModel(
        model_id="z-image-turbo",
        name="Z-Image Turbo",
        description="Small and fast; photographs.",
        capabilities=Z_IMAGE,
        panel_schema=ExternalModelPanelSchema(image=DIMENSIONS_AND_SEED),
        price_per_image="0.015",
        rewrites=False,
    ),
)


class AlibabaCloudImageService(HttpImageProvider):
    """DashScope's synchronous picture endpoint."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="alibabacloud",
        display_name="Alibaba Cloud",
        description="Qwen-Image and Z-Image: pictures with long texts, edits with words.",
        models=MODELS,
        default_model="qwen-image-3.0",
        priority=70,
        max_concurrency=4,
        options=frozenset({"prompt_extend", "watermark"}),
    )
    default_base_url = "https://dashscope-intl.aliyuncs.com"
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
        known = next((model for model in MODELS if model_id.startswith(f"{model.model_id}-20")), None)
        if known is not None:
            return replace(known, model_id=model_id, name=model_id)
        family = {"qwen-image-": MODELS[0], "z-image-": MODELS[-1]}
        like = next((model for prefix, model in family.items() if model_id.startswith(prefix)), None)
        return replace(like, model_id=model_id, name=model_id, price_per_image=None) if like else None

    # --- the call --------------------------------------------------------------------------------------------------

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """One message: pictures first, then the words."""
        assert isinstance(model, DashScopeModel)
        _check(request, model)
        pictures = [p for p in (request.init_image, *request.reference_images) if p is not None]
        content = [{"image": data_uri(picture)} for picture in pictures] + [{"text": request.prompt}]
        parameters: dict[str, Any] = {
            "size": f"{request.width}*{request.height}",
            "seed": None if request.seed is None else request.seed % SEEDS,
            "prompt_extend": bool(request.options.get("prompt_extend")),
        }
        if model.rewrites:
            parameters |= {
                "n": request.num_images,
                "negative_prompt": request.negative_prompt or None,
                "watermark": bool(request.options.get("watermark")),
            }
        body = {
            "model": model.model_id,
            "input": {"messages": [{"role": "user", "content": content}]},
            "parameters": nothing_empty(parameters),
        }
        return HttpCall("POST", PATH, json=body)

    async def pay(
        self, call: HttpCall, receipt: Receipt, seconds: float, read: AnswerReader | None = None
    ) -> HttpAnswer:
        """As ever; an error inside status 200 counts as one."""
        answer = await super().pay(call, receipt, seconds, read)
        values = await asyncio.to_thread(answer.json)
        if isinstance(values, dict) and values.get("code") and not _addresses(values):
            raise self.failure_of(answer)
        return answer

    async def result_of(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """Pictures from `output.choices[].message.content[].image`."""
        values = answer.json()
        addresses = _addresses(values) if isinstance(values, dict) else []
        if not addresses:
            raise self.unknown("its answer has no picture in it")
        pictures = [GeneratedImage(await self.fetch_picture(address)) for address in addresses]
        model = next((m for m in (*MODELS, self.custom_model(receipt.model_id)) if m and _is(m, receipt)), None)
        price = model.price_per_image if model else None
        cost = Cost(str(Decimal(price) * len(pictures)), kind=CostKind.ESTIMATED) if price else Cost()
        return ImageResult(
            images=tuple(pictures),
            provider_id=self.info.provider_id,
            model_id=receipt.model_id,
            cost=cost,
            request_id=str(values.get("request_id") or "") or None,
        )

    def check_result_address(self, url: str) -> None:
        """Of all the storage below that name only DashScope's own: anybody may have some."""
        host = urlsplit(url).hostname or ""
        if host.endswith(f".{STORAGE}") and not host.startswith("dashscope"):
            raise UnsafePicture(f"{host} is not DashScope's storage")
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


def _check(request: ImageRequest, model: DashScopeModel) -> None:
    faults, pixels = [], request.width * request.height
    if not LEAST_PIXELS <= pixels <= MOST_PIXELS:
        faults.append(f"it makes from 512×512 to 2048×2048 pixels in all, not {request.width}×{request.height}")
    if len(request.negative_prompt or "") > LONGEST_NEGATIVE:
        faults.append(f"a negative prompt has at most {LONGEST_NEGATIVE} characters")
    if len(request.reference_images) + (request.init_image is not None) > 3:
        faults.append("it takes at most 3 pictures")
    for option in ("prompt_extend", "watermark"):
        if request.options.get(option) and not model.rewrites:
            faults.append(f"it is used without {option}")
    if faults:
        raise ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id="alibabacloud")


def _addresses(values: Mapping[str, Any]) -> list[str]:
    """The addresses of the pictures, over https also where DashScope writes its own storage's without."""
    found = []
    for choice in ((values.get("output") or {}).get("choices")) or []:
        for part in ((choice or {}).get("message") or {}).get("content") or []:
            address = part.get("image") if isinstance(part, dict) else None
            if isinstance(address, str):
                own = (urlsplit(address).hostname or "").endswith(f".{STORAGE}")
                found.append(f"https{address[4:]}" if own and address.startswith("http:") else address)
    return found


def _is(model: ImageModel, receipt: Receipt) -> bool:
    return model.model_id == receipt.model_id
