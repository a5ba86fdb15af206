"""fal: FLUX, Z-Image and Juggernaut through its queue. Addresses are used as they come, the key on fal's hosts only.

What fal would decide by itself is said: its safety checker stays on and its tolerance in moderation is its own default
(options change both), nothing is accelerated at the cost of quality, and no prompt is rewritten. A run that failed is
COMPLETED as well, so an answer is read before it is believed; fal repeats a runner's fault itself, so nothing is
submitted twice. Source of the format: docs.fal.ai (queue, errors, each model's llms.txt), November 2026.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from invokeai.app.services.image_providers.aspect_ratios import ratio_near
from invokeai.app.services.image_providers.fal_models import MODELS, RATIOS, FalEndpoint, FalModelConfig
from invokeai.app.services.image_providers.generation import Cost, CostKind, GeneratedImage, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import data_uri, nothing_empty
from invokeai.app.services.image_providers.image_model import ProviderInfo
from invokeai.app.services.image_providers.job_provider import JobImageProvider
from invokeai.app.services.image_providers.masks import white_mask
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
    from invokeai.app.services.image_providers.image_model import ImageModel
    from invokeai.app.services.image_providers.receipts import Receipt

SEEDS = 2**31
"""The same seed of ours always becomes the same one of theirs."""
REFUSED = "content_policy_violation"
TOLERANCE, MOST_TOLERANT = 2, 6
LEAST_STRENGTH = 0.01
ACCELERATIONS = ("none", "regular", "high")


class FalImageService(JobImageProvider):
    """`POST /{model}`, then the status address, then the response address."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="fal",
        display_name="fal",
        description="Open models on quick machines, through fal's queue.",
        models=MODELS,
        default_model="fal-ai/flux/schnell",
        priority=65,
        options=frozenset({"enable_safety_checker", "safety_tolerance", "acceleration"}),
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
        """By picture, or by the megapixels begun, of the address that would do it."""
        assert isinstance(model, FalModelConfig)
        return Cost(model.endpoint(request).cost(request), kind=CostKind.ESTIMATED)

    # --- the job ---------------------------------------------------------------------------------------------------

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """The input of the address that does this, as the body itself."""
        assert isinstance(model, FalModelConfig)
        end = model.endpoint(request)
        _check(request, model, end)
        if model.work is not None:
            return HttpCall("POST", f"/{end.path}", json=nothing_empty(_work_body(request, model, end)))
        body = {
            "prompt": request.prompt,
            "num_images": request.num_images,
            "seed": None if request.seed is None else request.seed % SEEDS,
            "num_inference_steps": request.steps,
            "guidance_scale": request.guidance,
            "output_format": "png",
            **_size(request, end),
            **_pictures(request, end),
            **_switches(request, end),
        }
        return HttpCall("POST", f"/{end.path}", json=nothing_empty(body))

    def noted(self, job: str, request: ImageRequest, model: ImageModel, receipt: Receipt) -> str:
        """With the price of the list: no answer tells which address did it."""
        assert isinstance(model, FalModelConfig)
        return json.dumps({**json.loads(job), "cost": model.endpoint(request).cost(request)})

    def job_of(self, answer: HttpAnswer) -> str:
        """JSON with the addresses: they leave out a part of the model's name, so nobody can make them up."""
        values = _values(answer)
        names = ["request_id", "status_url", "response_url"]
        if not all(isinstance(values.get(name), str) for name in names):
            raise self.unknown("its answer names no job")
        if isinstance(values.get("cancel_url"), str):
            names.append("cancel_url")
        try:
            for name in names[1:]:
                check_address(values[name], self.api_hosts, self.base_url())
        except UnsafePicture as error:
            raise self.unknown(f"it named an address for asking that is not its own ({error})") from None
        return json.dumps({name: values[name] for name in names})

    def question_for(self, job: str) -> HttpCall:
        """The address as it was given."""
        return HttpCall("GET", str(json.loads(job)["status_url"]))

    def withdrawal_of(self, job: str) -> HttpCall | None:
        """Heard only before the job starts. What fal bills of it then, it does not say."""
        address = json.loads(job).get("cancel_url")
        return HttpCall("PUT", address) if address else None

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
        """`images[].url`, or `image.url` of work on a picture; what the safety checker blackened is no picture."""
        values = _values(answer)
        images = values.get("images") or [values.get("image")]
        found = [image for image in images if isinstance(image, dict) and image.get("url")]
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
        job = json.loads(receipt.provider_ref or "{}")
        blackened = len(found) - len(good)
        return ImageResult(
            images=tuple(pictures),
            provider_id=self.info.provider_id,
            model_id=receipt.model_id,
            cost=Cost(job["cost"], kind=CostKind.ESTIMATED) if job.get("cost") else Cost(),
            request_id=job.get("request_id"),
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


def _size(request: ImageRequest, end: FalEndpoint) -> dict[str, Any]:
    if end.size == "pixels":
        return {"image_size": {"width": request.width, "height": request.height}}
    return {"aspect_ratio": ratio_near(RATIOS, request.width, request.height)} if end.size == "ratio" else {}


def _pictures(request: ImageRequest, end: FalEndpoint) -> dict[str, Any]:
    """The pictures as data URIs; one that is changed, and its mask, have the size asked for."""
    size = (request.width, request.height)
    initial = request.init_image.convert("RGB").resize(size) if request.init_image is not None else None
    given = [data_uri(picture) for picture in (initial, *request.reference_images) if picture is not None]
    body: dict[str, Any] = {}
    if given:
        body[end.pictures] = given if end.pictures == "image_urls" else given[0]
    if request.mask_image is not None:
        body[end.mask] = data_uri(white_mask(request.mask_image, size))
    if end.strength:
        body["strength"] = end.strength if request.strength is None else request.strength
    return body


def _work_body(request: ImageRequest, model: FalModelConfig, end: FalEndpoint) -> dict[str, Any]:
    """The picture as it is, with its transparency, and what upscalers take."""
    assert model.work is not None and request.init_image is not None
    mode = "RGBA" if request.init_image.has_transparency_data else "RGB"
    return {
        end.pictures: data_uri(request.init_image.convert(mode)),
        "upscale_factor": (request.scale or model.work.usual_scale) if request.mode == "upscale" else None,
        "prompt": request.prompt or None,
        "negative_prompt": request.negative_prompt or None,
        "creativity": request.strength,
        "seed": None if request.seed is None else request.seed % SEEDS,
        **_switches(request, end),
    }


def _switches(request: ImageRequest, end: FalEndpoint) -> dict[str, Any]:
    """What fal would decide by itself. Its degrees of tolerance are texts."""
    switches = dict(end.fixed)
    if not end.checker:
        return switches
    if end.tolerance:
        switches["safety_tolerance"] = str(request.options.get("safety_tolerance", TOLERANCE))
    else:
        switches["enable_safety_checker"] = request.options.get("enable_safety_checker", True)
    if end.accelerates:
        switches["acceleration"] = request.options.get("acceleration", "none")
    return switches


def _check(request: ImageRequest, model: FalModelConfig, end: FalEndpoint) -> None:
    faults = [*_range_faults(request, end), *_option_faults(request, end)]
    if end.size == "ratio" and ratio_near(RATIOS, request.width, request.height) is None:
        faults.append(f"its aspect ratios are {', '.join(RATIOS)}, not that of {request.width}×{request.height}")
    most = model.capabilities.max_reference_images
    if most and len(request.input_pictures) > most:
        faults.append(f"it takes at most {most} pictures with the initial one")
    if faults:
        message = f"{model.name} cannot do this ({request.mode}): {'; '.join(faults)}."
        raise ProviderBadRequest(message, provider_id="fal")


def _range_faults(request: ImageRequest, end: FalEndpoint) -> list[str]:
    faults = []
    asked = (("steps", request.steps, end.steps), ("guidance", request.guidance, end.guidance))
    for name, value, limits in asked:
        if value is not None and limits is None:
            faults.append(f"it takes no {name}")
        elif value is not None and limits and not limits[0] <= value <= limits[1]:
            faults.append(f"its {name} is from {limits[0]:g} to {limits[1]:g}, not {value:g}")
    if request.mode == "upscale":
        return faults
    if request.strength is not None and not end.strength:
        faults.append("it takes no strength")
    elif request.strength is not None and request.strength < LEAST_STRENGTH:
        faults.append(f"its strength is from {LEAST_STRENGTH:g} to 1")
    return faults


def _option_faults(request: ImageRequest, end: FalEndpoint) -> list[str]:
    """Moderation is by degrees or by a checker, as the address has it; the other one is refused."""
    able: dict[str, tuple[bool, Sequence[Any]]] = {
        "enable_safety_checker": (end.checker and not end.tolerance, (True, False)),
        "safety_tolerance": (end.tolerance, range(1, MOST_TOLERANT + 1)),
        "acceleration": (end.accelerates, ACCELERATIONS),
    }
    faults = []
    for name, value in request.options.items():
        takes, values = able[name]
        if not takes:
            faults.append(f"it has no {name}")
        elif value not in values:
            faults.append(f"its {name} is one of {', '.join(map(str, values))}, not {value!r}")
    return faults
