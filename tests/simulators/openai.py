"""OpenAI's image endpoints, as strict as the facts say they are: retired models, sizes, masks, forms."""

import base64
import json
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from aiohttp import web
from pydantic import Field

from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict, opened

MODELS = (
    "gpt-image-2.6-flare",
    "gpt-image-2.6-sunburst",
    "gpt-image-2.5-flare",
    "gpt-image-2.5-sunburst",
    "gpt-image-2",
)
FIXED = ("1024x1024", "1536x1024", "1024x1536", "auto")
TOKENS = {"low": 272, "medium": 1056, "high": 4160, "auto": 1056, "xhigh": 6240, "max": 8320}
TROUBLES: dict[str, tuple[int, str, str, str]] = {
    "rate limited": (
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit for images per minute. Limit: 5/1min.",
    ),
    "day is over": (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests per day."),
    "no money": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "refused prompt": (
        400,
        "image_generation_user_error",
        "moderation_blocked",
        "Your request was rejected by the safety system. safety_violations=[violence].",
    ),
    "refused output": (
        400,
        "image_generation_user_error",
        "moderation_blocked",
        "The generated image was rejected by the safety system. safety_violations=[sexual].",
    ),
    "server error": (500, "server_error", "server_error", "The server had an error while processing your request."),
}


class Generation(Strict):
    """The JSON body of a generation."""

    model: str
    prompt: Annotated[str, Field(min_length=1, max_length=32_000)]
    n: Annotated[int, Field(ge=1, le=10)] = 1
    size: str = "auto"
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max"] = "auto"
    background: Literal["auto", "opaque", "transparent"] = "auto"
    moderation: Literal["auto", "low"] = "auto"
    output_format: Literal["png", "jpeg", "webp"] = "png"
    output_compression: Annotated[int, Field(ge=0, le=100)] = 100
    safety_identifier: str | None = None


class OpenAISimulator(Simulator):
    """`/v1/images/generations`, `/v1/images/edits`, `/v1/models`."""

    name: ClassVar[str] = "openai"

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", "/v1/images/generations"): self.generate, ("POST", "/v1/images/edits"): self.edit}

    def free_routes(self) -> dict[tuple[str, str], Handler]:
        return {("GET", "/v1/models"): self.models}

    def check_key(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            given = request.headers.get("Authorization", "")[7:]
            raise _error(401, "invalid_request_error", "invalid_api_key", f"Incorrect API key provided: {given}.")

    def trouble(self, fault: Fault) -> web.Response:
        status, kind, code, message = TROUBLES[str(fault.trouble)]
        headers = {"x-request-id": "req_simulated", "x-ratelimit-remaining-requests": "499"}
        if fault.retry_after is not None:
            headers["retry-after"] = f"{fault.retry_after:g}"
        answer = _error(status, kind, code, message)
        return web.json_response(answer.body, status=status, headers=headers)

    def invalid(self, where: str, message: str) -> Rejected:
        return _error(400, "invalid_request_error", "invalid_value", f"{where}: {message}", where)

    async def models(self, request: web.Request) -> web.Response:
        data = [{"id": name, "object": "model", "created": 1, "owned_by": "system"} for name in MODELS]
        return web.json_response({"object": "list", "data": data})

    async def generate(self, request: web.Request) -> web.Response:
        return self._answer(await self.body(request, Generation), 0)

    async def edit(self, request: web.Request) -> web.Response:
        if not request.content_type.startswith("multipart/"):
            raise self.invalid("Content-Type", "multipart/form-data is expected")
        fields: dict[str, Any] = {}
        pictures, mask = [], None
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                data = value.file.read()
                try:
                    picture = opened(data)
                except ValueError:
                    raise self.invalid(name, "Invalid image file") from None
                if name == "mask":
                    if len(data) > 4 * 2**20 or picture.format != "PNG":
                        raise self.invalid("mask", "a PNG under 4 MB is expected")
                    mask = picture
                elif name in ("image", "image[]"):
                    pictures.append(picture)
                else:
                    raise self.invalid(name, "Unknown parameter")
            else:
                fields[name] = int(str(value)) if name in ("n", "output_compression") else str(value)
        if not 1 <= len(pictures) <= 16:
            raise self.invalid("image", f"1 to 16 pictures are expected, not {len(pictures)}")
        if mask is not None and (mask.size != pictures[0].size or "A" not in mask.getbands()):
            raise self.invalid("mask", "it must have the size of the first picture and an alpha channel")
        return self._answer(self.checked(fields, Generation), len(pictures), mask is not None)

    def _answer(self, asked: Generation, pictures_in: int, masked: bool = False) -> web.Response:
        if asked.model not in MODELS:
            message = f"The model {asked.model} does not exist or you do not have access to it."
            raise _error(404, "invalid_request_error", "model_not_found", message)
        if asked.background == "transparent" and asked.output_format == "jpeg":
            raise self.invalid("background", "transparent needs png or webp")
        width, height = self._size(asked)
        output = TOKENS[asked.quality] * width * height // 1024**2 * asked.n
        text_in, image_in = len(asked.prompt) // 4 + 1, 800 * pictures_in
        amount = (text_in * Decimal(5) + image_in * Decimal(8) + output * Decimal(30)) / 1_000_000
        job_id = f"req_{len(self.ledger)}"
        seen = {**asked.model_dump(), "pictures": pictures_in, "masked": masked}
        self.bill(job_id, amount, asked.n, seen)
        files = [self.picture(width, height, f"{asked.prompt} {job_id} {n}") for n in range(asked.n)]
        usage = {
            "input_tokens": text_in + image_in,
            "input_tokens_details": {"text_tokens": text_in, "image_tokens": image_in},
            "output_tokens": output,
            "total_tokens": text_in + image_in + output,
        }
        values = {
            "created": 1,
            "background": "opaque",
            "output_format": asked.output_format,
            "quality": asked.quality,
            "size": f"{width}x{height}",
            "data": [{"b64_json": base64.b64encode(data).decode()} for data in files],
            "usage": usage,
        }
        headers = {"x-request-id": job_id}
        return web.Response(body=json.dumps(values).encode(), content_type="application/json", headers=headers)

    def _size(self, asked: Generation) -> tuple[int, int]:
        if asked.size in FIXED:
            return (1024, 1024) if asked.size == "auto" else tuple(map(int, asked.size.split("x")))  # type: ignore[return-value]
        if "2.6" in asked.model:
            raise self.invalid("size", f"Supported values are {', '.join(FIXED)}.")
        try:
            width, height = map(int, asked.size.split("x"))
        except ValueError:
            raise self.invalid("size", "WIDTHxHEIGHT is expected") from None
        long, short = max(width, height), min(width, height)
        if width % 16 or height % 16 or long > 3 * short or long > 3840 or short > 2160:
            raise self.invalid("size", "divisible by 16, 1:3 to 3:1, at most 3840x2160")
        return width, height


def _error(status: int, kind: str, code: str, message: str, param: str | None = None) -> Rejected:
    return Rejected(status, {"error": {"message": message, "type": kind, "param": param, "code": code}})
