"""Black Forest Labs: FLUX by jobs. The polling address is used as given, and only on their hosts with the key.

What a job costs is said when it is taken, in credits of a cent, and kept with the job's address. A status that is not
known means that the job still runs. Source of the format: docs.bfl.ai and Black Forest Labs' skills, November 2026.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, ClassVar

from invokeai.app.services.image_providers.bfl_models import (
    MODELS,
    RATIOS,
    RESOLUTIONS,
    BflModelConfig,
    price_of,
    resolution_of,
)
from invokeai.app.services.image_providers.generation import Cost, CostKind, GeneratedImage, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import base64_png, nothing_empty
from invokeai.app.services.image_providers.image_model import ProviderInfo
from invokeai.app.services.image_providers.job_provider import JobImageProvider
from invokeai.app.services.image_providers.picture_addresses import UnsafePicture, check_address
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderBadRequest,
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from invokeai.app.services.image_providers.generation import ImageRequest
    from invokeai.app.services.image_providers.image_model import ImageModel
    from invokeai.app.services.image_providers.receipts import Receipt

REFUSED_AT = {"request moderated": "prompt", "content moderated": "output"}
FAILED = ("error", "failed", "task not found")
CREDITS_PER_DOLLAR = 100
NEAR = 0.03
SEEDS = 2**32
"""Their seeds have 32 bits: the same one of ours always becomes the same one of theirs."""
MOST_TOLERANT = {"flux-3": 4, "flux-3-klein": 4, "flux-2": 5, "kontext": 6, "fill": 6}


class BflImageService(JobImageProvider):
    """`POST /v1/{model}`, then the polling address it answers with."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="bfl",
        display_name="Black Forest Labs",
        description="FLUX from its makers: FLUX 3, FLUX.2, Kontext and Fill.",
        models=MODELS,
        default_model="flux-3-image-klein",
        priority=55,
        max_concurrency=20,  # 24 tasks at once are allowed for an account
        options=frozenset({"safety_tolerance", "grounding"}),
    )
    default_base_url = "https://api.bfl.ai"
    api_hosts = ("bfl.ai",)
    result_hosts = ("bfl.ai",)

    def get_setup_instructions(self) -> str:
        """Where the key comes from and where it goes."""
        return "Create a key at https://dashboard.bfl.ai and set BFL_API_KEY, or enter it in the model manager."

    def key_headers(self, key: str) -> dict[str, str]:
        """A header of their own."""
        return {"x-key": key}

    def custom_model(self, model_id: str) -> ImageModel | None:
        """Later models of FLUX.2 (`flux-2-…`); their prices are not known."""
        if not model_id.startswith("flux-2-") or "/" in model_id:
            return None
        like = next(model for model in MODELS if model.model_id == "flux-2-pro")
        return replace(like, model_id=model_id, name=model_id, first_megapixel=None)

    def estimate(self, request: ImageRequest, model: ImageModel) -> Cost | None:
        """By the size and the pictures given."""
        assert isinstance(model, BflModelConfig)
        price = price_of(model, request)
        return None if price is None else Cost(str(price * request.num_images), kind=CostKind.ESTIMATED)

    # --- the job ---------------------------------------------------------------------------------------------------

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """What the model's family takes."""
        assert isinstance(model, BflModelConfig)
        _check(request, model)
        return HttpCall("POST", f"/v1/{model.model_id}", json=nothing_empty(_body(request, model)))

    def job_of(self, answer: HttpAnswer) -> str:
        """JSON: the polling address and the credits, which no later answer tells."""
        values = _values(answer)
        address = values.get("polling_url")
        if not isinstance(address, str):
            raise self.unknown("its answer names no job")
        try:
            check_address(address, self.api_hosts, self.base_url())
        except UnsafePicture as error:
            raise self.unknown(f"it named an address for asking that is not its own ({error})") from None
        return json.dumps({"id": values.get("id"), "polling_url": address, "cost": values.get("cost")})

    def question_for(self, job: str) -> HttpCall:
        """The address as it was given."""
        return HttpCall("GET", str(json.loads(job)["polling_url"]))

    def is_done(self, answer: HttpAnswer) -> bool:
        """By `status`, whatever the HTTP status is."""
        values = _values(answer)
        status, request_id = str(values.get("status") or ""), str(values.get("id") or "") or None
        low = status.lower()
        words: dict[str, Any] = {
            "provider_id": self.info.provider_id,
            "provider_code": status,
            "request_id": request_id,
        }
        details = values.get("details")
        said = f" ({self.without_key(json.dumps(details))[:300]})" if details else ""
        if low in REFUSED_AT:
            raise ProviderRefused(f"Black Forest Labs: {status}{said}.", stage=REFUSED_AT[low], **words)
        if low in FAILED:
            raise OutcomeUnknown(f"Black Forest Labs: {status}{said}. It may have been billed.", **words)
        if not status and answer.status in (401, 403):
            raise self.failure_of(answer)
        if not status and answer.status >= 400:
            raise self.unknown(f"asking for the picture was answered with status {answer.status}")
        return low == "ready"

    async def result_of(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """`result.sample` is an address that lives for minutes; the cost is what the job's start said."""
        values, job = _values(answer), json.loads(receipt.provider_ref or "{}")
        result = values.get("result")
        result = result if isinstance(result, dict) else {}
        if not isinstance(result.get("sample"), str):
            raise self.unknown("its answer has no picture in it")
        picture, seed = await self.fetch_picture(result["sample"]), result.get("seed")
        return ImageResult(
            images=(GeneratedImage(picture, seed=seed if isinstance(seed, int) else None),),
            provider_id=self.info.provider_id,
            model_id=receipt.model_id,
            cost=_cost(job.get("cost")),
            request_id=str(job.get("id") or "") or None,
        )

    def failure_of(self, answer: HttpAnswer) -> ProviderError:
        """By status; the words are in `message` or `detail`, the time to wait in the body."""
        values = _values(answer)
        detail, code = values.get("detail"), str(values.get("error") or "") or None
        if isinstance(detail, list):
            parts = [part for part in detail if isinstance(part, dict)]
            detail = "; ".join(f"{'.'.join(map(str, p.get('loc') or []))}: {p.get('msg')}" for p in parts)
        said = str(values.get("message") or detail or code or "")
        error = self.failure(answer, said, code)
        hint = values.get("retry_after")
        if isinstance(error, ProviderRateLimited) and isinstance(hint, int | float):
            error.retry_after = max(0.0, float(hint))
        return error


def _values(answer: HttpAnswer) -> Mapping[str, Any]:
    values = answer.json()
    return values if isinstance(values, dict) else {}


def _cost(credits: object) -> Cost:
    try:
        amount = Decimal(str(credits)) / CREDITS_PER_DOLLAR
    except InvalidOperation:
        return Cost()
    return Cost(str(amount), kind=CostKind.REPORTED) if amount.is_finite() and amount > 0 else Cost()


def _body(request: ImageRequest, model: BflModelConfig) -> dict[str, Any]:
    size = (request.width, request.height)
    pictures = [picture for picture in (request.init_image, *request.reference_images) if picture is not None]
    body: dict[str, Any] = {"prompt": request.prompt, "safety_tolerance": request.options.get("safety_tolerance")}
    seed = None if request.seed is None else request.seed % SEEDS
    if model.family == "fill":
        assert request.init_image is not None and request.mask_image is not None
        body["image"] = base64_png(request.init_image.convert("RGB").resize(size))
        body["mask"] = base64_png(white_mask(request.mask_image, size))
        return body | {"steps": request.steps, "guidance": request.guidance}
    if model.family in ("flux-3", "flux-3-klein"):
        body["images"] = [base64_png(picture) for picture in pictures] or None
        if model.family == "flux-3-klein":
            return body | {"width": size[0], "height": size[1], "seed": seed, "output_format": "png"}
        grounding = bool(request.options.get("grounding"))  # a search of the web that is on unless it is turned off
        return body | {"aspect_ratio": ratio_of(*size), "resolution": resolution_of(*size), "grounding": grounding}
    for index, picture in enumerate(pictures):
        body[f"input_image_{index + 1}" if index else "input_image"] = base64_png(picture)
    if model.family == "kontext":
        return body | {"aspect_ratio": ratio_of(*size), "seed": seed}
    body |= {"width": size[0], "height": size[1], "seed": seed, "output_format": "png"}
    if model.capabilities.supports_steps:
        body |= {"steps": request.steps, "guidance": request.guidance, "prompt_upsampling": False}
    return body


def ratio_of(width: int, height: int) -> str:
    """The aspect ratio, of those with a name, that comes nearest."""
    return min(RATIOS, key=lambda name: _off(name, width, height))


def _off(ratio: str, width: int, height: int) -> float:
    across, _, down = ratio.partition(":")
    return abs(int(across) / int(down) * height / width - 1)


def white_mask(mask: Image, size: tuple[int, int]) -> Image:
    """Our mask (black is made anew) as theirs (white is made anew)."""
    return mask.convert("L").resize(size).point([255 - level for level in range(256)])


def _check(request: ImageRequest, model: BflModelConfig) -> None:
    faults = [*_size_faults(request, model), *_picture_faults(request, model)]
    tolerance, most = request.options.get("safety_tolerance"), MOST_TOLERANT[model.family]
    if tolerance is not None and not (type(tolerance) is int and 0 <= tolerance <= most):
        faults.append(f"its safety_tolerance is a whole number from 0 to {most}")
    if request.options.get("grounding") and model.family != "flux-3":
        faults.append("it has no grounding")
    if model.family == "flux-2" and request.steps is not None and not 1 <= request.steps <= 50:
        faults.append("its steps are from 1 to 50")
    if model.family == "flux-2" and request.guidance is not None and not 1.5 <= request.guidance <= 10:
        faults.append("its guidance is from 1.5 to 10")
    if faults:
        raise ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id="bfl")


def _size_faults(request: ImageRequest, model: BflModelConfig) -> list[str]:
    width, height = request.width, request.height
    asked = f"{width}×{height}"
    if model.family in ("flux-3", "kontext"):
        if _off(ratio_of(width, height), width, height) > NEAR:
            return [f"its aspect ratios are {', '.join(RATIOS)}, and {asked} is none of them"]
        sides = RESOLUTIONS.values() if model.family == "flux-3" else (1024,)
        if all(abs((width * height) ** 0.5 / side - 1) > NEAR * 2 for side in sides):
            return [f"its sizes have the pixels of a square of {', '.join(map(str, sides))}, not {asked}"]
        return []
    if width * height > model.most_pixels:
        return [f"it makes at most {model.most_pixels:,} pixels, not {asked}"]
    if model.family != "fill" and (width % 16 or height % 16):
        return [f"its sides are multiples of 16, and {asked} has another"]
    return []


def _picture_faults(request: ImageRequest, model: BflModelConfig) -> list[str]:
    pictures = [picture for picture in (request.init_image, *request.reference_images) if picture is not None]
    most = model.capabilities.max_reference_images or 1
    if len(pictures) > most:
        return [f"it takes at most {most} pictures with the initial one, not {len(pictures)}"]
    small = model.family in ("flux-3", "flux-3-klein") and any(p.width * p.height < 256 * 256 for p in pictures)
    return ["its pictures have at least as many pixels as 256×256"] if small else []
