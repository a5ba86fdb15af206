"""Replicate: FLUX as predictions that are asked for. Each has a deadline on Replicate's own side.

A refusal is a prediction that failed with words; one that was aborted never ran and costs nothing. Cost is told by
nobody. Source of the format: replicate.com/docs (prediction lifecycle, rate limits), model schemas, November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from invokeai.app.services.image_providers.capabilities import (
    ExternalImageSize,
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
)
from invokeai.app.services.image_providers.generation import GeneratedImage, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import data_uri, nothing_empty
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.job_provider import JobImageProvider
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderBadRequest,
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
)

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest
    from invokeai.app.services.image_providers.receipts import Receipt

RUNNING = ("starting", "processing")
REFUSALS = ("nsfw", "safety", "sensitive", "moderation", "flagged")
SEEDS = 2**31
"""The same seed of ours always becomes the same one of theirs."""
DEADLINE = "10m"
SIZES = {
    "1:1": (1024, 1024), "16:9": (1344, 768), "9:16": (768, 1344), "3:2": (1216, 832), "2:3": (832, 1216),
    "4:3": (1152, 896), "3:4": (896, 1152), "21:9": (1536, 640), "9:21": (640, 1536),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ReplicateModelConfig(ImageModel):
    """A model that takes a ratio instead of a size; `most_steps` as its schema has it."""

    most_steps: int


def _model(model_id: str, name: str, description: str, steps: int, *, pictures: bool) -> ReplicateModelConfig:
    return ReplicateModelConfig(
        model_id=model_id,
        name=name,
        description=description,
        most_steps=steps,
        supports_strength=pictures,
        capabilities=ExternalModelCapabilities(
            modes=["txt2img", "img2img"] if pictures else ["txt2img"],
            supports_negative_prompt=False,
            supports_seed=True,
            supports_steps=True,
            supports_guidance=pictures,
            max_images_per_request=4,
            max_image_size=ExternalImageSize(width=1536, height=1536),
            allowed_aspect_ratios=list(SIZES),
            aspect_ratio_sizes={ratio: ExternalImageSize(width=w, height=h) for ratio, (w, h) in SIZES.items()},
            input_image_required_for=["img2img"] if pictures else None,
        ),
        panel_schema=ExternalModelPanelSchema(
            image=[ExternalModelPanelControl(name="dimensions"), ExternalModelPanelControl(name="seed")]
        ),
    )


MODELS = (
    _model("black-forest-labs/flux-schnell", "FLUX.1 Schnell (Replicate)", "Quick drafts.", 4, pictures=False),
    _model("black-forest-labs/flux-dev", "FLUX.1 Dev (Replicate)", "Finer; also from a picture.", 50, pictures=True),
)


class ReplicateImageService(JobImageProvider):
    """Replicate's predictions of official models."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="replicate",
        display_name="Replicate",
        description="FLUX as predictions with a deadline.",
        models=MODELS,
        default_model="black-forest-labs/flux-schnell",
        priority=75,
    )
    default_base_url = "https://api.replicate.com"
    result_hosts = ("replicate.delivery",)

    def get_setup_instructions(self) -> str:
        """Where the key comes from and where it goes."""
        return (
            "Create a token for Replicate at https://replicate.com/account/api-tokens and set REPLICATE_API_TOKEN, "
            "or enter it in the model manager."
        )

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """A prediction of an official model, given up by Replicate itself after the deadline."""
        assert isinstance(model, ReplicateModelConfig)
        _check(request, model)
        values: dict[str, Any] = {
            "prompt": request.prompt,
            "aspect_ratio": next(ratio for ratio, size in SIZES.items() if size == (request.width, request.height)),
            "num_outputs": request.num_images,
            "output_format": "png",
            "seed": None if request.seed is None else request.seed % SEEDS,
            "num_inference_steps": request.steps,
            "guidance": request.guidance,
        }
        if request.init_image is not None:
            values |= {"image": data_uri(request.init_image), "prompt_strength": request.strength}
        path = f"/v1/models/{model.model_id}/predictions"
        return HttpCall("POST", path, json={"input": nothing_empty(values)}, headers={"Cancel-After": DEADLINE})

    def job_of(self, answer: HttpAnswer) -> str:
        """The address that Replicate names for asking."""
        urls = _values(answer).get("urls")
        if not isinstance(urls, dict) or not isinstance(urls.get("get"), str):
            raise self.unknown("its answer names no prediction")
        return str(urls["get"])

    def question_for(self, job: str) -> HttpCall:
        """Ask at that address."""
        return HttpCall("GET", job)

    def is_done(self, answer: HttpAnswer) -> bool:
        """Whether the prediction succeeded; it may have ended otherwise."""
        if answer.status != 200:
            raise self.failure_of(answer)
        values = _values(answer)
        status = values.get("status")
        if status == "succeeded":
            return True
        if status in RUNNING or status is None:
            return False
        said = self.without_key(str(values.get("error") or status))[:500]
        words: dict[str, Any] = {"provider_code": str(status), "request_id": str(values.get("id") or "") or None}
        if any(part in said.lower() for part in REFUSALS):
            raise ProviderRefused(f"Replicate: {said}", stage="output", provider_id="replicate", **words)
        if status == "aborted":
            raise ProviderUnavailable(f"Replicate never started it: {said}.", provider_id="replicate", **words)
        raise OutcomeUnknown(f"Replicate: {said}. Its time may have been billed.", provider_id="replicate", **words)

    async def result_of(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """The pictures; their addresses last for an hour."""
        values = _values(answer)
        output = values.get("output")
        addresses = [output] if isinstance(output, str) else output if isinstance(output, list) else []
        pictures = [await self.fetch_picture(address) for address in addresses if isinstance(address, str)]
        if not pictures:
            raise self.unknown("its answer has no picture in it")
        return ImageResult(
            images=tuple(GeneratedImage(picture) for picture in pictures),
            provider_id="replicate",
            model_id=receipt.model_id,
            request_id=str(values.get("id") or "") or None,
        )

    def failure_of(self, answer: HttpAnswer) -> ProviderError:
        """By status; a limit tells in its words how long to wait."""
        values = _values(answer)
        said = str(values.get("detail") or values.get("title") or "")
        error = self.failure(answer, said, code=str(values.get("title") or answer.status))
        seconds = re.search(r"resets in ~?(\d+(?:\.\d+)?)s", said)
        if isinstance(error, ProviderRateLimited) and error.retry_after is None and seconds:
            error.retry_after = float(seconds[1])
        return error


def _values(answer: HttpAnswer) -> Mapping[str, Any]:
    values = answer.json()
    return values if isinstance(values, dict) else {}


def _check(request: ImageRequest, model: ReplicateModelConfig) -> None:
    faults = []
    if (request.width, request.height) not in SIZES.values():
        sizes = ", ".join(f"{width}×{height}" for width, height in SIZES.values())
        faults.append(f"its sizes are {sizes}, not {request.width}×{request.height}")
    if request.steps is not None and not 1 <= request.steps <= model.most_steps:
        faults.append(f"its steps are from 1 to {model.most_steps}")
    if request.guidance is not None and not 0 <= request.guidance <= 10:
        faults.append("its guidance is from 0 to 10")
    if faults:
        raise ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id="replicate")
