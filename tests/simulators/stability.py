"""Stability AI v2beta: forms alone, image to image only with a strength, blurred pictures as successes."""

import base64
import hashlib
from collections import Counter
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from aiohttp import web
from pydantic import Field

from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict, opened

SIZES = {
    "16:9": (1344, 768), "1:1": (1024, 1024), "21:9": (1536, 640), "2:3": (832, 1216), "3:2": (1216, 832),
    "4:5": (896, 1088), "5:4": (1088, 896), "9:16": (768, 1344), "9:21": (640, 1536),
}  # fmt: skip
CREDITS = {"core": "3", "ultra": "8", "sd3.5-large": "6.5", "sd3.5-large-turbo": "4", "sd3.5-medium": "3.5"}
CREDITS |= {"sd3.5-flash": "2.5", "inpaint": "5", "outpaint": "4", "erase": "5"}
CREDITS |= {"structure": "5", "sketch": "5", "style": "5"}
CREDITS |= {"fast": "2", "conservative": "40", "creative": "60", "remove-background": "5"}
MEGAPIXEL = 1024 * 1024
PIXELS = {
    "upscale/fast": (1024, MEGAPIXEL), "upscale/conservative": (4096, 9_437_184), "upscale/creative": (4096, MEGAPIXEL),
    "edit/remove-background": (4096, 4_194_304),
}  # fmt: skip
"""Of the picture that is given, fewest and most."""
TROUBLES = {
    "rate limited": (429, "rate_limit_exceeded", "You have exceeded the rate limit of 150 requests in 10 seconds."),
    "day is over": (429, "rate_limit_exceeded", "You have exceeded the rate limit."),
    "no money": (402, "payment_required", "You lack sufficient credits to make this request."),
    "refused prompt": (403, "content_moderation", "Your request was flagged by our content moderation system."),
    "server error": (500, "internal_error", "An unexpected server error has occurred."),
}


class Fast(Strict):
    output_format: Literal["png", "jpeg", "webp"] = "png"


class RemoveBackground(Strict):
    output_format: Literal["png", "webp"] = "png"


class Erase(Fast):
    seed: Annotated[int, Field(ge=0, le=4_294_967_294)] = 0


class Outpaint(Erase):
    prompt: Annotated[str, Field(max_length=10_000)] = ""
    creativity: Annotated[float, Field(ge=0, le=1)] = 0.5
    left: Annotated[int, Field(ge=0, le=2000)] = 0
    up: Annotated[int, Field(ge=0, le=2000)] = 0
    right: Annotated[int, Field(ge=0, le=2000)] = 0
    down: Annotated[int, Field(ge=0, le=2000)] = 0


class Common(Erase):
    prompt: Annotated[str, Field(min_length=1, max_length=10_000)]
    negative_prompt: Annotated[str, Field(max_length=10_000)] | None = None


class Conservative(Common):
    creativity: Annotated[float, Field(ge=0.2, le=0.5)] = 0.35


class Creative(Common):
    creativity: Annotated[float, Field(ge=0.1, le=0.5)] = 0.3
    style_preset: str | None = None


class Control(Common):
    control_strength: Annotated[float, Field(ge=0, le=1)] = 0.7


class Core(Common):
    aspect_ratio: Literal["16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"] | None = None


class Style(Core):
    fidelity: Annotated[float, Field(ge=0, le=1)] = 0.5


class Ultra(Core):
    strength: Annotated[float, Field(ge=0, le=1)] | None = None


class Sd3(Ultra):
    model: Literal["sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium", "sd3.5-flash"] = "sd3.5-large"
    mode: Literal["text-to-image", "image-to-image"] = "text-to-image"
    cfg_scale: Annotated[float, Field(ge=1, le=10)] | None = None


BODIES: dict[str, type[Strict]] = {
    "generate/core": Core,
    "generate/ultra": Ultra,
    "generate/sd3": Sd3,
    "edit/inpaint": Common,
    "edit/outpaint": Outpaint,
    "edit/erase": Erase,
    "control/structure": Control,
    "control/sketch": Control,
    "control/style": Style,
    "upscale/fast": Fast,
    "upscale/conservative": Conservative,
    "upscale/creative": Creative,
    "edit/remove-background": RemoveBackground,
}
FILES = {"edit/inpaint": {"image", "mask"}, "edit/erase": {"image", "mask"}}
NUMBERS = ("seed", "left", "up", "right", "down")


class StabilitySimulator(Simulator):
    """`POST /v2beta/stable-image/…`."""

    name: ClassVar[str] = "stability"

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, Any] = {}
        """Pictures of the last request, by the member's name."""
        self.jobs: dict[str, dict[str, Any]] = {}
        """What becomes of jobs, by their id."""
        self.running = 1
        """How many questions about a job are answered with 202."""
        self._asked: Counter[str] = Counter()

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", "/v2beta/stable-image/{kind}/{name}"): self.generate}

    def free_routes(self) -> dict[tuple[str, str], Handler]:
        return {("GET", "/v2beta/results/{id}"): self.result}

    def check_key(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        if given != f"Bearer {self.key}":
            raise _error(401, "unauthorized", f"authorization: {given} is not valid")

    def trouble(self, fault: Fault) -> web.Response:
        if fault.trouble == "refused output":
            blurred = base64.b64encode(self.picture(64, 64, "blurred")).decode()
            return web.json_response({"image": blurred, "finish_reason": "CONTENT_FILTERED", "seed": 7})
        answer = _error(*TROUBLES[str(fault.trouble)])
        headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
        return web.json_response(answer.body, status=answer.status, headers=headers)

    def invalid(self, where: str, message: str) -> Rejected:
        return _error(400, "bad_request", f"{where}: {message}")

    async def generate(self, request: web.Request) -> web.Response:
        path = f"{request.match_info['kind']}/{request.match_info['name']}"
        if path not in BODIES:
            raise _error(404, "not_found", "The requested resource was not found.")
        if request.content_type != "multipart/form-data":
            raise self.invalid("content-type", "must be multipart/form-data")
        if request.headers.get("Accept") != "application/json":
            raise self.invalid("accept", "must be application/json or image/*")
        asked = await self._form(request, BODIES[path])
        width, height = self._size(asked, path)
        model = getattr(asked, "model", None) or path.rpartition("/")[2]
        seed = getattr(asked, "seed", 0) or 424242
        job_id = f"job-{len(self.ledger)}"
        seen = {**asked.model_dump(exclude_none=True), "model": model, "files": sorted(self.files)}
        self.bill(job_id, Decimal(CREDITS[model]) / 100, 1, seen)
        made = self.cut_out if path == "edit/remove-background" else self.picture
        data = base64.b64encode(made(width, height, f"{getattr(asked, 'prompt', path)} {job_id}")).decode()
        if path == "upscale/creative":
            name = hashlib.sha256(job_id.encode()).hexdigest()
            self.jobs[name] = {"result": data, "finish_reason": "SUCCESS", "seed": seed}
            return web.json_response({"id": name}, headers={"x-request-id": job_id})
        values = {"image": data, "finish_reason": "SUCCESS", "seed": seed}
        return web.json_response(values, headers={"x-request-id": job_id})

    async def result(self, request: web.Request) -> web.Response:
        """202 at first, then what became of the job."""
        name = request.match_info["id"]
        if name not in self.jobs:
            raise _error(404, "not_found", f"id: the generation {name} was not found")
        self._asked[name] += 1
        if self._asked[name] <= self.running:
            return web.json_response({"id": name, "status": "in-progress"}, status=202)
        return web.json_response(self.jobs[name])

    async def _form(self, request: web.Request, model: type[Strict]) -> Any:
        fields: dict[str, Any] = {}
        self.files = {}
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                data = value.file.read()
                if len(data) > 10 * 10**6:
                    raise _error(413, "payload_too_large", "Your request was larger than 10MiB.")
                self.files[name] = opened(data)
            else:
                kind = int if name in NUMBERS else float if name in ("strength", "cfg_scale", "creativity") else str
                fields[name] = kind(str(value))
        return self.checked(fields, model)

    def _size(self, asked: Any, path: str) -> tuple[int, int]:
        drawn = path.startswith("generate/")
        with_picture = getattr(asked, "strength", None) is not None or getattr(asked, "mode", "") == "image-to-image"
        expected = FILES.get(path, {"image"}) if with_picture or not drawn else set()
        if set(self.files) != expected:
            raise self.invalid("image", f"{sorted(expected)} expected, not {sorted(self.files)}")
        if not expected or path == "control/style":
            return SIZES[asked.aspect_ratio or "1:1"]
        if getattr(asked, "aspect_ratio", None):
            raise self.invalid("aspect_ratio", "only for text-to-image")
        if drawn and asked.strength is None:
            raise self.invalid("strength", "required with an image")
        width, height = self.files["image"].size
        if path in PIXELS:
            return self._worked_size(path, width, height)
        if "mask" in expected and self.files["mask"].size != (width, height):
            raise self.invalid("mask", "must have the size of the image")
        if path == "edit/outpaint":
            if not any((asked.left, asked.up, asked.right, asked.down)):
                raise self.invalid("left", "at least one side must grow")
            width, height = width + asked.left + asked.right, height + asked.up + asked.down
        if min(self.files["image"].size) < 64 or width * height > 9_437_184:
            raise self.invalid("image", "at least 64 pixels a side, at most 9,437,184 pixels")
        return width, height

    def _worked_size(self, path: str, width: int, height: int) -> tuple[int, int]:
        fewest, most = PIXELS[path]
        if not fewest <= width * height <= most:
            raise self.invalid("image", f"must have {fewest} to {most} pixels")
        if path == "upscale/fast":
            if min(width, height) < 32 or max(width, height) > 1536:
                raise self.invalid("image", "a side must have 32 to 1536 pixels")
            return width * 4, height * 4
        if min(width, height) < 64:
            raise self.invalid("image", "a side must have at least 64 pixels")
        scale = (4 * MEGAPIXEL / (width * height)) ** 0.5 if path.startswith("upscale") else 1
        return round(width * scale), round(height * scale)


def _error(status: int, name: str, message: str) -> Rejected:
    return Rejected(status, {"id": "e5f0a1", "name": name, "errors": [message]})
