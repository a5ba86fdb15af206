"""Cloudflare Workers AI: one address, and a body and an answer of its own for every model.

What an answer is, its content type says: an image's bytes, or JSON with base64. The account's id is in the address, so
addresses are never put into messages.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from invokeai.app.services.image_providers.generation import Cost, CostKind, GeneratedImage, ImageRequest, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import base64_png, nothing_empty, png_bytes
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.masks import white_mask
from invokeai.app.services.image_providers.model_list import ListingProvider, ids_in
from invokeai.app.services.image_providers.picture_addresses import UnsafePicture, check_picture
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.workers_ai_models import (
    MAX_REFERENCES,
    MODELS,
    NEURON,
    TILE,
    WorkersAiModelConfig,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from invokeai.app.services.image_providers.receipts import Receipt

ACCOUNT_VARIABLE = "CLOUDFLARE_ACCOUNT_ID"
API_HOST, GATEWAY_HOST = "api.cloudflare.com", "gateway.ai.cloudflare.com"
GATEWAY_PATH = re.compile(r"/v1/[\w-]+/[\w-]+/workers-ai", re.ASCII)
"""A gateway's other paths lead to other services than Workers AI, and the token with them."""
GONE = "5007"
DAY_IS_OVER, BUSY, TOO_LATE, NOT_SAFE = ("3036", "4006"), ("3040",), ("3007", "3008"), ("3030",)
REMEDIES = {
    "5016": "Accept the model's terms on its page in Cloudflare's dashboard, then try again.",
    "5018": "This account may not use the model; use another one.",
    "3023": "This account may not use the model; use another one.",
    "3041": "This account may not use the model; use another one.",
    "5035": "The model needs the Workers Paid plan; subscribe to it, or use another model.",
}


class WorkersAiImageService(ListingProvider):
    """`POST …/accounts/{account}/ai/run/@cf/{model}`, or a gateway in front of it."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="workers_ai",
        display_name="Cloudflare Workers AI",
        description="FLUX, Leonardo and Stable Diffusion on Cloudflare; 10,000 neurons a day are free.",
        models=MODELS,
        default_model="black-forest-labs/flux-2-klein-4b",
        priority=50,
    )
    default_base_url = f"https://{API_HOST}"
    api_hosts = (GATEWAY_HOST,)
    list_path = "/ai/models/search?task=Text-to-Image&per_page=100"

    def get_setup_instructions(self) -> str:
        """Where token and account id come from and where they go."""
        return (
            "Create an API token with the permission Workers AI at https://dash.cloudflare.com/profile/api-tokens and "
            f"set WORKERS_AI_API_TOKEN, or enter it in the model manager. Set {ACCOUNT_VARIABLE} to the account's id "
            f"too, or enter the base URL https://{API_HOST}/client/v4/accounts/<account id>."
        )

    def get_unavailability_reason(self) -> str | None:
        """The token, then the account, or the path of a gateway."""
        missing = super().get_unavailability_reason()
        try:
            self.base_url()
        except ProviderUnavailable as error:
            return missing or str(error)
        return missing

    def base_url(self) -> str:
        """The account's address: as it was given, or made of the account id in the environment.

        Raises:
            ProviderUnavailable: there is no account id, or the address is of a gateway and not of Workers AI.
        """
        url = _with_account(super().base_url())
        if url is None:
            message = f"No account id is set for {self.info.display_name}. {self.get_setup_instructions()}"
            raise ProviderUnavailable(message, provider_id=self.info.provider_id)
        parts = urlsplit(url)
        if parts.hostname == GATEWAY_HOST and not GATEWAY_PATH.fullmatch(parts.path):
            message = f"The base URL of a gateway is https://{GATEWAY_HOST}/v1/<account id>/<gateway>/workers-ai."
            raise ProviderUnavailable(message, provider_id=self.info.provider_id)
        return url

    def named_in(self, answer: Any) -> tuple[str, ...]:
        """Names without the `@cf/` of models on Cloudflare's own machines. A gateway has no list."""
        return tuple(name.removeprefix("@cf/") for name in ids_in(answer, "result", "name"))

    def estimate(self, request: ImageRequest, model: ImageModel) -> Cost | None:
        """By tiles and steps. The models in beta are free, which is the list's price of the day and no promise."""
        assert isinstance(model, WorkersAiModelConfig)
        price = model.price(request.width, request.height, request.steps, len(request.input_pictures))
        return Cost(format((price * request.num_images).normalize(), "f"), kind=CostKind.ESTIMATED)

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """JSON, or a form for FLUX.2. The estimate is written down: answers in bytes say nothing of their cost."""
        assert isinstance(model, WorkersAiModelConfig)
        _check(request, model)
        estimate = self.estimate(request, model)
        receipt.provider_ref = json.dumps({"estimate": estimate.amount if estimate else None})
        values = nothing_empty(
            {
                "prompt": request.prompt,
                "negative_prompt": request.negative_prompt or None,
                "width": request.width if model.sizes else None,
                "height": request.height if model.sizes else None,
                "guidance": request.guidance,
                "seed": request.seed,
                "strength": request.strength,
                **({model.steps_name: request.steps} if model.steps_name else {}),
            }
        )
        gateway = urlsplit(self.base_url()).hostname == GATEWAY_HOST
        path = f"{'' if gateway else '/ai/run'}/@cf/{model.model_id}"
        if model.body == "multipart":
            files = [
                (f"input_image_{n}", f"{n}.png", png_bytes(_shrunk(picture)), "image/png")
                for n, picture in enumerate(request.input_pictures)
            ]
            return HttpCall("POST", path, form={name: str(v) for name, v in values.items()}, files=tuple(files))
        return HttpCall("POST", path, json={**values, **_pictures(request)})

    # --- the answer ------------------------------------------------------------------------------------------------

    async def result_of(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """An image's bytes, or JSON with base64."""
        if answer.headers.get("content-type", "").startswith("image/"):
            picture = answer.body
            try:
                await asyncio.to_thread(check_picture, picture)
            except UnsafePicture as error:
                raise self.unknown(f"its picture was not taken over: {error}") from None
        else:
            values = await asyncio.to_thread(answer.json)
            result = values.get("result") if isinstance(values, dict) else None
            if isinstance(values, dict) and values.get("errors"):
                raise self.failure_of(answer)
            if not isinstance(result, dict) or not isinstance(result.get("image"), str):
                raise self.unknown("its answer has no picture in it")
            picture = await self.picture_in(result["image"])
        return ImageResult(
            images=(GeneratedImage(picture),),
            provider_id=self.info.provider_id,
            model_id=receipt.model_id,
            cost=_cost(answer, receipt),
            request_id=answer.headers.get("cf-ray"),
            note=_dearer(answer, receipt),
        )

    def failure_of(self, answer: HttpAnswer) -> ProviderError:
        """By the inner code, then by status: one status has several meanings."""
        values = answer.json()
        errors = values.get("errors") if isinstance(values, dict) else None
        error = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        code, said = str(error.get("code") or "") or None, str(error.get("message") or "")
        words: dict[str, Any] = {"provider_id": self.info.provider_id, "provider_code": code}
        words["request_id"] = answer.headers.get("cf-ray")
        message = f"{self.info.display_name}: {self.without_key(said)[:500] or f'status {answer.status}'}"
        if code in NOT_SAFE:
            return ProviderRefused(message, stage="prompt", **words)
        if code in DAY_IS_OVER:
            return ProviderQuotaExhausted(f"{message} The free neurons of the day come back at 00:00 UTC.", **words)
        if code in BUSY:
            return ProviderRateLimited(message, retry_after=answer.retry_after, **words)
        if code in TOO_LATE:
            return OutcomeUnknown(f"{message} It may have been billed.", **words)
        if code == GONE:
            return ProviderBadRequest(f"{message} {self.instead()}", **words)
        if code in REMEDIES:
            return ProviderBadRequest(f"{message} {REMEDIES[code]}", **words)
        return self.failure(answer, said, code, answer.headers.get("cf-ray"))


def _with_account(url: str) -> str | None:
    """`url` with the account in it; None: it is nowhere. Another host than Cloudflare's is taken as it is."""
    url = url.removesuffix("/ai/run").removesuffix("/ai")
    parts = urlsplit(url)
    if parts.hostname != API_HOST or re.search(r"/accounts/[^/]+", parts.path):
        return url
    account = os.environ.get(ACCOUNT_VARIABLE, "").strip()
    return f"https://{API_HOST}/client/v4/accounts/{account}" if re.fullmatch(r"\w+", account) else None


def _neurons(answer: HttpAnswer) -> Decimal | None:
    try:
        count = Decimal(answer.headers["cf-ai-neurons"])
    except (KeyError, InvalidOperation):
        return None
    return count if count.is_finite() and count > 0 else None


def _estimated(receipt: Receipt) -> str | None:
    """The estimate that was written down when the call left."""
    try:
        amount = json.loads(receipt.provider_ref or "{}").get("estimate")
    except (ValueError, AttributeError):
        return None
    return str(amount) if amount is not None else None


def _cost(answer: HttpAnswer, receipt: Receipt) -> Cost:
    """The neurons that the answer tells, at the list's price; else the estimate."""
    count, estimate = _neurons(answer), _estimated(receipt)
    if count is not None:
        return Cost(format((count * NEURON).normalize(), "f"), kind=CostKind.REPORTED)
    return Cost(estimate, kind=CostKind.ESTIMATED) if estimate is not None else Cost()


def _dearer(answer: HttpAnswer, receipt: Receipt) -> str | None:
    """Cloudflare reroutes old names to other models in silence; a picture far dearer than its price shows it."""
    count, estimate = _neurons(answer), _estimated(receipt)
    if count is None or not estimate or count * NEURON <= 2 * Decimal(estimate):
        return None
    return "It cost more than twice the model's price; Cloudflare may have used another model."


def _check(request: ImageRequest, model: WorkersAiModelConfig) -> None:
    faults = []
    (least, most), (low, high) = model.steps_range, model.guidance_range
    if request.steps is not None and not least <= request.steps <= most:
        faults.append(f"its steps are from {least} to {most}, not {request.steps}")
    if request.guidance is not None and not low <= request.guidance <= high:
        faults.append(f"its guidance is from {low:g} to {high:g}, not {request.guidance:g}")
    if model.max_prompt and len(request.prompt) > model.max_prompt:
        faults.append(f"a prompt has at most {model.max_prompt:,} characters")
    if model.body == "multipart" and len(request.input_pictures) > MAX_REFERENCES:
        faults.append(f"it takes at most {MAX_REFERENCES} pictures with the initial one")
    if not request.prompt.strip():
        faults.append("it needs a prompt")
    if faults:
        raise ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id="workers_ai")


def _shrunk(picture: Image) -> Image:
    """A picture with both sides below a tile's, as FLUX.2 wants it there."""
    made = picture.copy()
    made.thumbnail((TILE - 1, TILE - 1))
    return made


def _pictures(request: ImageRequest) -> dict[str, Any]:
    """The picture to change in base64; with a mask both are lists of byte numbers, for want of another way."""
    if request.init_image is None:
        return {}
    picture = request.init_image.convert("RGB").resize((request.width, request.height))
    if request.mask_image is None:
        return {"image_b64": base64_png(picture)}
    mask = white_mask(request.mask_image, picture.size)
    return {"image": list(png_bytes(picture)), "mask": list(png_bytes(mask))}
