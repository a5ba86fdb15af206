"""Google's Gemini ("Nano Banana"). Nothing can be looked up later, so an answer that is lost is never sent for again.

Status 200 is not success: of the pictures in an answer the last that is no thought counts, and none is a refusal.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from invokeai.app.services.image_providers.gemini_models import (
    MAX_PICTURES,
    MODELS,
    PICTURE_IN_TOKENS,
    THOUGHT_TOKENS,
    GeminiModelConfig,
    known_model,
    later_model,
)
from invokeai.app.services.image_providers.generation import Cost, CostKind, GeneratedImage, ImageRequest, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import nothing_empty, png_bytes
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.model_list import ListingProvider, ids_in
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
    from PIL.Image import Image

    from invokeai.app.services.image_providers.receipts import Receipt

MILLION = Decimal(1_000_000)
MAX_FILE_BYTES = 7 * 1024 * 1024
SEED_LIMIT = 2**31
LEVELS = ("minimal", "medium", "high")
PROMPT_REFUSED = ("PROHIBITED_CONTENT", "SAFETY", "BLOCKLIST", "SPII", "ESCALATION", "PUP_LIMITED_DISABLED")
OUTPUT_REFUSED = ("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "RECITATION")
NOTHING_DRAWN = ("STOP", "NO_IMAGE")


class GeminiImageService(ListingProvider):
    """`generateContent` of the Gemini API, with pictures inside its JSON."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="gemini",
        display_name="Gemini",
        description="Nano Banana: pictures from words, and edits of up to 14 pictures, up to 4K.",
        models=MODELS,
        default_model="gemini-nano-banana-2.1",
        priority=20,
        options=frozenset({"temperature", "thinking_level"}),
    )
    default_base_url = "https://generativelanguage.googleapis.com"
    list_path = "/models?pageSize=1000"

    def get_setup_instructions(self) -> str:
        """Where the key comes from and where it goes."""
        return (
            "Create a key at https://aistudio.google.com/apikey (picture models need a billing account there) and set "
            "GEMINI_API_KEY, or enter it in the model manager."
        )

    def base_url(self) -> str:
        """The address with the version at its end, whether it was given with it or not."""
        url = super().base_url()
        return url if url.endswith(("/v1beta", "/v1")) else f"{url}/v1beta"

    def key_headers(self, key: str) -> dict[str, str]:
        """Its own header; in the address it would land in logs."""
        return {"x-goog-api-key": key}

    def custom_model(self, model_id: str) -> ImageModel | None:
        """Picture models that came after this list, and retired ones, where they are still served."""
        return later_model(model_id) if self.has(model_id) else None

    def new_model(self, model_id: str) -> ImageModel | None:
        """Picture models that came after this list; previews and retired ones come and go too quickly."""
        return None if "preview" in model_id or known_model(model_id) else later_model(model_id)

    def named_in(self, answer: Any) -> tuple[str, ...]:
        """Every model of the API, whatever it makes."""
        return tuple(name.removeprefix("models/") for name in ids_in(answer, "models", "name"))

    def estimate(self, request: ImageRequest, model: ImageModel) -> Cost | None:
        """By size class, thinking and pictures sent along; a price that is not known is not guessed."""
        assert isinstance(model, GeminiModelConfig)
        if model.image_out is None or model.text_in is None or model.text_out is None:
            return None
        choice = model.choice(request.width, request.height, request.image_size)
        made = dict(model.size_tokens)[choice[1]] if choice else max(tokens for _, tokens in model.size_tokens)
        level = str(request.options.get("thinking_level") or (model.thinking or ("high",))[0])
        thoughts = THOUGHT_TOKENS.get(level, THOUGHT_TOKENS["high"]) if model.names_size else 0
        sent = len(request.prompt) // 3 + 1 + PICTURE_IN_TOKENS * len(request.input_pictures)
        amount = made * Decimal(model.image_out) + thoughts * Decimal(model.text_out) + sent * Decimal(model.text_in)
        amount = (amount / MILLION * request.num_images).quantize(Decimal("0.000001"))
        return Cost(str(amount), kind=CostKind.ESTIMATED)

    # --- the request -----------------------------------------------------------------------------------------------

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """Pictures first, then the words; size and thinking are always sent where the model takes them."""
        assert isinstance(model, GeminiModelConfig)
        ratio, size = _checked(request, model)
        picture = {"aspectRatio": ratio, **({"imageSize": size} if model.names_size else {})}
        level = request.options.get("thinking_level") or next(iter(model.thinking), None)
        config = {
            "responseModalities": ["IMAGE"],
            "imageConfig": picture,
            "seed": request.seed,
            "temperature": request.options.get("temperature"),
            "thinkingConfig": {"thinkingLevel": level} if level else None,
        }
        parts: list[dict[str, Any]] = [{"inlineData": _inline(image)} for image in request.input_pictures]
        body = {
            "contents": [{"role": "user", "parts": [*parts, {"text": request.prompt}]}],
            "generationConfig": nothing_empty(config),
        }
        return HttpCall("POST", f"/models/{model.model_id}:generateContent", json=body)

    # --- the answer ------------------------------------------------------------------------------------------------

    async def result_of(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """The last picture that is no thought; drafts come before it."""
        values = _unlisted(await asyncio.to_thread(answer.json))
        if values.get("error"):
            raise self.failure_of(answer)
        candidates = values.get("candidates")
        candidate = candidates[0] if isinstance(candidates, list) and candidates else {}
        reason = str(candidate.get("finishReason") or "")
        parts = [p for p in ((candidate.get("content") or {}).get("parts") or ()) if isinstance(p, dict)]
        found = [p["inlineData"] for p in parts if not p.get("thought") and isinstance(p.get("inlineData"), dict)]
        if not found or reason in PROMPT_REFUSED + OUTPUT_REFUSED:
            raise self._nothing_made(values, candidate, reason, parts)
        used = str(values.get("modelVersion") or receipt.model_id).removeprefix("models/")
        notes = []
        if used != receipt.model_id and not used.startswith(f"{receipt.model_id}-"):
            notes.append(f"Gemini used {used} instead of {receipt.model_id}; the price is that model's.")
        if reason not in ("STOP", ""):
            notes.append(f"Gemini ended with {reason}, so the picture may be a draft.")
        return ImageResult(
            images=(GeneratedImage(await self.picture_in(str(found[-1].get("data")))),),
            provider_id=self.info.provider_id,
            model_id=used,
            cost=cost_of(values, used),
            request_id=str(values["responseId"]) if values.get("responseId") else None,
            note=" ".join(notes) or None,
        )

    def _nothing_made(
        self, values: dict[str, Any], candidate: dict[str, Any], reason: str, parts: list[dict[str, Any]]
    ) -> ProviderError:
        """What a 200 without a picture means."""
        request_id = str(values["responseId"]) if values.get("responseId") else None
        feedback = values.get("promptFeedback") or {}
        blocked = str(feedback.get("blockReason") or "")
        said = str(candidate.get("finishMessage") or feedback.get("blockReasonMessage") or "")
        texts = " ".join(str(part["text"]) for part in parts if part.get("text") and not part.get("thought")).strip()
        if blocked or reason in PROMPT_REFUSED:
            return self._refused(said or f"the prompt was blocked ({blocked or reason}).", "prompt", blocked or reason)
        if reason in OUTPUT_REFUSED:
            return self._refused(said or f"the picture was blocked ({reason}).", "output", reason)
        if reason in NOTHING_DRAWN and (texts or reason == "NO_IMAGE"):
            cost = cost_of(values, str(values.get("modelVersion") or ""))
            billed = f" The answer cost {cost.amount} USD." if cost.amount else " The answer may have been billed."
            words = said or texts or "nothing was drawn"
            refusal = self._refused(f"it answered without a picture: {words[:500]}{billed}", "prompt", reason)
            refusal.cost = cost
            return refusal
        error = self.unknown(f"it made no picture{f' ({reason})' if reason else ''}{f': {said}' if said else ''}")
        error.provider_code, error.request_id = reason or None, request_id
        return error

    def _refused(self, said: str, stage: str, code: str) -> ProviderRefused:
        message = f"Gemini: {self.without_key(said)}"
        return ProviderRefused(message, stage=stage, provider_id="gemini", provider_code=code)

    def failure_of(self, answer: HttpAnswer) -> ProviderError:
        """By `error.status` and its details; 429 has three meanings."""
        error = _unlisted(answer.json()).get("error")
        error = error if isinstance(error, dict) else {}
        said, code = str(error.get("message") or ""), str(error.get("status") or "") or None
        details = [detail for detail in error.get("details") or () if isinstance(detail, dict)]
        words: dict[str, Any] = {"provider_id": "gemini", "provider_code": code}
        message = f"Gemini: {self.without_key(said)[:500] or f'status {answer.status}'}"
        status = answer.status if answer.status >= 400 else int(error.get("code") or answer.status)
        if any(detail.get("reason") in ("API_KEY_INVALID", "API_KEY_EXPIRED") for detail in details):
            return ProviderAuthError(f"{message} Check the key of Gemini.", **words)
        if status == 429:
            return _limit(message, details, answer.retry_after, words)
        if status == 404:
            return ProviderBadRequest(f"{message} {self.instead()}", **words)
        if status == 503 and code == "UNAVAILABLE":
            return ProviderUnavailable(f"{message} Nothing was made; try again later.", **words)
        return self.failure(HttpAnswer(status, answer.headers, answer.body), said, code)


def cost_of(values: Mapping[str, Any], model_id: str) -> Cost:
    """From the tokens reported, thoughts included; unknown where they are missing or the model's prices are."""
    usage, model = values.get("usageMetadata"), known_model(model_id.removeprefix("models/"))
    if not isinstance(usage, dict) or model is None or not (model.text_in and model.text_out and model.image_out):
        return Cost()
    out, thoughts = int(usage.get("candidatesTokenCount") or 0), int(usage.get("thoughtsTokenCount") or 0)
    details = usage.get("candidatesTokensDetails")
    told = [d for d in details if isinstance(d, dict)] if isinstance(details, list) else None
    # without details all that came out counts as a picture, which is the dearer of the two
    pictures = out if told is None else sum(int(d.get("tokenCount") or 0) for d in told if d.get("modality") == "IMAGE")
    amount = (
        int(usage.get("promptTokenCount") or 0) * Decimal(model.text_in)
        + pictures * Decimal(model.image_out)
        + (max(0, out - pictures) + thoughts) * Decimal(model.text_out)
    ) / MILLION
    kind = CostKind.ESTIMATED if told is None else CostKind.COMPUTED
    return Cost(format(amount.normalize(), "f"), kind=kind) if amount > 0 else Cost()


def _limit(message: str, details: list[dict[str, Any]], hint: float | None, words: dict[str, Any]) -> ProviderError:
    """Slow down, the day is over, or a plan without pictures."""
    violations = [v for d in details for v in d.get("violations") or () if isinstance(v, dict)]
    if any(str(v.get("quotaValue")) == "0" for v in violations):
        return ProviderQuotaExhausted(f"{message} The plan of this key has no pictures in it.", **words)
    if any("PerDay" in str(v.get("quotaId")) for v in violations):
        return ProviderQuotaExhausted(f"{message} The day's quota is used up until midnight in California.", **words)
    delays = [str(d["retryDelay"]) for d in details if d.get("retryDelay")]
    with suppress(ValueError):
        hint = float(delays[0].removesuffix("s")) if delays else hint
    return ProviderRateLimited(message, retry_after=hint, **words)


def _unlisted(values: Any) -> dict[str, Any]:
    """The answer's object; errors sometimes come in a list of one."""
    if isinstance(values, list) and values:
        values = values[0]
    return values if isinstance(values, dict) else {}


def _checked(request: ImageRequest, model: GeminiModelConfig) -> tuple[str, str]:
    """Aspect ratio and size class of a request that the model can do."""
    faults = []
    choice = model.choice(request.width, request.height, request.image_size)
    if choice is None:
        asked = f"{request.width}×{request.height}{f' at {request.image_size}' if request.image_size else ''}"
        ratios, sizes = ", ".join(model.ratios), ", ".join(model.sizes)
        faults.append(f"its aspect ratios are {ratios} and its sizes {sizes}, and {asked} is none of them")
    level, temperature = request.options.get("thinking_level"), request.options.get("temperature")
    if level is not None and level not in model.thinking:
        known = f"{', '.join(name for name in LEVELS if name in model.thinking)}" or "none that can be set"
        faults.append(f"its thinking levels are {known}, not {level}")
    if temperature is not None and not (isinstance(temperature, (int, float)) and 0 <= temperature <= 2):
        faults.append("its temperature is from 0 to 2")
    if request.seed is not None and request.seed >= SEED_LIMIT:
        faults.append(f"its seeds are below {SEED_LIMIT:,}")
    if len(request.input_pictures) > MAX_PICTURES:
        faults.append(f"it takes at most {MAX_PICTURES} pictures in all")
    if not request.prompt.strip():
        faults.append("it needs a prompt")
    if faults or choice is None:
        raise ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id="gemini")
    return choice


def _inline(image: Image) -> dict[str, str]:
    """A picture in the body: PNG, or JPEG where that would be over the limit for one file."""
    import pybase64

    kind, data = "image/png", png_bytes(image)
    if len(data) > MAX_FILE_BYTES:
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=95)
        kind, data = "image/jpeg", buffer.getvalue()
    if len(data) > MAX_FILE_BYTES:
        raise ProviderBadRequest("Gemini takes pictures of at most 7 MB; one of these is larger.", provider_id="gemini")
    return {"mimeType": kind, "data": pybase64.b64encode_as_string(data)}
