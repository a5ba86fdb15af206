"""Replicate's predictions of official models: a walk of statuses, refusals that are failures, limits told in words."""

import base64
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from aiohttp import web
from PIL import Image
from pydantic import Field

from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict, opened

LISTED = ("id", "urls", "model", "created_at", "input")
WALK = ("starting", "processing", "succeeded")
SIZES = {
    "1:1": (1024, 1024), "16:9": (1344, 768), "9:16": (768, 1344), "3:2": (1216, 832), "2:3": (832, 1216),
    "4:3": (1152, 896), "3:4": (896, 1152), "21:9": (1536, 640), "9:21": (640, 1536),
}  # fmt: skip


Ratio = Literal["1:1", "16:9", "9:16", "3:2", "2:3", "4:3", "3:4", "21:9", "9:21"]
Format = Literal["webp", "jpg", "png"]
Multiple = Annotated[int, Field(ge=256, le=2048, multiple_of=32)]


class Schnell(Strict):
    prompt: Annotated[str, Field(min_length=1)]
    aspect_ratio: Ratio = "1:1"
    num_outputs: Annotated[int, Field(ge=1, le=4)] = 1
    output_format: Format = "webp"
    seed: int | None = None
    num_inference_steps: Annotated[int, Field(ge=1, le=4)] = 4
    go_fast: bool = True
    disable_safety_checker: bool = False


class Dev(Schnell):
    num_inference_steps: Annotated[int, Field(ge=1, le=50)] = 28
    guidance: Annotated[float, Field(ge=0, le=10)] = 3.0
    image: str | None = None
    prompt_strength: Annotated[float, Field(ge=0, le=1)] = 0.8


class Flux2Pro(Strict):
    prompt: Annotated[str, Field(min_length=1)]
    input_images: Annotated[tuple[str, ...], Field(max_length=8, strict=False)] = ()
    aspect_ratio: Literal["custom"]
    width: Multiple
    height: Multiple
    safety_tolerance: Annotated[int, Field(ge=1, le=5)] = 2
    seed: int | None = None
    output_format: Format = "webp"


class Kontext(Strict):
    prompt: Annotated[str, Field(min_length=1)]
    input_image: str | None = None
    aspect_ratio: Ratio | Literal["match_input_image"] = "match_input_image"
    safety_tolerance: Annotated[int, Field(ge=0, le=6)] = 2
    prompt_upsampling: bool = False
    seed: int | None = None
    output_format: Literal["jpg", "png"] = "png"


class FillDev(Strict):
    prompt: Annotated[str, Field(min_length=1)]
    image: str
    mask: str
    num_outputs: Annotated[int, Field(ge=1, le=4)] = 1
    num_inference_steps: Annotated[int, Field(ge=1, le=50)] = 28
    guidance: Annotated[float, Field(ge=0, le=100)] = 30.0
    megapixels: Literal["1", "0.25", "match_input"] = "1"
    seed: int | None = None
    output_format: Format = "webp"
    disable_safety_checker: bool = False


class FillPro(Strict):
    prompt: Annotated[str, Field(min_length=1)]
    image: str
    mask: str
    safety_tolerance: Annotated[int, Field(ge=1, le=6)] = 2
    prompt_upsampling: bool = False
    seed: int | None = None
    output_format: Literal["jpg", "png"] = "jpg"


class RealEsrgan(Strict):
    image: str
    scale: Annotated[float, Field(ge=0, le=10)] = 4
    face_enhance: bool = False


class RemoveBackground(Strict):
    image: str


OWNERS = {"real-esrgan": "nightmareai", "remove-background": "bria"}
"""All other models are Black Forest Labs'."""
INPUTS: dict[str, tuple[type[Strict], str]] = {
    "flux-schnell": (Schnell, "0.003"),
    "flux-dev": (Dev, "0.025"),
    "flux-2-pro": (Flux2Pro, "0.015"),
    "flux-kontext-pro": (Kontext, "0.04"),
    "flux-kontext-max": (Kontext, "0.08"),
    "flux-fill-dev": (FillDev, "0.04"),
    "flux-fill-pro": (FillPro, "0.05"),
    "real-esrgan": (RealEsrgan, "0.002"),
    "remove-background": (RemoveBackground, "0.018"),
}


class Creation(Strict):
    input: dict[str, Any]


class ReplicateSimulator(Simulator):
    """`POST /v1/models/{owner}/{name}/predictions` and `GET /v1/predictions/{id}`. A job moves on when asked for."""

    name: ClassVar[str] = "replicate"

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, dict[str, Any]] = {}
        self.ends: tuple[str, str] | None = None
        """Status and error that the next predictions end with."""
        self.asking_address: str | None = None
        """Given instead of the true address of a prediction."""
        self.files: dict[str, Image.Image] = {}
        """Pictures of the last request, by the member's name."""

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", "/v1/models/{owner}/{name}/predictions"): self.create}

    def free_routes(self) -> dict[tuple[str, str], Handler]:
        return {
            ("GET", "/v1/predictions/{id}"): self.ask,
            ("GET", "/v1/predictions"): self.list,
            ("POST", "/v1/predictions/{id}/cancel"): self.cancel,
        }

    def check_key(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            given = request.headers.get("Authorization", "")
            raise _problem(401, "Unauthenticated", f"You did not pass a valid token: {given}")

    def trouble(self, fault: Fault) -> web.Response:
        if fault.trouble in ("refused prompt", "refused output"):
            return self._job("failed", "NSFW content detected. Try running it again, or try a different prompt.", [])
        if fault.trouble in ("rate limited", "day is over"):
            wait = f"{fault.retry_after:g}" if fault.retry_after is not None else "30"
            text = f"Request was throttled. Your rate limit resets in ~{wait}s."
            return _problem(429, "Too many requests", text).response()
        if fault.trouble == "no money":
            return _problem(402, "Insufficient credit", "You have insufficient credit to run this model.").response()
        return _problem(500, "Internal server error", "Something went wrong.").response()

    def invalid(self, where: str, message: str) -> Rejected:
        return _problem(422, "Input validation failed", f"- {where}: {message}")

    async def create(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        owner = OWNERS.get(name, "black-forest-labs")
        if name not in INPUTS or request.match_info["owner"] != owner:
            raise _problem(404, "Not found", "The requested resource could not be found.")
        kind, price = INPUTS[name]
        if request.headers.get("Cancel-After") != "10m":
            raise self.invalid("Cancel-After", "a deadline is expected")
        values: dict[str, Any] = self.checked((await self.body(request, Creation)).input, kind).model_dump()
        self.files = self._files(values)
        if self.files and values.get("safety_tolerance", 0) > 2 and name.startswith("flux-kontext"):
            raise self.invalid("safety_tolerance", "2 is the maximum allowed when input images are used")
        width, height = self._size(values)
        pixels = [width * height, *(file.width * file.height for file in self.files.values())]
        begun = sum(-(-count // 1_000_000) for count in pixels)
        number = values.get("num_outputs", 1)
        amount = Decimal(price) * (number if name != "flux-2-pro" else 1 + begun)
        job_id = f"prediction{len(self.jobs)}"
        told = {key: value for key, value in values.items() if key not in ("input_images", *self.files)}
        self.bill(job_id, amount, number, {**told, "model": name, "files": sorted(self.files)})
        made = self.cut_out if kind is RemoveBackground else self.picture
        output: Any = [
            self.picture_url(f"{job_id}-{n}.png", made(width, height, f"{values.get('prompt')} {job_id} {n}"))
            for n in range(number)
        ]
        if "num_outputs" not in values:
            output = output[0]
        status, error = self.ends or ("succeeded", None)
        return self._job(status, error, output, f"{owner}/{name}", values)

    def _files(self, values: dict[str, Any]) -> dict[str, Image.Image]:
        """The pictures in the input; a mask has the size of its picture."""
        texts = {name: values[name] for name in ("image", "mask", "input_image") if values.get(name)}
        texts |= {f"input_images.{index}": text for index, text in enumerate(values.get("input_images", ()))}
        files = {}
        for name, text in texts.items():
            try:
                files[name] = opened(base64.b64decode(text.partition(",")[2], validate=True))
            except ValueError:
                raise self.invalid(name, "not a picture") from None
        if "mask" in files and files["mask"].size != files["image"].size:
            raise self.invalid("mask", "must have the same size as image")
        return files

    def _size(self, values: dict[str, Any]) -> tuple[int, int]:
        if values.get("image"):
            width, height = self.files["image"].size
            if "scale" in values and width * height > 2_096_704:
                raise self.invalid("image", f"{width * height} pixels are more than what fits into memory, 2096704")
            scale = values.get("scale", 1)
            return round(width * scale), round(height * scale)
        return SIZES.get(values["aspect_ratio"]) or (values.get("width", 1024), values.get("height", 1024))

    async def list(self, request: web.Request) -> web.Response:
        shown = [{name: job[name] for name in LISTED} for job in reversed(self.jobs.values())][:100]
        return web.json_response({"next": None, "previous": None, "results": shown})

    def _job(
        self,
        status: str,
        error: str | None,
        output: Any,
        model: str = "black-forest-labs/flux-schnell",
        given: dict[str, Any] | None = None,
    ) -> web.Response:
        job_id = f"prediction{len(self.jobs)}"
        address = self.asking_address or f"{self.base_url}/v1/predictions/{job_id}"
        created = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        urls = {"get": address, "cancel": f"{address}/cancel"}
        job = {"id": job_id, "urls": urls, "logs": "", "metrics": {}, "model": model, "created_at": created}
        job["input"] = {name: value for name, value in (given or {}).items() if value is not None}
        self.jobs[job_id] = {**job, "walk": [*WALK[:2], status], "error": error, "output": output}
        return web.json_response({**job, "status": "starting", "output": None, "error": None}, status=201)

    async def ask(self, request: web.Request) -> web.Response:
        job = self._known(request)
        status = job["walk"].pop(0) if len(job["walk"]) > 1 and not self.stalls else job["walk"][0]
        return self._shown(job, status)

    async def cancel(self, request: web.Request) -> web.Response:
        """What has not started is aborted and free; the time of what runs is billed."""
        job = self._known(request)
        if job["walk"][0] in WALK[:2]:
            starts = job["walk"][0] == WALK[0]
            self.taken_back.append(job["id"])
            job["walk"], job["error"] = ["aborted" if starts else "canceled"], None
            job["output"] = None
            if starts:
                self.unbill(job["id"])
        return self._shown(job, job["walk"][0])

    def _known(self, request: web.Request) -> dict[str, Any]:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            raise _problem(404, "Not found", "The prediction could not be found.")
        return job

    def _shown(self, job: dict[str, Any], status: str) -> web.Response:
        ended = status not in WALK[:2]
        shown = {
            "output": job["output"] if ended and not job["error"] else None,
            "error": job["error"] if ended else None,
        }
        told = {name: value for name, value in job.items() if name not in ("walk", "output", "error")}
        return web.json_response({**told, "status": status, **shown})


def _problem(status: int, title: str, detail: str) -> Rejected:
    return Rejected(status, {"title": title, "detail": detail, "status": status})
