"""Gemini's `generateContent`, as strict as the facts say: ids that died, sizes and ratios by model, refusals as 200."""

import base64
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from aiohttp import web
from pydantic import BaseModel, Field

from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict, opened

TEN = {
    "1:1": (1024, 1024), "2:3": (848, 1264), "3:2": (1264, 848), "3:4": (896, 1200), "4:3": (1200, 896),
    "4:5": (928, 1152), "5:4": (1152, 928), "9:16": (768, 1376), "16:9": (1376, 768), "21:9": (1584, 672),
}  # fmt: skip
ALL = {**TEN, "1:4": (512, 2048), "4:1": (2048, 512), "1:8": (384, 3072), "8:1": (3072, 384)}
FACTOR = {"1K": 1, "2K": 2, "4K": 4}


class Served(BaseModel):
    """What the service knows of a model: prices per million tokens, tokens by size, levels of thinking."""

    prices: tuple[str, str, str]
    tokens: dict[str, int]
    ratios: dict[str, tuple[int, int]]
    thinking: tuple[str, ...]


SERVED = {
    "gemini-nano-banana-2.1": Served(
        prices=("1.50", "7.50", "30"), tokens={"1K": 1120, "2K": 1680, "4K": 2520}, ratios=ALL,
        thinking=("minimal", "medium", "high"),
    ),
    "gemini-3.1-flash-lite-image": Served(
        prices=("0.25", "1.50", "30"), tokens={"1K": 1120}, ratios=TEN, thinking=("minimal", "high")
    ),
    "gemini-3-pro-image": Served(
        prices=("2", "12", "120"), tokens={"1K": 1120, "2K": 1120, "4K": 2000}, ratios=TEN, thinking=()
    ),
}  # fmt: skip


class InlineData(Strict):
    mimeType: Literal["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"]
    data: str


class Part(Strict):
    text: Annotated[str, Field(min_length=1)] | None = None
    inlineData: InlineData | None = None


class Content(Strict):
    role: Literal["user"]
    parts: Annotated[list[Part], Field(min_length=1)]


class ImageConfig(Strict):
    aspectRatio: str | None = None
    imageSize: str | None = None


class ThinkingConfig(Strict):
    thinkingLevel: str


class GenerationConfig(Strict):
    responseModalities: list[Literal["TEXT", "IMAGE"]]
    imageConfig: ImageConfig = ImageConfig()
    seed: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    thinkingConfig: ThinkingConfig | None = None


class Generation(Strict):
    """The JSON body."""

    contents: Annotated[list[Content], Field(min_length=1, max_length=1)]
    generationConfig: GenerationConfig


class GeminiSimulator(Simulator):
    """`POST /v1beta/models/{model}:generateContent`. The attributes script how the next answers look."""

    name: ClassVar[str] = "gemini"

    def __init__(self) -> None:
        super().__init__()
        self.drafts = 0
        """Smaller pictures that come before the true one."""
        self.thoughts = 1
        """Pictures and texts that are thoughts, one of them after the true picture."""
        self.words: str | None = None
        """Said instead of drawing."""
        self.used: str | None = None
        """The model that really answers."""
        self.finish = "STOP"
        self.details = True
        self.listed_errors = False
        self.quota: dict[str, Any] | None = None
        """The violation in the next 429."""
        self.retry_delay: str | None = None
        self.pictures_seen: list[Any] = []

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", "/v1beta/models/{call}"): self.generate}

    def free_routes(self) -> dict[tuple[str, str], Handler]:
        return {("GET", "/v1beta/models"): self.models}

    async def models(self, request: web.Request) -> web.Response:
        if not 1 <= int(request.query.get("pageSize", "50")) <= 1000:
            raise self.invalid("page_size", "1 to 1000 is expected")
        names = [name for name in ("gemini-3.5-flash", *SERVED) if name not in self.gone]
        methods = ["generateContent", "countTokens"]
        listed = [{"name": f"models/{name}", "supportedGenerationMethods": methods} for name in names]
        return web.json_response({"models": listed})

    def check_key(self, request: web.Request) -> None:
        if "key" in request.query or "Authorization" in request.headers:
            raise _error(400, "INVALID_ARGUMENT", "The key belongs into x-goog-api-key.")
        if request.headers.get("x-goog-api-key") != self.key:
            reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            given = request.headers.get("x-goog-api-key")
            raise _error(400, "INVALID_ARGUMENT", f"API key not valid: {given}. Pass a valid API key.", [reason])

    def trouble(self, fault: Fault) -> web.Response:
        if fault.trouble == "refused prompt":
            return web.json_response(
                {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9}}
            )
        if fault.trouble == "refused output":
            message = "Unable to show the generated image. It may violate the policy on safety."
            candidate = {"content": {"role": "model", "parts": None}, "finishReason": "IMAGE_SAFETY", "index": 0}
            return web.json_response({"candidates": [{**candidate, "finishMessage": message}], "responseId": "r-0"})
        if fault.trouble == "server error":
            answer = _error(500, "INTERNAL", "An internal error has occurred.")
        else:
            answer = self._limit(fault)
        body = [answer.body] if self.listed_errors else answer.body
        return web.json_response(body, status=answer.status)

    def _limit(self, fault: Fault) -> Rejected:
        quotas = {
            "day is over": {"quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaValue": "100"},
            "no money": {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "0"},
        }
        violation = self.quota or quotas.get(str(fault.trouble), {"quotaId": "RequestsPerMinute", "quotaValue": "10"})
        details = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}]
        delay = self.retry_delay or (None if fault.retry_after is None else f"{fault.retry_after:g}s")
        if delay is not None:
            details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})  # type: ignore[dict-item]
        return _error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", details)

    def invalid(self, where: str, message: str) -> Rejected:
        return _error(400, "INVALID_ARGUMENT", f"Invalid value at '{where}': {message}")

    async def generate(self, request: web.Request) -> web.Response:
        model_id, _, verb = request.match_info["call"].partition(":")
        if model_id not in SERVED or model_id in self.gone or verb != "generateContent":
            raise _error(404, "NOT_FOUND", f"models/{model_id} is not found for API version v1beta.")
        served = SERVED[model_id]
        asked = await self.body(request, Generation)
        width, height, size = self._size(asked.generationConfig, served)
        thinking = asked.generationConfig.thinkingConfig
        if thinking and thinking.thinkingLevel not in served.thinking:
            raise self.invalid("generation_config.thinking_config", "Thinking level is not supported for this model.")
        pictures = [self._picture(part.inlineData) for part in asked.contents[0].parts if part.inlineData]
        if len(pictures) > 14:
            raise self.invalid("contents", "at most 14 images")
        texts = [part.text for part in asked.contents[0].parts if part.text]
        if not texts:
            raise self.invalid("contents", "a text is expected")
        self.pictures_seen += pictures
        level = thinking.thinkingLevel if thinking else "high"
        usage = self._usage(texts[0], len(pictures), served.tokens[size], level)
        job_id = f"resp-{len(self.ledger)}"
        prices = SERVED.get(self.used or model_id, served).prices
        self.bill(job_id, _price(usage, prices), 1, {**asked.model_dump(exclude_none=True), "model": model_id})
        if not self.details:
            usage = {name: value for name, value in usage.items() if name != "candidatesTokensDetails"}
        parts = self._parts(width, height, f"{texts[0]} {job_id}")
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": self.finish, "index": 0}
        return web.json_response(
            {
                "candidates": [candidate],
                "usageMetadata": usage,
                "modelVersion": self.used or model_id,
                "responseId": job_id,
            }
        )

    def _size(self, config: GenerationConfig, served: Served) -> tuple[int, int, str]:
        ratio, size = config.imageConfig.aspectRatio or "1:1", config.imageConfig.imageSize or "1K"
        if ratio not in served.ratios:
            raise self.invalid("generation_config.image_config.aspect_ratio", f"{ratio} is not supported")
        if size not in served.tokens:
            raise self.invalid("generation_config.image_config.image_size", f"{size} is not supported")
        width, height = served.ratios[ratio]
        return width * FACTOR[size], height * FACTOR[size], size

    def _picture(self, sent: InlineData) -> Any:
        data = base64.b64decode(sent.data, validate=True)
        try:
            picture = opened(data)
        except ValueError:
            raise self.invalid("contents", "Unable to process input image.") from None
        if len(data) > 7 * 2**20 or f"image/{(picture.format or '').lower()}" != sent.mimeType:
            raise self.invalid("contents", "an image of at most 7 MB, of the type that is named")
        return picture

    def _usage(self, text: str, pictures: int, picture_tokens: int, level: str) -> dict[str, Any]:
        words = 40 if self.words else 0
        drawn = 0 if self.words else picture_tokens * (1 + self.drafts)
        thoughts = {"minimal": 60, "medium": 340, "high": 900}[level]
        prompt = len(text) // 4 + 1 + 1120 * pictures
        details = [{"modality": "IMAGE", "tokenCount": drawn}, {"modality": "TEXT", "tokenCount": words}]
        return {
            "promptTokenCount": prompt,
            "candidatesTokenCount": drawn + words,
            "thoughtsTokenCount": thoughts,
            "totalTokenCount": prompt + drawn + words + thoughts,
            "candidatesTokensDetails": [item for item in details if item["tokenCount"]],
        }

    def _parts(self, width: int, height: int, text: str) -> list[dict[str, Any]]:
        if self.words:
            return [{"text": "Weighing the words.", "thought": True}, {"text": self.words}]
        thought = {"inlineData": self._file(64, 64, f"thought {text}"), "thought": True}
        drafts = [{"inlineData": self._file(256, 256, f"draft {n} {text}")} for n in range(self.drafts)]
        final = {"inlineData": self._file(width, height, text), "thoughtSignature": "c2ln"}
        return [*[thought] * self.thoughts, *drafts, final, *[thought] * bool(self.thoughts)]

    def _file(self, width: int, height: int, text: str) -> dict[str, str]:
        data = self.picture(width, height, text, "JPEG")
        return {"mimeType": "image/jpeg", "data": base64.b64encode(data).decode()}


def _price(usage: dict[str, Any], prices: tuple[str, str, str]) -> Decimal:
    text_in, text_out, image_out = map(Decimal, prices)
    drawn = sum(item["tokenCount"] for item in usage["candidatesTokensDetails"] if item["modality"] == "IMAGE")
    texts = usage["candidatesTokenCount"] - drawn + usage["thoughtsTokenCount"]
    return (usage["promptTokenCount"] * text_in + drawn * image_out + texts * text_out) / 1_000_000


def _error(status: int, name: str, message: str, details: list[dict[str, Any]] | None = None) -> Rejected:
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    return Rejected(status, {"error": {**error, **({"details": details} if details else {})}})
