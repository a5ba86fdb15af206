"""Replicate: FLUX as predictions that are asked for. Each has a deadline on Replicate's own side.

A refusal is a prediction that failed with words; one that was aborted never ran and costs nothing. One whose answer was
lost is looked for among the last ones, by model and all of its input. No answer tells a cost, so it is the list's. The
safety checker stays on and tolerance is the models' own default, said in every request; options change both. Source of
the format: replicate.com/docs (prediction lifecycle, rate limits, list), model schemas, November 2026.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from invokeai.app.services.image_providers.generation import Cost, CostKind, GeneratedImage, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import data_uri, nothing_empty
from invokeai.app.services.image_providers.image_model import ProviderInfo
from invokeai.app.services.image_providers.job_provider import JobImageProvider
from invokeai.app.services.image_providers.masks import white_mask
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderBadRequest,
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.replicate_models import MODELS, SIZES, ReplicateModelConfig

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest
    from invokeai.app.services.image_providers.image_model import ImageModel
    from invokeai.app.services.image_providers.receipts import Receipt

RUNNING = ("starting", "processing")
REFUSALS = ("nsfw", "safety", "sensitive", "moderation", "flagged")
SEEDS = 2**31
"""The same seed of ours always becomes the same one of theirs."""
DEADLINE = "10m"
CLOCKS_APART = timedelta(minutes=2)
TOLERANT_OF_PICTURES = 2
"""More is not allowed where pictures are given."""


class ReplicateImageService(JobImageProvider):
    """Replicate's predictions of official models."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="replicate",
        display_name="Replicate",
        description="FLUX as predictions with a deadline: drawing, edits, masks.",
        models=MODELS,
        default_model="black-forest-labs/flux-schnell",
        priority=75,
        options=frozenset({"disable_safety_checker", "safety_tolerance"}),
    )
    default_base_url = "https://api.replicate.com"
    finds_lost_jobs = True
    result_hosts = ("replicate.delivery",)

    def get_setup_instructions(self) -> str:
        """Where the key comes from and where it goes."""
        return (
            "Create a token for Replicate at https://replicate.com/account/api-tokens and set REPLICATE_API_TOKEN, "
            "or enter it in the model manager."
        )

    def estimate(self, request: ImageRequest, model: ImageModel) -> Cost | None:
        """By the list."""
        assert isinstance(model, ReplicateModelConfig)
        return Cost(model.cost(request), kind=CostKind.ESTIMATED)

    def has_taken(self, receipt: Receipt) -> bool:
        """Where it has named the prediction's address."""
        return "get" in json.loads(receipt.provider_ref or "{}")

    async def look_for(self, receipt: Receipt) -> str | None:
        """The prediction that was sent, among the last hundred; Replicate keeps inputs for an hour.

        With a seed of the user's own, a prediction of theirs with just the same input may be found: so is its picture.
        """
        known = json.loads(receipt.provider_ref or "{}")
        if "input" not in known:
            return None
        answer = await self.ask(HttpCall("GET", "/v1/predictions"))
        if answer.status in (401, 402, 403):
            raise self.failure_of(answer)
        listed = _values(answer).get("results") if answer.status == 200 else None
        earliest = datetime.fromisoformat(known["since"]) - CLOCKS_APART
        for item in (item for item in listed or [] if isinstance(item, dict)):
            given, urls = item.get("input") or {}, item.get("urls") or {}
            same = item.get("model") == receipt.model_id and _created(item) >= earliest
            if same and all(_digest(given.get(name)) == digest for name, digest in known["input"].items()):
                return json.dumps({**known, **_addresses(urls)}) if isinstance(urls.get("get"), str) else None
        return None

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """A prediction of an official model, given up by Replicate itself after the deadline."""
        assert isinstance(model, ReplicateModelConfig)
        _check(request, model)
        if model.work is not None:
            return self._work_call(request, model, receipt)
        seed = _own_seed(receipt) if request.seed is None else request.seed % SEEDS
        values: dict[str, Any] = {
            **model.fixed,
            **request.options,
            "prompt": request.prompt,
            "num_outputs": request.num_images if model.capabilities.max_images_per_request != 1 else None,
            "output_format": "png",
            "seed": seed,
            "num_inference_steps": request.steps,
            "guidance": request.guidance,
            **_size(request, model),
            **_pictures(request, model),
        }
        return self._noted_call(nothing_empty(values), request, model, receipt)

    def _work_call(self, request: ImageRequest, model: ReplicateModelConfig, receipt: Receipt) -> HttpCall:
        """A prediction without words and seed."""
        assert model.work is not None and request.init_image is not None
        mode = "RGBA" if request.init_image.has_transparency_data else "RGB"
        values: dict[str, Any] = {**model.fixed, model.pictures: data_uri(request.init_image.convert(mode))}
        if request.mode == "upscale":
            values["scale"] = request.scale or model.work.usual_scale
        return self._noted_call(values, request, model, receipt)

    def _noted_call(
        self, values: Mapping[str, Any], request: ImageRequest, model: ReplicateModelConfig, receipt: Receipt
    ) -> HttpCall:
        """The call with that input, and in the receipt what the prediction is told from all others by."""
        known = {"seed": values.get("seed"), "since": datetime.now(UTC).isoformat(), "cost": model.cost(request)}
        known["input"] = {name: _digest(value) for name, value in values.items()}
        receipt.provider_ref = json.dumps(known)
        path = f"/v1/models/{model.model_id}/predictions"
        return HttpCall("POST", path, json={"input": values}, headers={"Cancel-After": DEADLINE})

    def job_of(self, answer: HttpAnswer) -> str:
        """JSON with the addresses that Replicate names."""
        urls = _values(answer).get("urls")
        if not isinstance(urls, dict) or not isinstance(urls.get("get"), str):
            raise self.unknown("its answer names no prediction")
        return json.dumps(_addresses(urls))

    def noted(self, job: str, request: ImageRequest, model: ImageModel, receipt: Receipt) -> str:
        """With the price of the list and the seed, as they were noted before it was sent."""
        return json.dumps({**json.loads(receipt.provider_ref or "{}"), **json.loads(job)})

    def question_for(self, job: str) -> HttpCall:
        """Ask at that address."""
        return HttpCall("GET", str(json.loads(job)["get"]))

    def withdrawal_of(self, job: str) -> HttpCall | None:
        """What has not started is free then; the time of what has is billed."""
        address = json.loads(job).get("cancel")
        return HttpCall("POST", address) if address else None

    def is_done(self, answer: HttpAnswer) -> bool:
        """Whether the prediction succeeded; it may have ended otherwise."""
        if answer.status in (401, 402, 403):
            raise self.failure_of(answer)
        if answer.status != 200:
            raise self.unknown("the prediction is not known there any more")
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
        known = json.loads(receipt.provider_ref or "{}")
        price, seed = known.get("cost"), known.get("seed") if len(pictures) == 1 else None
        return ImageResult(
            images=tuple(GeneratedImage(picture, seed=seed) for picture in pictures),
            provider_id="replicate",
            model_id=receipt.model_id,
            cost=Cost(str(price), kind=CostKind.ESTIMATED) if price else Cost(),
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


def _own_seed(receipt: Receipt) -> int:
    """A seed for a request without one, by which its prediction can be told from others."""
    return int(hashlib.sha256(receipt.receipt_id.encode()).hexdigest()[:8], 16) % SEEDS


def _digest(value: Any) -> str:
    """Of one value of an input: a number is the same with and without a point in it."""
    plain = float(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:16]


def _addresses(urls: Mapping[str, Any]) -> dict[str, str]:
    """Where a prediction is asked for, and where it is canceled."""
    return {name: urls[name] for name in ("get", "cancel") if isinstance(urls.get(name), str)}


def _created(item: Mapping[str, Any]) -> datetime:
    try:
        created = datetime.fromisoformat(str(item.get("created_at")))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return created if created.tzinfo else created.replace(tzinfo=UTC)


def _values(answer: HttpAnswer) -> Mapping[str, Any]:
    values = answer.json()
    return values if isinstance(values, dict) else {}


def _size(request: ImageRequest, model: ReplicateModelConfig) -> dict[str, Any]:
    size = (request.width, request.height)
    if model.size == "pixels":
        return {"aspect_ratio": "custom", "width": size[0], "height": size[1]}
    return (
        {"aspect_ratio": next(name for name, known in SIZES.items() if known == size)} if model.size == "ratio" else {}
    )


def _pictures(request: ImageRequest, model: ReplicateModelConfig) -> dict[str, Any]:
    """The pictures as data URIs; one that is changed, and its mask, have the size asked for."""
    size = (request.width, request.height)
    initial = request.init_image.convert("RGB").resize(size) if request.init_image is not None else None
    given = [data_uri(picture) for picture in (initial, *request.reference_images) if picture is not None]
    if not given:
        return {}
    values: dict[str, Any] = {model.pictures: given if model.pictures == "input_images" else given[0]}
    if request.mask_image is not None:
        return values | {"mask": data_uri(white_mask(request.mask_image, size))}
    return values | ({"prompt_strength": request.strength} if model.supports_strength else {})


def _check(request: ImageRequest, model: ReplicateModelConfig) -> None:
    faults = [*_size_faults(request, model), *_option_faults(request, model)]
    for name, value, limits in (("steps", request.steps, model.steps), ("guidance", request.guidance, model.guidance)):
        if value is not None and limits and not limits[0] <= value <= limits[1]:
            faults.append(f"its {name} is from {limits[0]:g} to {limits[1]:g}, not {value:g}")
    most = model.capabilities.max_reference_images
    if most and len(request.input_pictures) > most:
        faults.append(f"it takes at most {most} pictures with the initial one")
    if faults:
        raise ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id="replicate")


def _size_faults(request: ImageRequest, model: ReplicateModelConfig) -> list[str]:
    width, height = request.width, request.height
    if model.size == "ratio" and (width, height) not in SIZES.values():
        sizes = ", ".join(f"{across}×{down}" for across, down in SIZES.values())
        return [f"its sizes are {sizes}, not {width}×{height}"]
    if width % model.step or height % model.step:
        return [f"its sides are multiples of {model.step}, and {width}×{height} has another"]
    return []


def _option_faults(request: ImageRequest, model: ReplicateModelConfig) -> list[str]:
    faults = [f"it has no {name}" for name in request.options if name not in model.fixed]
    tolerance = request.options.get("safety_tolerance")
    given = request.init_image is not None or bool(request.reference_images)
    most = TOLERANT_OF_PICTURES if given and model.pictures == "input_image" else model.most_tolerant
    if tolerance is not None and not (type(tolerance) is int and 1 <= tolerance <= most):
        faults.append(f"its safety_tolerance is a whole number from 1 to {most}")
    return faults
