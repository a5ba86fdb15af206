"""fal: FLUX and Z-Image through its queue. The queue's addresses are used as they come, the key only on fal's hosts.

A run that failed is COMPLETED as well, so an answer is read before it is believed; fal repeats a runner's fault itself,
so nothing is submitted twice. Source of the format: docs.fal.ai (queue, errors, prices per model), November 2026.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from invokeai.app.services.image_providers.capabilities import (
    ExternalImageSize,
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
)
from invokeai.app.services.image_providers.generation import Cost, CostKind, GeneratedImage, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import nothing_empty
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.job_provider import JobImageProvider
from invokeai.app.services.image_providers.picture_addresses import UnsafePicture, check_address
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRefused,
)

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest
    from invokeai.app.services.image_providers.receipts import Receipt

MEGAPIXEL = 1_000_000
SEEDS = 2**31
"""The same seed of ours always becomes the same one of theirs."""
REFUSED = "content_policy_violation"


@dataclass(frozen=True, kw_only=True)
class FalModelConfig(ImageModel):
    """`per_megapixel`: US dollars of November 2026, each picture's begun megapixels; `most_steps` as fal has it."""

    per_megapixel: str
    most_steps: int


def _model(model_id: str, name: str, description: str, price: str, steps: int, *, guidance: bool) -> FalModelConfig:
    return FalModelConfig(
        model_id=model_id,
        name=name,
        description=description,
        per_megapixel=price,
        most_steps=steps,
        min_side=256,
        capabilities=ExternalModelCapabilities(
            modes=["txt2img"],
            supports_negative_prompt=False,
            supports_seed=True,
            supports_steps=True,
            supports_guidance=guidance,
            max_images_per_request=4,
            max_image_size=ExternalImageSize(width=2048, height=2048),
        ),
        panel_schema=ExternalModelPanelSchema(
            image=[ExternalModelPanelControl(name="dimensions"), ExternalModelPanelControl(name="seed")]
        ),
    )


MODELS = (
    _model("fal-ai/flux/schnell", "FLUX.1 Schnell (fal)", "Quick and cheap.", "0.003", 12, guidance=True),
    _model("fal-ai/flux/dev", "FLUX.1 Dev (fal)", "Finer, with more steps.", "0.025", 50, guidance=True),
    _model("fal-ai/z-image/turbo", "Z-Image Turbo (fal)", "Small and fast; photographs.", "0.005", 8, guidance=False),
)


class FalImageService(JobImageProvider):
    """`POST /{model}`, then the status address, then the response address."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="fal",
        display_name="fal",
        description="Open models on quick machines, through fal's queue.",
        models=MODELS,
        default_model="fal-ai/flux/schnell",
        priority=65,
    )
    default_base_url = "https://queue.fal.run"
    api_hosts = ("fal.run",)
    result_hosts = ("fal.media",)

    def get_setup_instructions(self) -> str:
        """Where the key comes from and where it goes."""
        return "Create a key at https://fal.ai/dashboard/keys and set FAL_KEY, or enter it in the model manager."

    def key_headers(self, key: str) -> dict[str, str]:
        """A scheme of their own."""
        return {"Authorization": f"Key {key}"}

    def estimate(self, request: ImageRequest, model: ImageModel) -> Cost | None:
        """By the megapixels begun."""
        assert isinstance(model, FalModelConfig)
        return _cost(model, [(request.width, request.height)] * request.num_images)

    # --- the job ---------------------------------------------------------------------------------------------------

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """The model's input, as the body itself."""
        assert isinstance(model, FalModelConfig)
        if request.steps is not None and not 1 <= request.steps <= model.most_steps:
            message = f"{model.name} cannot do this: its steps are from 1 to {model.most_steps}, not {request.steps}."
            raise ProviderBadRequest(message, provider_id=self.info.provider_id)
        body = {
            "prompt": request.prompt,
            "image_size": {"width": request.width, "height": request.height},
            "num_images": request.num_images,
            "seed": None if request.seed is None else request.seed % SEEDS,
            "num_inference_steps": request.steps,
            "guidance_scale": request.guidance,
            "output_format": "png",
        }
        return HttpCall("POST", f"/{model.model_id}", json=nothing_empty(body))

    def job_of(self, answer: HttpAnswer) -> str:
        """JSON with the addresses: they leave out a part of the model's name, so nobody can make them up."""
        values = _values(answer)
        names = ("request_id", "status_url", "response_url")
        if not all(isinstance(values.get(name), str) for name in names):
            raise self.unknown("its answer names no job")
        try:
            for name in names[1:]:
                check_address(values[name], self.api_hosts, self.base_url())
        except UnsafePicture as error:
            raise self.unknown(f"it named an address for asking that is not its own ({error})") from None
        return json.dumps({name: values[name] for name in names})

    def question_for(self, job: str) -> HttpCall:
        """The address as it was given."""
        return HttpCall("GET", str(json.loads(job)["status_url"]))

    def is_done(self, answer: HttpAnswer) -> bool:
        """By `status`; a failed run says so beside it."""
        values = _values(answer)
        if answer.status not in (200, 202):
            raise self._lost_job(answer)
        if values.get("status") == "COMPLETED" and values.get("error"):
            raise self._failed(str(values["error"]), str(values.get("error_type") or ""), answer)
        return values.get("status") == "COMPLETED"

    async def _last_answer(self, job: str) -> HttpAnswer:
        await super()._last_answer(job)
        answer = await self.ask(HttpCall("GET", str(json.loads(job)["response_url"])))
        if answer.status != 200:
            raise self._lost_job(answer)
        return answer

    async def result_of(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """`images[].url`; what the safety checker blackened is no picture."""
        values = _values(answer)
        found = [image for image in values.get("images") or [] if isinstance(image, dict) and image.get("url")]
        if not found:
            raise self.unknown("its answer has no picture in it")
        flags = [bool(flag) for flag in values.get("has_nsfw_concepts") or []]
        good = [image for image, flag in zip(found, flags + [False] * len(found), strict=False) if not flag]
        if not good:
            message = "fal's safety checker blackened the picture (has_nsfw_concepts)."
            raise ProviderRefused(message, stage="output", provider_id=self.info.provider_id)
        seed, seed_of = values.get("seed"), None
        if isinstance(seed, int) and len(found) == 1:
            seed_of = seed
        pictures = [GeneratedImage(await self.fetch_picture(str(image["url"])), seed=seed_of) for image in good]
        model = next((model for model in MODELS if model.model_id == receipt.model_id), None)
        sizes = [(image.get("width"), image.get("height")) for image in found]
        blackened = len(found) - len(good)
        return ImageResult(
            images=tuple(pictures),
            provider_id=self.info.provider_id,
            model_id=receipt.model_id,
            cost=_cost(model, sizes) if model else Cost(),
            request_id=json.loads(receipt.provider_ref or "{}").get("request_id"),
            note=f"fal's safety checker blackened {blackened} of {len(found)} pictures." if blackened else None,
        )

    # --- errors ----------------------------------------------------------------------------------------------------

    def failure_of(self, answer: HttpAnswer) -> ProviderError:
        """By `type`, not by words, where there is one."""
        said, kind = _said(answer)
        if kind == REFUSED:
            return self._failed(said, kind, answer)
        if answer.status == 403 and "balance" in said.lower():
            message = f"fal: {self.without_key(said)[:500]}"
            return ProviderQuotaExhausted(message, provider_id=self.info.provider_id, provider_code=kind or None)
        return self.failure(answer, said, kind or None, answer.headers.get("x-fal-request-id"))

    def _lost_job(self, answer: HttpAnswer) -> ProviderError:
        """What is wrong with an answer about a job that was taken."""
        said, kind = _said(answer)
        if answer.status in (401, 403):
            return self.failure_of(answer)
        return self._failed(said or f"status {answer.status}", kind, answer)

    def _failed(self, said: str, kind: str, answer: HttpAnswer) -> ProviderError:
        message = f"fal: {self.without_key(said)[:500]}"
        words: dict[str, Any] = {"provider_id": self.info.provider_id, "provider_code": kind or None}
        if kind == REFUSED:
            return ProviderRefused(message, **words)
        again = " fal says that it may be tried again." if answer.headers.get("x-fal-retryable") == "true" else ""
        return OutcomeUnknown(f"{message}{again} It may have been billed.", **words)


def _said(answer: HttpAnswer) -> tuple[str, str]:
    """The words and the type of an error."""
    detail = _values(answer).get("detail")
    kind = answer.headers.get("x-fal-error-type", "")
    if isinstance(detail, list):
        parts = [part for part in detail if isinstance(part, dict)]
        kinds = [str(part.get("type") or "") for part in parts]
        said = "; ".join(f"{'.'.join(map(str, p.get('loc') or []))}: {p.get('msg')}" for p in parts)
        return said, REFUSED if REFUSED in kinds else kind or next(iter(kinds), "")
    return str(detail or ""), kind


def _values(answer: HttpAnswer) -> Mapping[str, Any]:
    values = answer.json()
    return values if isinstance(values, dict) else {}


def _cost(model: FalModelConfig, sizes: list[tuple[Any, Any]]) -> Cost:
    """By the megapixels begun of each picture; unknown where a size is."""
    if not all(isinstance(side, int) and side > 0 for size in sizes for side in size):
        return Cost()
    begun = sum(-(-width * height // MEGAPIXEL) for width, height in sizes)
    return Cost(str(Decimal(model.per_megapixel) * begun), kind=CostKind.ESTIMATED)
