"""Stability AI's picture service (v2beta). Only jobs can be looked up later; a lost answer is never sent for again.

A blurred picture arrives as a success: `CONTENT_FILTERED` is a refusal. No answer tells its price: costs are estimates.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from invokeai.app.services.image_providers.generation import Cost, CostKind, GeneratedImage, ImageRequest, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import HttpImageProvider, nothing_empty, png_bytes
from invokeai.app.services.image_providers.image_model import ProviderInfo
from invokeai.app.services.image_providers.job_provider import JobImageProvider
from invokeai.app.services.image_providers.masks import NOT_AN_EDGE, growth_of, white_mask
from invokeai.app.services.image_providers.provider_errors import (
    ProviderAuthError,
    ProviderBadRequest,
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
)
from invokeai.app.services.image_providers.stability_models import MODELS, SIZES, StabilityModelConfig

if TYPE_CHECKING:
    from PIL.Image import Image

    from invokeai.app.services.image_providers.image_model import ImageModel
    from invokeai.app.services.image_providers.receipts import Receipt

MAX_PROMPT = 10_000
MAX_SEED = 4_294_967_294
MAX_FILE_BYTES = 10 * 1000 * 1000
MAX_PIXELS_MADE, MAX_PIXELS_EDITED = 1_200_000, 9_437_184
RATIO_TOLERANCE = 0.03
WIDEST_EDGE = 2000
USUAL_STRENGTH = 0.7
"""Sent where none was asked for: the service has no strength of its own."""
PAUSE_AFTER_LIMIT = 60.0
"""Seconds for which the service shuts out whoever sent more than 150 requests in 10 seconds."""


class StabilityImageService(JobImageProvider):
    """`POST /v2beta/stable-image/…`, always a form, answered in JSON with base64, or with the id of a job."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="stability",
        display_name="Stability AI",
        description="Stable Image and Stable Diffusion 3.5; edits by mask, at edges, by sketch, by style; upscalers.",
        models=MODELS,
        default_model="core",
        priority=60,
    )
    default_base_url = "https://api.stability.ai"

    def get_setup_instructions(self) -> str:
        """Where the key comes from and where it goes."""
        return (
            "Create a key at https://platform.stability.ai/account/keys and set STABILITY_API_KEY, or enter it in the "
            "model manager."
        )

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        """One POST; for some models its answer names a job."""
        assert isinstance(model, StabilityModelConfig)
        if model.later:
            return await super().generate(request, model, receipt)
        return await HttpImageProvider.generate(self, request, model, receipt)

    def job_of(self, answer: HttpAnswer) -> str:
        """The job's `id`."""
        job = _values(answer).get("id")
        if not isinstance(job, str) or not job.isalnum():
            raise self.unknown("its answer names no job")
        return job

    def question_for(self, job: str) -> HttpCall:
        """Results are kept for a day, for the key that asked for them."""
        return HttpCall("GET", f"/v2beta/results/{job}", headers={"Accept": "application/json"})

    def is_done(self, answer: HttpAnswer) -> bool:
        """202 until it is done."""
        if answer.status in (200, 202):
            return answer.status == 200
        if answer.status == 404:  # also where another key had asked for it
            raise ProviderAuthError("Stability AI has no such result for this key.", provider_id=self.info.provider_id)
        failure = self.failure_of(answer)
        if isinstance(failure, ProviderRefused | ProviderAuthError):
            raise failure
        raise self.unknown(f"its job ended with status {answer.status}")

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """A form, with the picture and its mask as files of the size asked for."""
        assert isinstance(model, StabilityModelConfig)
        if model.work is not None and request.init_image is not None:
            mode = "RGBA" if request.init_image.has_transparency_data else "RGB"
            return _call(model, _asked_of_worker(request, model), {"image": request.init_image.convert(mode)})
        ratio = _checked(request, model)
        values: dict[str, Any] = {
            "prompt": request.prompt if model.worded else None,
            "negative_prompt": request.negative_prompt or None,
            "seed": request.seed,
            "cfg_scale": request.guidance,
            "model": model.version,
            "output_format": "png",
            "aspect_ratio": ratio if request.mode == "txt2img" else None,
        }
        if request.mode == "img2img" and not model.guided:
            values["strength"] = USUAL_STRENGTH if request.strength is None else request.strength
        if model.version:
            values["mode"] = "image-to-image" if request.init_image is not None else "text-to-image"
        pictures, edges = _pictures(request, model)
        return _call(model, values | edges, pictures)

    async def result_of(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """`image` in base64, or `result` from a job, unless it was blurred."""
        values = await asyncio.to_thread(_values, answer)
        reason = str(values.get("finish_reason") or "")
        if reason == "CONTENT_FILTERED":
            message = "Stability AI blurred the picture, because its filter found something in it (CONTENT_FILTERED)."
            raise ProviderRefused(message, stage="output", provider_id=self.info.provider_id, provider_code=reason)
        data = values.get("image", values.get("result"))
        if not isinstance(data, str):
            raise self.unknown(f"its answer has no picture in it{f' ({reason})' if reason else ''}")
        picture, seed = await self.picture_in(data), values.get("seed")
        price = next((model.price_per_image for model in MODELS if model.model_id == receipt.model_id), None)
        return ImageResult(
            images=(GeneratedImage(picture, seed=seed if isinstance(seed, int) else None),),
            provider_id=self.info.provider_id,
            model_id=receipt.model_id,
            cost=Cost(price, kind=CostKind.ESTIMATED) if price else Cost(),
            request_id=answer.headers.get("x-request-id"),
        )

    def failure_of(self, answer: HttpAnswer) -> ProviderError:
        """By `name`, then by status."""
        values = _values(answer)
        code, request_id = str(values.get("name") or "") or None, str(values.get("id") or "") or None
        errors = values.get("errors")
        said = " ".join(map(str, errors)) if isinstance(errors, list) else str(errors or code or "")
        words: dict[str, Any] = {"provider_id": self.info.provider_id, "provider_code": code, "request_id": request_id}
        message = f"Stability AI: {self.without_key(said)[:500]}"
        if code == "content_moderation":
            return ProviderRefused(message, stage="prompt", **words)
        if answer.status == 429:
            hint = answer.retry_after
            pause = PAUSE_AFTER_LIMIT if hint is None else hint
            return ProviderRateLimited(message, retry_after=pause, **words)
        return self.failure(answer, said, code, request_id)


def _values(answer: HttpAnswer) -> dict[str, Any]:
    values = answer.json()
    return values if isinstance(values, dict) else {}


def _call(model: StabilityModelConfig, values: dict[str, Any], pictures: dict[str, Image]) -> HttpCall:
    form = {name: str(value) for name, value in nothing_empty(values).items()}
    files = tuple((name, f"{name}.png", _file(picture), "image/png") for name, picture in pictures.items())
    path = f"/v2beta/stable-image/{model.path}"
    return HttpCall("POST", path, form=form, files=files, headers={"Accept": "application/json"})


def _asked_of_worker(request: ImageRequest, model: StabilityModelConfig) -> dict[str, Any]:
    least, most = model.creativity or (0, 1)
    faults = _word_and_seed_faults(request, model)
    if request.strength is not None and not least <= request.strength <= most:
        faults.append(f"its creativity is from {least:g} to {most:g}, not {request.strength:g}")
    if faults:
        raise _bad(model, faults)
    return {
        "prompt": request.prompt if model.worded else None,
        "negative_prompt": request.negative_prompt or None,
        "seed": request.seed,
        "creativity": request.strength,
        "output_format": "png",
    }


def _word_and_seed_faults(request: ImageRequest, model: StabilityModelConfig) -> list[str]:
    faults = []
    if not model.worded and request.prompt.strip():
        faults.append("it takes no words, so the prompt must be empty")
    if model.worded and not 1 <= len(request.prompt.strip()) <= len(request.prompt) <= MAX_PROMPT:
        faults.append(f"a prompt has 1 to {MAX_PROMPT:,} characters")
    if len(request.negative_prompt or "") > MAX_PROMPT:
        faults.append(f"a negative prompt has at most {MAX_PROMPT:,} characters")
    if request.seed is not None and request.seed > MAX_SEED:
        faults.append(f"its seeds go up to {MAX_SEED}")
    return faults


def _bad(model: StabilityModelConfig, faults: list[str]) -> ProviderBadRequest:
    return ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id="stability")


def _checked(request: ImageRequest, model: StabilityModelConfig) -> str:
    """The aspect ratio of a request that the model can do; empty for an edit, which has the picture's size."""
    faults, width, height = [], request.width, request.height
    ratio = min(SIZES, key=lambda name: abs(SIZES[name][0] / SIZES[name][1] / (width / height) - 1))
    if model.capabilities.allowed_aspect_ratios is None:
        ratio = ""
        if width * height > MAX_PIXELS_EDITED:
            faults.append(f"it edits at most {MAX_PIXELS_EDITED:,} pixels, not {width}×{height}")
    elif not _near(ratio, width, height):
        faults.append(f"its aspect ratios are {', '.join(SIZES)}, and {width}×{height} is none of them")
    elif width * height > MAX_PIXELS_MADE:
        largest = "×".join(map(str, SIZES[ratio]))
        faults.append(f"it makes about a megapixel ({largest} for {ratio}), not {width}×{height}")
    faults += _word_and_seed_faults(request, model)
    if request.guidance is not None and not 1 <= request.guidance <= 10:
        faults.append(f"its guidance is from 1 to 10, not {request.guidance:g}")
    if faults:
        raise _bad(model, faults)
    return ratio


def _near(ratio: str, width: int, height: int) -> bool:
    across, _, down = ratio.partition(":")
    exact, made = int(across) / int(down), SIZES[ratio][0] / SIZES[ratio][1]
    return min(abs(exact * height / width - 1), abs(made * height / width - 1)) <= RATIO_TOLERANCE


def _pictures(request: ImageRequest, model: StabilityModelConfig) -> tuple[dict[str, Image], dict[str, int]]:
    """The files of a request, and the edges by which its picture is to grow.

    Raises:
        ProviderBadRequest: the mask does not leave a whole picture that could grow.
    """
    size = (request.width, request.height)
    if request.reference_images:
        return {"image": request.reference_images[0].convert("RGB")}, {}
    if request.init_image is None:
        return {}, {}
    if request.mask_image is None:
        return {"image": request.init_image.convert("RGB").resize(size)}, {}
    if model.path != "edit/outpaint":
        picture = request.init_image.convert("RGB").resize(size)
        return {"image": picture, "mask": white_mask(request.mask_image, size)}, {}
    growth = growth_of(request.init_image, request.mask_image, size)
    if growth is None or growth.most > WIDEST_EDGE:
        fault = NOT_AN_EDGE if growth is None else f"an edge grows by at most {WIDEST_EDGE} pixels, not {growth.most}"
        raise _bad(model, [fault])
    edges = {"left": growth.left, "up": growth.top, "right": growth.right, "down": growth.bottom}
    return {"image": growth.picture}, edges


def _file(picture: Image) -> bytes:
    data = png_bytes(picture)
    if len(data) > MAX_FILE_BYTES:
        message = "Stability AI takes pictures of at most 10 MB; this one is larger at the size asked for."
        raise ProviderBadRequest(message, provider_id="stability")
    return data
