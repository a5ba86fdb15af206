"""Black Forest Labs: strict bodies by model, a job that walks through states, credits told at the start."""

import base64
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from aiohttp import web
from PIL import Image
from pydantic import Field

from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict, opened

WALK = ["Pending", "Reasoning", "Generating", "Ready"]
Ratio = Literal["auto", "21:9", "16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16", "9:21"]
Prompt = Annotated[str, Field(min_length=1)]
SIDES = {"768sq": 768, "1k": 1024, "1.5k": 1536, "2k": 2048, "4k": 4096}
FLUX_3_CREDITS = {"768sq": "4.1", "1k": "4.8", "1.5k": "7", "2k": "10", "4k": "60.7"}
CREDITS = {"flux-2-pro": ("3", "1.5"), "flux-2-max": ("7", "3"), "flux-2-flex": ("6", "6")}
CREDITS |= {"flux-2-klein-4b": ("1.4", "0.1"), "flux-2-klein-9b": ("1.5", "0.2")}
FLAT = {"flux-kontext-pro": "4", "flux-kontext-max": "8", "flux-pro-1.0-fill": "5", "flux-pro-1.0-expand": "5"}
FLAT |= {"flux-pro-1.1": "4", "flux-pro-1.1-ultra": "6"}
TROUBLES: dict[str, tuple[int, dict[str, Any]]] = {
    "rate limited": (429, {"error": "rate_limit_exceeded", "message": "Too many active tasks."}),
    "day is over": (429, {"error": "rate_limit_exceeded", "message": "Too many requests today."}),
    "no money": (402, {"detail": "Insufficient credits. Please add credits."}),
    "server error": (500, {"detail": "Internal server error"}),
}


class Flux3(Strict):
    prompt: Prompt
    images: Annotated[list[str], Field(min_length=1, max_length=10)] | None = None
    aspect_ratio: Ratio = "auto"
    resolution: Literal["768sq", "1k", "1.5k", "2k", "4k"] = "1k"
    safety_tolerance: Annotated[int, Field(ge=0, le=4)] = 2
    grounding: bool = True


class Flux3Klein(Strict):
    prompt: Prompt
    images: Annotated[list[str], Field(min_length=1, max_length=10)] | None = None
    width: Annotated[int, Field(ge=64, le=4096, multiple_of=16)] = 1024
    height: Annotated[int, Field(ge=64, le=4096, multiple_of=16)] = 1024
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    safety_tolerance: Annotated[int, Field(ge=0, le=4)] = 2
    output_format: Literal["jpeg", "png"] = "jpeg"


class Flux2Klein(Strict):
    prompt: Prompt
    width: Annotated[int, Field(ge=64, multiple_of=16)] = 1024
    height: Annotated[int, Field(ge=64, multiple_of=16)] = 1024
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    safety_tolerance: Annotated[int, Field(ge=0, le=5)] = 2
    output_format: Literal["jpeg", "png"] = "jpeg"
    input_image: str | None = None
    input_image_2: str | None = None
    input_image_3: str | None = None
    input_image_4: str | None = None


class Flux2(Flux2Klein):
    input_image_5: str | None = None
    input_image_6: str | None = None
    input_image_7: str | None = None
    input_image_8: str | None = None


class Flex(Flux2):
    steps: Annotated[int, Field(ge=1, le=50)] = 50
    guidance: Annotated[float, Field(ge=1.5, le=10)] = 4.5
    prompt_upsampling: bool = True


class Kontext(Strict):
    prompt: Prompt
    input_image: str | None = None
    aspect_ratio: Ratio = "1:1"
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    safety_tolerance: Annotated[int, Field(ge=0, le=6)] = 2


class Pro(Strict):
    prompt: Prompt
    image_prompt: str | None = None
    width: Annotated[int, Field(ge=256, le=1440, multiple_of=32)] = 1024
    height: Annotated[int, Field(ge=256, le=1440, multiple_of=32)] = 768
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    safety_tolerance: Annotated[int, Field(ge=0, le=6)] = 2
    output_format: Literal["jpeg", "png"] = "jpeg"


class Ultra(Strict):
    prompt: Prompt
    image_prompt: str | None = None
    aspect_ratio: Ratio = "16:9"
    raw: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    safety_tolerance: Annotated[int, Field(ge=0, le=6)] = 2
    output_format: Literal["jpeg", "png"] = "jpeg"


class Edited(Strict):
    prompt: str
    image: str
    steps: Annotated[int, Field(ge=15, le=50)] = 50
    guidance: Annotated[float, Field(ge=1.5, le=100)] = 60
    prompt_upsampling: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    safety_tolerance: Annotated[int, Field(ge=0, le=6)] = 2
    output_format: Literal["jpeg", "png"] = "jpeg"


class Fill(Edited):
    mask: str


class Expand(Edited):
    top: Annotated[int, Field(ge=0, le=2048)] = 0
    bottom: Annotated[int, Field(ge=0, le=2048)] = 0
    left: Annotated[int, Field(ge=0, le=2048)] = 0
    right: Annotated[int, Field(ge=0, le=2048)] = 0


BODIES: dict[str, type[Strict]] = {
    "flux-3-image": Flux3,
    "flux-3-image-klein": Flux3Klein,
    "flux-2-pro": Flux2,
    "flux-2-max": Flux2,
    "flux-2-flex": Flex,
    "flux-2-klein-4b": Flux2Klein,
    "flux-2-klein-9b": Flux2Klein,
    "flux-kontext-pro": Kontext,
    "flux-kontext-max": Kontext,
    "flux-pro-1.1": Pro,
    "flux-pro-1.1-ultra": Ultra,
    "flux-pro-1.0-fill": Fill,
    "flux-pro-1.0-expand": Expand,
}


class BflSimulator(Simulator):
    """`POST /v1/{model}` and the polling address. A job moves on when it is asked for."""

    name: ClassVar[str] = "bfl"
    address_seconds: ClassVar[float | None] = 600

    def __init__(self) -> None:
        super().__init__()
        self.walk = list(WALK)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.samples: dict[str, bytes] = {}
        """The pictures of jobs, by their ids."""
        self.polling_address: str | None = None
        """Given instead of the true address of a job."""
        self.files: dict[str, Image.Image] = {}
        """Pictures of the last request, by the member's name."""

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", "/v1/{model}"): self.submit}

    def free_routes(self) -> dict[tuple[str, str], Handler]:
        return {("GET", "/v1/get_result"): self.job}

    def check_key(self, request: web.Request) -> None:
        if request.headers.get("x-key") != self.key or "Authorization" in request.headers:
            raise Rejected(403, {"detail": f"Not authenticated - {request.headers.get('x-key')} is invalid"})

    def trouble(self, fault: Fault) -> web.Response:
        if fault.trouble in ("refused prompt", "refused output"):
            status = "Request Moderated" if fault.trouble == "refused prompt" else "Content Moderated"
            details = {"Moderation Reasons": ["Safety Filter"]}
            return self._taken([status], {"details": details}, Decimal(1))
        status_code, body = TROUBLES[str(fault.trouble)]
        if fault.retry_after is not None:
            body = {**body, "retry_after": fault.retry_after}
        return web.json_response(body, status=status_code)

    def invalid(self, where: str, message: str) -> Rejected:
        return Rejected(422, {"detail": [{"loc": ["body", where], "msg": message, "type": "value_error"}]})

    async def submit(self, request: web.Request) -> web.Response:
        model = request.match_info["model"]
        if model not in BODIES:
            raise Rejected(404, {"detail": "Not Found"})
        asked: Any = await self.body(request, BODIES[model])
        values = asked.model_dump()
        self.files = {}
        for name, text in values.items():
            if text and (name in ("image", "mask", "image_prompt") or name.startswith("input_image")):
                self.files[name] = self._opened(name, text)
            for index, part in enumerate(text if name == "images" and text else []):
                self.files[f"images.{index}"] = self._opened(name, part)
        width, height = self._size(model, values)
        credits = self._credits(model, values, width, height)
        job_id = f"job-{len(self.jobs)}"
        told = {name: value for name, value in values.items() if name not in self.files and name != "images"}
        self.bill(job_id, credits / 100, 1, {**told, "model": model, "files": sorted(self.files)})
        seed = values.get("seed")
        result = {"prompt": asked.prompt, "seed": 424242 if seed is None else seed}
        self.samples[job_id] = self.picture(width, height, f"{asked.prompt} {job_id}")
        return self._taken(list(self.walk), {"result": result}, credits)

    def _taken(self, walk: list[str], last: dict[str, Any], credits: Decimal) -> web.Response:
        job_id = f"job-{len(self.jobs)}"
        self.jobs[job_id] = {"walk": walk, "last": last}
        address = self.polling_address or f"{self.base_url}/v1/get_result?id={job_id}"
        return web.json_response({"id": job_id, "polling_url": address, "cost": float(credits)})

    async def job(self, request: web.Request) -> web.Response:
        if any(fault.kind == "trouble" for fault in self.free_faults):
            return web.Response(status=503)
        job_id = request.query.get("id", "")
        job = self.jobs.get(job_id)
        if job is None:
            return web.json_response({"id": job_id, "status": "Task not found", "result": None}, status=404)
        walk = job["walk"]
        status = walk.pop(0) if len(walk) > 1 else walk[0]
        last = job["last"] if len(walk) == 1 and status == walk[0] else {}
        if "result" in last:  # signed anew for whoever asks
            name = f"{job_id}-{len(self.pictures)}.png"
            last = {"result": {**last["result"], "sample": self.picture_url(name, self.samples[job_id])}}
        return web.json_response({"id": job_id, "status": status, "result": None, "details": None, **last})

    def _opened(self, name: str, text: str) -> Image.Image:
        try:
            return opened(base64.b64decode(text, validate=True))
        except ValueError:
            raise self.invalid(name, "not a picture in base64") from None

    def _size(self, model: str, values: dict[str, Any]) -> tuple[int, int]:
        if model == "flux-pro-1.0-fill":
            if self.files["image"].size != self.files["mask"].size:
                raise self.invalid("mask", "must have the size of the image")
            return self.files["image"].size
        if model == "flux-pro-1.0-expand":
            width, height = self.files["image"].size
            grown = (width + values["left"] + values["right"], height + values["top"] + values["bottom"])
            if grown == (width, height):
                raise self.invalid("top", "nothing to expand")
            return grown
        if "aspect_ratio" in values:
            across, down = map(int, values["aspect_ratio"].split(":"))
            side = SIDES[values.get("resolution", "2k" if model == "flux-pro-1.1-ultra" else "1k")]
            width = round(side * (across / down) ** 0.5 / 16) * 16
            return width, round(side * side / width / 16) * 16
        width, height = int(values["width"]), int(values["height"])
        if width * height > (16 if "images" in values else 4) * 2**20:
            raise self.invalid("width", "too many pixels")
        return width, height

    def _credits(self, model: str, values: dict[str, Any], width: int, height: int) -> Decimal:
        if model in FLAT:
            return Decimal(FLAT[model])
        if model == "flux-3-image":
            return Decimal(FLUX_3_CREDITS[values["resolution"]])
        if model == "flux-3-image-klein":
            return Decimal("0.9" if width * height <= 2**20 else "1.4" if width * height <= 2**22 else "3.6")
        first, more = CREDITS[model]
        given = sum(-(-file.width * file.height // 2**20) for file in self.files.values())
        return Decimal(first) + Decimal(more) * (-(-width * height // 2**20) - 1 + given)
