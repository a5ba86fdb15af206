"""OpenAI's image endpoints, as strict as the facts say they are: retired models, sizes, masks, forms."""

import asyncio
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
DRAFT_TOKENS = 100
FIXED = ("1024x1024", "1536x1024", "1024x1536", "auto")
TOKENS = {"low": 196, "medium": 433, "high": 1766, "xhigh": 3133, "max": 7033}
"""Of a picture of 1024² pixels, as the price list has them."""
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
    stream: bool = False
    partial_images: Annotated[int, Field(ge=0, le=3)] = 0


class OpenAISimulator(Simulator):
    """`/v1/images/generations`, `/v1/images/edits`, `/v1/models`."""

    name: ClassVar[str] = "openai"

    def __init__(self) -> None:
        super().__init__()
        self.stream_ends = "final"
        """What follows the first draft: `final`, `early final` (drafts after it), `error`, `refusal`, `nothing`."""
        self.between_events: asyncio.Event | None = None
        """Waited for before the last event."""
        self.draft_bytes: bytes | None = None
        """Given instead of a draft."""

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
        data = [
            {"id": name, "object": "model", "created": 1, "owned_by": "system"}
            for name in ("gpt-5.5", *MODELS)
            if name not in self.gone
        ]
        return web.json_response({"object": "list", "data": data})

    async def generate(self, request: web.Request) -> web.Response:
        return await self._answer(request, await self.body(request, Generation), 0)

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
                fields[name] = _typed(name, str(value))
        if not 1 <= len(pictures) <= 16:
            raise self.invalid("image", f"1 to 16 pictures are expected, not {len(pictures)}")
        if mask is not None and (mask.size != pictures[0].size or "A" not in mask.getbands()):
            raise self.invalid("mask", "it must have the size of the first picture and an alpha channel")
        return await self._answer(request, self.checked(fields, Generation), len(pictures), mask is not None)

    async def _answer(
        self, request: web.Request, asked: Generation, pictures_in: int, masked: bool = False
    ) -> web.StreamResponse:
        if asked.model not in MODELS or asked.model in self.gone:
            message = f"The model {asked.model} does not exist or you do not have access to it."
            raise _error(404, "invalid_request_error", "model_not_found", message)
        if asked.background == "transparent" and asked.output_format == "jpeg":
            raise self.invalid("background", "transparent needs png or webp")
        if asked.partial_images and not asked.stream:
            raise self.invalid("partial_images", "only with stream")
        width, height = self._size(asked)
        quality = asked.quality
        if quality == "auto":  # the model chooses, and may choose a dear one
            quality = "high" if asked.model == "gpt-image-2" else "max"
        output = TOKENS[quality] * width * height // 1024**2 * asked.n
        output += DRAFT_TOKENS * asked.partial_images
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
            "quality": quality,
            "size": f"{width}x{height}",
            "data": [{"b64_json": base64.b64encode(data).decode()} for data in files],
            "usage": usage,
        }
        headers = {"x-request-id": job_id}
        if asked.stream:
            drafts = [
                self.draft_bytes or self.picture(width // 4, height // 4, f"draft {n}")
                for n in range(asked.partial_images)
            ]
            events = self._events(values, drafts, "image_edit" if pictures_in else "image_generation")
            return await self._stream(request, events, headers)
        return web.Response(body=json.dumps(values).encode(), content_type="application/json", headers=headers)

    def _events(self, values: dict[str, Any], drafts: list[bytes], kind: str) -> list[dict[str, Any]]:
        """The stream as the facts have it."""
        shared = {name: values[name] for name in ("size", "quality", "background", "output_format")} | {"created_at": 1}
        events: list[dict[str, Any]] = [
            {
                "type": f"{kind}.partial_image",
                "b64_json": base64.b64encode(draft).decode(),
                "partial_image_index": n,
                **shared,
            }
            for n, draft in enumerate(drafts)
        ]
        final = {"type": f"{kind}.completed", **values["data"][0], "usage": values["usage"], **shared}
        broken = {"error": TROUBLES["server error"], "refusal": TROUBLES["refused output"]}.get(self.stream_ends)
        if broken:
            _, error_type, code, message = broken
            return [*events[:1], {"type": "error", "error": {"type": error_type, "code": code, "message": message}}]
        if self.stream_ends == "nothing":
            return events[:1]
        return [*events[:1], final, *events[1:]] if self.stream_ends == "early final" else [*events, final]

    async def _stream(
        self, request: web.Request, events: list[dict[str, Any]], headers: dict[str, str]
    ) -> web.StreamResponse:
        lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
        if self.between_events is None:
            return web.Response(body=b"".join(lines), content_type="text/event-stream", headers=headers)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", **headers})
        await answer.prepare(request)
        for line in lines[:-1]:
            await answer.write(line)
        await self.between_events.wait()
        await answer.write(lines[-1])
        return answer

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


def _typed(name: str, text: str) -> Any:
    """A form's field as JSON would have it."""
    if name in ("n", "output_compression", "partial_images"):
        return int(text)
    return {"true": True, "false": False}.get(text, text) if name == "stream" else text


def _error(status: int, kind: str, code: str, message: str, param: str | None = None) -> Rejected:
    return Rejected(status, {"error": {"message": message, "type": kind, "param": param, "code": code}})
