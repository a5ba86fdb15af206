"""BytePlus Ark's picture endpoint: sizes by name or in pixels, fields that some models refuse, errors in 200."""

import asyncio
import base64
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from aiohttp import web
from pydantic import Field

from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict, opened


@dataclass(frozen=True)
class Sold:
    """What a model costs and takes."""

    price: str
    least: int
    most: int
    words: tuple[str, ...]
    references: int = 14
    png: bool = True
    series: bool = False
    reference_price: str = "0"


SOLD = {
    "seedream-5-0-260128": Sold("0.035", 3_686_400, 10_404_496, ("2K", "3K"), series=True),
    "dola-seedream-5-0-flash-260915": Sold("0.018", 921_600, 4_194_304, ("1K", "2K"), 10),
    "dola-seedream-5-0-pro-260628": Sold("0.09", 921_600, 4_194_304, ("1K", "2K"), 10, reference_price="0.003"),
    "seedream-4-5-251128": Sold("0.04", 3_686_400, 16_777_216, ("2K", "4K"), png=False, series=True),
    "seedream-4-0-250828": Sold("0.03", 921_600, 16_777_216, ("1K", "2K", "4K"), png=False, series=True),
}
SIDES = {"1K": 1024, "2K": 2048, "3K": 3072, "4K": 4096}
TROUBLES: dict[str, tuple[int, str, str]] = {
    "rate limited": (429, "ModelAccountIpmRateLimitExceeded", "The images per minute limit of the model is reached."),
    "day is over": (429, "QuotaExceeded", "Your free quota of this model is used up."),
    "no money": (403, "AccountOverdueError", "The request failed because your account has an overdue balance."),
    "refused prompt": (400, "InputTextSensitiveContentDetected", "The input text may contain sensitive information."),
    "refused output": (400, "OutputImageSensitiveContentDetected", "The output image may contain sensitive content."),
    "server error": (500, "InternalServiceError", "The service encountered an unexpected internal error."),
}


class Options(Strict):
    mode: Literal["standard", "fast"]


class Series(Strict):
    max_images: Annotated[int, Field(ge=1, le=15)] = 15


class Asked(Strict):
    model: str
    prompt: Annotated[str, Field(min_length=1)]
    image: str | list[str] | None = None
    size: Annotated[str, Field(pattern=r"^([1-4]K|\d+x\d+)$")] = "2K"
    response_format: Literal["url", "b64_json"] = "url"
    watermark: bool = True
    optimize_prompt_options: Options | None = None
    output_format: Literal["png", "jpeg"] | None = None
    sequential_image_generation: Literal["disabled", "auto"] | None = None
    sequential_image_generation_options: Series | None = None
    stream: bool = False


class SeedreamSimulator(Simulator):
    """`/api/v3/images/generations`."""

    name: ClassVar[str] = "seedream"

    def __init__(self) -> None:
        super().__init__()
        self.item_error: dict[str, str] | None = None
        """Given instead of the picture, in an answer that says 200."""
        self.whole_error: dict[str, str] | None = None
        """The same for the answer as a whole."""
        self.reports: str | None = None
        """The model that the answer names, where it is not the one asked for."""
        self.formats: list[str] = []
        self.series_fails: dict[int, dict[str, str]] = {}
        """Errors of pictures of the next series, by their place in it."""
        self.series_made: int | None = None
        """How many pictures the model finds in the prompt; as many as it may."""
        self.stream_ends: Literal["whole", "early", "torn", "hangs", "error"] = "whole"
        """`early`: before its last event; `torn`: in the midst of the second picture, and the connection with it.
        `hangs`: it stays open after the first picture. `error`: an error stands for the last event."""

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", "/api/v3/images/generations"): self.generate}

    def check_key(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            raise _error(401, "AuthenticationError", "The API key in the request is missing or invalid.")

    def trouble(self, fault: Fault) -> web.Response:
        status, code, message = TROUBLES[str(fault.trouble)]
        headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
        return web.json_response(_error(status, code, message).body, status=status, headers=headers)

    def invalid(self, where: str, message: str) -> Rejected:
        return _error(400, "InvalidParameter", f"The parameter `{where}` is not valid: {message}")

    async def generate(self, request: web.Request) -> web.StreamResponse:
        asked = await self.body(request, Asked)
        sold = SOLD.get(asked.model)
        if sold is None:
            raise _error(404, "ModelNotOpen", f"Your account has not activated the model {asked.model}.")
        if asked.sequential_image_generation_options and asked.sequential_image_generation != "auto":
            raise self.invalid("sequential_image_generation_options", "only with auto")
        if asked.sequential_image_generation is not None and not sold.series:
            raise self.invalid("sequential_image_generation", "not supported by the model")
        if asked.output_format is not None and not sold.png:
            raise self.invalid("output_format", "not supported by the model")
        width, height = self._size(asked, sold)
        inputs = self._inputs(asked, sold)
        if asked.sequential_image_generation == "auto":
            return await self._series(request, asked, sold, (width, height), inputs)
        made = 0 if self.item_error or self.whole_error else 1
        job_id = f"job-{len(self.ledger)}"
        if made:
            amount = Decimal(sold.price) + Decimal(sold.reference_price) * max(0, inputs - 1)
            self.bill(job_id, amount, made, asked.model_dump(exclude={"image"}, exclude_none=True))
        self.formats.append(asked.output_format or "jpeg")
        usage = {"input_images": inputs, "generated_images": made, "output_tokens": 16384 * made}
        answer: dict[str, Any] = {"model": self.reports or asked.model, "created": 1, "data": [], "usage": usage}
        if self.whole_error:
            answer["error"] = self.whole_error
        elif self.item_error:
            answer["data"] = [{"error": self.item_error}]
        else:
            answer["data"] = [self._item(asked, width, height, f"{asked.prompt} {job_id}")]
        return web.json_response(answer)

    async def _series(
        self, request: web.Request, asked: Asked, sold: Sold, size: tuple[int, int], inputs: int
    ) -> web.StreamResponse:
        options = asked.sequential_image_generation_options or Series()
        if inputs + options.max_images > 15:
            raise self.invalid("max_images", "pictures given and made are at most 15 together")
        if not asked.stream:
            raise self.invalid("stream", "this simulator makes series as streams alone")
        number = self.series_made or options.max_images
        made = number - len(self.series_fails)
        job_id = f"job-{len(self.ledger)}"
        self.bill(job_id, Decimal(sold.price) * made, made, asked.model_dump(exclude={"image"}, exclude_none=True))
        events: list[dict[str, Any]] = []
        for index in range(number):
            shared = {"model": asked.model, "created": 1, "image_index": index}
            if index in self.series_fails:
                error = self.series_fails[index]
                events.append({"type": "image_generation.partial_failed", **shared, "error": error})
            else:
                item = self._item(asked, *size, f"{asked.prompt} {job_id} {index}")
                events.append({"type": "image_generation.partial_succeeded", **shared, **item})
        usage = {"generated_images": made, "output_tokens": 16384 * made}
        events.append({"type": "image_generation.completed", "model": asked.model, "created": 1, "usage": usage})
        lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
        if self.stream_ends == "error":
            error = {"code": "InternalServiceError", "message": "The series was given up."}
            lines[-1] = f"data: {json.dumps({'error': error})}\n\n".encode()
        if self.stream_ends == "early":
            lines = lines[:-1]
        if self.stream_ends not in ("torn", "hangs"):
            body = b"".join(lines) + (b"data: [DONE]\n\n" if self.stream_ends == "whole" else b"")
            return web.Response(body=body, content_type="text/event-stream")
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(lines[0])
        if self.stream_ends == "hangs":
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.01)
            return answer
        await answer.write(lines[1][: len(lines[1]) // 2])
        await asyncio.sleep(0.02)  # so that both are on their way before the end
        assert request.transport is not None
        request.transport.abort()
        return answer

    def _item(self, asked: Asked, width: int, height: int, text: str) -> dict[str, str]:
        file = self.picture(width, height, text, "PNG" if asked.output_format == "png" else "JPEG")
        size = f"{width}x{height}"
        if asked.response_format == "url":
            return {"url": self.picture_url(f"{len(self.ledger)}.png", file), "size": size}
        return {"b64_json": base64.b64encode(file).decode(), "size": size}

    def _size(self, asked: Asked, sold: Sold) -> tuple[int, int]:
        if asked.size in SIDES:
            if asked.size not in sold.words:
                raise self.invalid("size", f"{asked.size} is not supported by the model")
            return SIDES[asked.size], SIDES[asked.size]
        width, height = map(int, asked.size.split("x"))
        if not sold.least <= width * height <= sold.most or max(width, height) > 16 * min(width, height):
            raise self.invalid("size", f"image size must be between {sold.least} and {sold.most} pixels")
        return width, height

    def _inputs(self, asked: Asked, sold: Sold) -> int:
        pictures = asked.image if isinstance(asked.image, list) else [asked.image] if asked.image else []
        if len(pictures) > sold.references:
            raise self.invalid("image", f"at most {sold.references} pictures are supported")
        for picture in pictures:
            head, _, text = picture.partition(";base64,")
            try:
                opened(base64.b64decode(text, validate=True))
            except ValueError:
                raise self.invalid("image", "not a picture") from None
            if not head.startswith("data:image/"):
                raise self.invalid("image", "a data URI or an address is expected")
        return len(pictures)


def _error(status: int, code: str, message: str) -> Rejected:
    return Rejected(status, {"error": {"code": code, "message": message, "param": "", "type": "BadRequest"}})
