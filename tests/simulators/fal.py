"""fal's queue: addresses that leave out a part of the model's name, failures that are COMPLETED."""

import base64
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from aiohttp import web
from PIL import Image
from pydantic import Field

from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict, opened

WALK = ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
TROUBLES = {
    "rate limited": (429, "Too many requests."),
    "day is over": (429, "Too many requests today."),
    "no money": (403, "User is locked. Reason: Exhausted balance. Top up your balance."),
    "server error": (500, "Internal server error"),
}


class Size(Strict):
    width: Annotated[int, Field(ge=64, le=14142)]
    height: Annotated[int, Field(ge=64, le=14142)]


class Job(Strict):
    prompt: Annotated[str, Field(min_length=1)]
    num_images: Annotated[int, Field(ge=1, le=4)] = 1
    seed: Annotated[int, Field(ge=0)] | None = None
    output_format: Literal["jpeg", "png"] = "jpeg"


class Checked(Job):
    enable_safety_checker: bool = True


class Accelerated(Checked):
    acceleration: Literal["none", "regular", "high"] = "regular"


class Schnell(Accelerated):
    image_size: Size
    num_inference_steps: Annotated[int, Field(ge=1, le=12)] = 4
    guidance_scale: Annotated[float, Field(ge=1, le=20)] = 3.5


class Dev(Schnell):
    num_inference_steps: Annotated[int, Field(ge=1, le=50)] = 28


class DevFromPicture(Accelerated):
    image_url: str
    strength: Annotated[float, Field(ge=0.01, le=1)] = 0.95
    num_inference_steps: Annotated[int, Field(ge=10, le=50)] = 40
    guidance_scale: Annotated[float, Field(ge=1, le=20)] = 3.5


class DevMasked(Checked):
    image_url: str
    mask_url: str
    image_size: Size
    strength: Annotated[float, Field(ge=0.01, le=1)] = 0.85
    num_inference_steps: Annotated[int, Field(ge=1, le=50)] = 28
    guidance_scale: Annotated[float, Field(ge=0, le=35)] = 3.5


class ZImage(Accelerated):
    image_size: Size
    num_inference_steps: Annotated[int, Field(ge=1, le=8)] = 8
    enable_prompt_expansion: bool = False


class ZImageFromPicture(ZImage):
    image_url: str
    strength: Annotated[float, Field(ge=0, le=1)] = 0.6


class ZImageMasked(ZImageFromPicture):
    mask_image_url: str


class MiddleSize(Strict):
    width: Annotated[int, Field(ge=512, le=2048)]
    height: Annotated[int, Field(ge=512, le=2048)]


class Flux2(Accelerated):
    image_size: MiddleSize
    num_inference_steps: Annotated[int, Field(ge=4, le=50)] = 28
    guidance_scale: Annotated[float, Field(ge=0, le=20)] = 2.5
    enable_prompt_expansion: bool = False


class Flux2Edit(Flux2):
    image_urls: Annotated[list[str], Field(min_length=1, max_length=4)]


class Kontext(Job):
    aspect_ratio: Literal["21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21"] | None = None
    guidance_scale: Annotated[float, Field(ge=1, le=20)] = 3.5
    safety_tolerance: Literal["1", "2", "3", "4", "5", "6"] = "2"
    enhance_prompt: bool = False


class KontextEdit(Kontext):
    image_url: str


class KontextMulti(Kontext):
    image_urls: Annotated[list[str], Field(min_length=1)]


class Fill(Job):
    image_url: str
    mask_url: str
    safety_tolerance: Literal["1", "2", "3", "4", "5", "6"] = "2"
    enhance_prompt: bool = False


class Juggernaut(Checked):
    image_size: Size
    num_inference_steps: Annotated[int, Field(ge=1, le=50)] = 28
    guidance_scale: Annotated[float, Field(ge=1, le=20)] = 3.5


class JuggernautFromPicture(Checked):
    image_url: str
    strength: Annotated[float, Field(ge=0.01, le=1)] = 0.95
    num_inference_steps: Annotated[int, Field(ge=10, le=50)] = 40
    guidance_scale: Annotated[float, Field(ge=1, le=20)] = 3.5


class Clarity(Strict):
    image_url: str
    prompt: str = "masterpiece, best quality, highres"
    upscale_factor: Annotated[float, Field(ge=1, le=4)] = 2
    negative_prompt: str = "(worst quality, low quality, normal quality:2)"
    creativity: Annotated[float, Field(ge=0, le=1)] = 0.35
    seed: Annotated[int, Field(ge=0)] | None = None
    enable_safety_checker: bool = True


class RemoveBackground(Strict):
    image_url: str


ADDRESSES: dict[str, tuple[type[Strict], str]] = {
    "fal-ai/clarity-upscaler": (Clarity, "0.03"),
    "fal-ai/flux/schnell": (Schnell, "0.003"),
    "fal-ai/flux/dev": (Dev, "0.025"),
    "fal-ai/flux/dev/image-to-image": (DevFromPicture, "0.03"),
    "fal-ai/flux-lora/inpainting": (DevMasked, "0.035"),
    "fal-ai/z-image/turbo": (ZImage, "0.005"),
    "fal-ai/z-image/turbo/image-to-image": (ZImageFromPicture, "0.005"),
    "fal-ai/z-image/turbo/inpaint": (ZImageMasked, "0.01"),
    "fal-ai/flux-2": (Flux2, "0.012"),
    "fal-ai/flux-2/edit": (Flux2Edit, "0.012"),
    "fal-ai/flux-pro/v1/fill": (Fill, "0.05"),
    "rundiffusion-fal/juggernaut-flux/pro": (Juggernaut, "0.055"),
    "rundiffusion-fal/juggernaut-flux/pro/image-to-image": (JuggernautFromPicture, "0.055"),
}
"""What each address takes, and its price for a begun megapixel."""
BY_PICTURE: dict[str, tuple[type[Strict], str]] = {
    "fal-ai/bria/background/remove": (RemoveBackground, "0.018"),
} | {
    f"fal-ai/flux-pro/kontext{kind}{end}": (body, price)
    for kind, price in (("", "0.04"), ("/max", "0.08"))
    for end, body in (("", KontextEdit), ("/text-to-image", Kontext), ("/multi", KontextMulti))
}


class FalSimulator(Simulator):
    """`POST /{model}`, `GET …/requests/{id}/status` and `GET …/requests/{id}`. A job moves on when asked for."""

    name: ClassVar[str] = "fal"

    def __init__(self) -> None:
        super().__init__()
        self.walk = list(WALK)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.failure: dict[str, Any] = {}
        """`error` and `error_type` of the next jobs, once they are COMPLETED."""
        self.blackened: list[bool] = []
        self.asking_address: str | None = None
        """Given instead of the true address of a job."""
        self.files: dict[str, Image.Image] = {}
        """Pictures of the last request, by the member's name."""

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", "/{owner}/{address:.+}"): self.submit}

    def free_routes(self) -> dict[tuple[str, str], Handler]:
        base = "/{owner}/{family}/requests/{id}"
        return {
            ("GET", f"{base}/status"): self.status,
            ("GET", base): self.response,
            ("PUT", f"{base}/cancel"): self.cancel,
        }

    def check_key(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        if given != f"Key {self.key}":
            raise Rejected(401, {"detail": f"Cannot access application with {given}. Authentication is required."})

    def trouble(self, fault: Fault) -> web.Response:
        if fault.trouble == "refused prompt":
            failure = {
                "error": "The content was flagged by a content checker.",
                "error_type": "content_policy_violation",
            }
            return self._taken("fal-ai/flux", {}, failure)
        if fault.trouble == "refused output":
            image = {"url": self.picture_url("black.png", self.picture(64, 64, "black")), "width": 64, "height": 64}
            return self._taken("fal-ai/flux", {"images": [image], "seed": 1, "has_nsfw_concepts": [True]}, {})
        status, words = TROUBLES[str(fault.trouble)]
        headers = {"X-Fal-Retryable": "false"}
        if fault.retry_after is not None:
            headers["Retry-After"] = f"{fault.retry_after:g}"
        return web.json_response({"detail": words}, status=status, headers=headers)

    def invalid(self, where: str, message: str) -> Rejected:
        detail = {"loc": ["body", where], "msg": message, "type": "value_error", "url": "", "input": None}
        return Rejected(422, {"detail": [detail]})

    async def submit(self, request: web.Request) -> web.Response:
        address = request.path.lstrip("/")
        if address not in {**ADDRESSES, **BY_PICTURE}:
            raise Rejected(404, {"detail": f"Application {address} not found"})
        kind, price = {**ADDRESSES, **BY_PICTURE}[address]
        asked = await self.body(request, kind)
        values: dict[str, Any] = asked.model_dump(exclude_none=True)
        self.files = self._files(values)
        width, height = self._size(values)
        pixels = [width * height] + [f.width * f.height for f in self.files.values() if address.endswith("flux-2/edit")]
        units = 1 if address in BY_PICTURE else sum(-(-count // 1_000_000) for count in pixels)
        job_id = f"job-{len(self.jobs)}"
        told = {name: value for name, value in values.items() if not name.split(".")[0].endswith(("_url", "_urls"))}
        seen = {**told, "address": address, "files": sorted(self.files)}
        count, prompt = values.get("num_images", 1), values.get("prompt", "")
        self.bill(job_id, Decimal(price) * units * count, count, seen)
        images = []
        made = self.cut_out if kind is RemoveBackground else self.picture
        for number in range(count):
            data = made(width, height, f"{prompt} {job_id} {number}")
            url = self.picture_url(f"{job_id}-{number}.png", data)
            images.append({"url": url, "width": width, "height": height, "content_type": "image/png"})
        seed = values.get("seed", 424242)
        output = {"image": images[0], "seed": seed, "timings": {}}
        if issubclass(kind, Job):
            flags = self.blackened or [False] * count
            output = {"images": images, "seed": seed, "has_nsfw_concepts": flags, "prompt": prompt, "timings": {}}
        return self._taken("/".join(address.split("/")[:2]), output, self.failure)

    def _files(self, values: dict[str, Any]) -> dict[str, Image.Image]:
        """The pictures in the body; a mask has the size of its picture."""
        texts = {name: value for name, value in values.items() if name.endswith("_url")}
        texts |= {f"image_urls.{index}": text for index, text in enumerate(values.get("image_urls", ()))}
        files = {}
        for name, text in texts.items():
            if not text.startswith("data:image/"):
                raise self.invalid(name, "a URL of a picture is expected")
            try:
                files[name] = opened(base64.b64decode(text.partition(",")[2], validate=True))
            except ValueError:
                raise self.invalid(name, "Failed to load the image") from None
        mask = next((file for name, file in files.items() if name.startswith("mask")), None)
        if mask is not None and mask.size != files["image_url"].size:
            raise self.invalid("mask_url", "must match the dimensions of the image")
        return files

    def _size(self, values: dict[str, Any]) -> tuple[int, int]:
        if "upscale_factor" in values:
            width, height = self.files["image_url"].size
            return round(width * values["upscale_factor"]), round(height * values["upscale_factor"])
        if "image_size" in values:
            return int(values["image_size"]["width"]), int(values["image_size"]["height"])
        if "safety_tolerance" not in values or "mask_url" in values:
            return self.files["image_url"].size
        across, down = map(int, values.get("aspect_ratio", "1:1").split(":"))
        width = round(1024 * (across / down) ** 0.5 / 16) * 16
        return width, round(1024 * 1024 / width / 16) * 16

    def _taken(self, family: str, output: dict[str, Any], failure: dict[str, Any]) -> web.Response:
        job_id = f"job-{len(self.jobs)}"
        self.jobs[job_id] = {"walk": list(self.walk), "output": output, "failure": failure}
        address = f"{self.asking_address or self.base_url}/{family}/requests/{job_id}"
        addresses = {"status_url": f"{address}/status", "response_url": address, "cancel_url": f"{address}/cancel"}
        return web.json_response({"status": "IN_QUEUE", "request_id": job_id, "queue_position": 0, **addresses})

    async def status(self, request: web.Request) -> web.Response:
        job = self._job(request)
        status = job["walk"].pop(0) if len(job["walk"]) > 1 and not self.stalls else job["walk"][0]
        if status != "COMPLETED":
            return web.json_response({"status": status}, status=202)
        return web.json_response({"status": status, "metrics": {}, **job["failure"]})

    async def response(self, request: web.Request) -> web.Response:
        job = self._job(request)
        if job["walk"] != ["COMPLETED"]:
            raise Rejected(400, {"detail": "Request is still in progress"})
        return web.json_response(job["output"])

    async def cancel(self, request: web.Request) -> web.Response:
        """Before it starts. That the job is not found afterwards, and not billed, is a guess."""
        job, job_id = self._job(request), request.match_info["id"]
        if job["walk"] == ["COMPLETED"]:
            return web.json_response({"status": "ALREADY_COMPLETED"}, status=400)
        if job["walk"][0] == "IN_QUEUE":
            del self.jobs[job_id]
            self.taken_back.append(job_id)
            self.unbill(job_id)
        return web.json_response({"status": "CANCELLATION_REQUESTED"}, status=202)

    def _job(self, request: web.Request) -> dict[str, Any]:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            raise Rejected(404, {"detail": "Request not found"})
        return job
