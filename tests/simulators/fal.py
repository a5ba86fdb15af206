"""fal's queue: addresses that leave out a part of the model's name, failures that are COMPLETED."""

from decimal import Decimal
from typing import Annotated, Any, ClassVar

from aiohttp import web
from pydantic import Field

from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict

WALK = ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
PRICES = {"fal-ai/flux/schnell": "0.003", "fal-ai/flux/dev": "0.025", "fal-ai/z-image/turbo": "0.005"}
STEPS = {"fal-ai/flux/schnell": 12, "fal-ai/flux/dev": 50, "fal-ai/z-image/turbo": 8}
TROUBLES = {
    "rate limited": (429, "Too many requests."),
    "day is over": (429, "Too many requests today."),
    "no money": (403, "User is locked. Reason: Exhausted balance. Top up your balance."),
    "server error": (500, "Internal server error"),
}


class Size(Strict):
    width: Annotated[int, Field(ge=64, le=14142)]
    height: Annotated[int, Field(ge=64, le=14142)]


class ZImage(Strict):
    prompt: Annotated[str, Field(min_length=1)]
    image_size: Size
    num_images: Annotated[int, Field(ge=1, le=4)] = 1
    seed: Annotated[int, Field(ge=0)] | None = None
    num_inference_steps: Annotated[int, Field(ge=1)] = 4
    output_format: Annotated[str, Field(pattern="^(jpeg|png)$")] = "jpeg"


class Flux(ZImage):
    guidance_scale: Annotated[float, Field(ge=1, le=20)] = 3.5


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

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", "/{owner}/{family}/{kind}"): self.submit}

    def free_routes(self) -> dict[tuple[str, str], Handler]:
        base = "/{owner}/{family}/requests/{id}"
        return {("GET", f"{base}/status"): self.status, ("GET", base): self.response}

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
        model = request.path.lstrip("/")
        if model not in PRICES:
            raise Rejected(404, {"detail": f"Application {model} not found"})
        asked = await self.body(request, ZImage if "z-image" in model else Flux)
        if asked.num_inference_steps > STEPS[model]:
            raise self.invalid("num_inference_steps", "too many")
        size, job_id = asked.image_size, f"job-{len(self.jobs)}"
        megapixels = -(-size.width * size.height // 1_000_000)
        amount = Decimal(PRICES[model]) * megapixels * asked.num_images
        self.bill(job_id, amount, asked.num_images, {**asked.model_dump(exclude_none=True), "model": model})
        images = []
        for number in range(asked.num_images):
            data = self.picture(size.width, size.height, f"{asked.prompt} {job_id} {number}")
            url = self.picture_url(f"{job_id}-{number}.png", data)
            images.append({"url": url, "width": size.width, "height": size.height, "content_type": "image/png"})
        flags = self.blackened or [False] * asked.num_images
        seed = 424242 if asked.seed is None else asked.seed
        output = {"images": images, "seed": seed, "has_nsfw_concepts": flags, "prompt": asked.prompt, "timings": {}}
        return self._taken(model.rpartition("/")[0], output, self.failure)

    def _taken(self, family: str, output: dict[str, Any], failure: dict[str, Any]) -> web.Response:
        job_id = f"job-{len(self.jobs)}"
        self.jobs[job_id] = {"walk": list(self.walk), "output": output, "failure": failure}
        address = f"{self.asking_address or self.base_url}/{family}/requests/{job_id}"
        addresses = {"status_url": f"{address}/status", "response_url": address, "cancel_url": f"{address}/cancel"}
        return web.json_response({"status": "IN_QUEUE", "request_id": job_id, "queue_position": 0, **addresses})

    async def status(self, request: web.Request) -> web.Response:
        job = self._job(request)
        status = job["walk"].pop(0) if len(job["walk"]) > 1 else job["walk"][0]
        if status != "COMPLETED":
            return web.json_response({"status": status}, status=202)
        return web.json_response({"status": status, "metrics": {}, **job["failure"]})

    async def response(self, request: web.Request) -> web.Response:
        job = self._job(request)
        if job["walk"] != ["COMPLETED"]:
            raise Rejected(400, {"detail": "Request is still in progress"})
        return web.json_response(job["output"])

    def _job(self, request: web.Request) -> dict[str, Any]:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            raise Rejected(404, {"detail": "Request not found"})
        return job
