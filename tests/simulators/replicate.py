"""Replicate's predictions of official models: a walk of statuses, refusals that are failures, limits told in words."""

import base64
from typing import Annotated, Any, ClassVar, Literal

from aiohttp import web
from pydantic import Field

from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict, opened

WALK = ("starting", "processing", "succeeded")
SIZES = {
    "1:1": (1024, 1024), "16:9": (1344, 768), "9:16": (768, 1344), "3:2": (1216, 832), "2:3": (832, 1216),
    "4:3": (1152, 896), "3:4": (896, 1152), "21:9": (1536, 640), "9:21": (640, 1536),
}  # fmt: skip


class Schnell(Strict):
    prompt: Annotated[str, Field(min_length=1)]
    aspect_ratio: Literal["1:1", "16:9", "9:16", "3:2", "2:3", "4:3", "3:4", "21:9", "9:21"] = "1:1"
    num_outputs: Annotated[int, Field(ge=1, le=4)] = 1
    output_format: Literal["webp", "jpg", "png"] = "webp"
    seed: int | None = None
    num_inference_steps: Annotated[int, Field(ge=1, le=4)] = 4


class Dev(Schnell):
    num_inference_steps: Annotated[int, Field(ge=1, le=50)] = 28
    guidance: Annotated[float, Field(ge=0, le=10)] = 3.0
    image: str | None = None
    prompt_strength: Annotated[float, Field(ge=0, le=1)] = 0.8


INPUTS: dict[str, type[Schnell]] = {"flux-schnell": Schnell, "flux-dev": Dev}


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

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", "/v1/models/{owner}/{name}/predictions"): self.create}

    def free_routes(self) -> dict[tuple[str, str], Handler]:
        return {("GET", "/v1/predictions/{id}"): self.ask}

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
        kind = INPUTS.get(request.match_info["name"])
        if kind is None or request.match_info["owner"] != "black-forest-labs":
            raise _problem(404, "Not found", "The requested resource could not be found.")
        if request.headers.get("Cancel-After") != "10m":
            raise self.invalid("Cancel-After", "a deadline is expected")
        asked = self.checked((await self.body(request, Creation)).input, kind)
        picture = getattr(asked, "image", None)
        if picture is not None:
            try:
                opened(base64.b64decode(picture.partition(",")[2], validate=True))
            except ValueError:
                raise self.invalid("image", "not a picture") from None
        job_id = f"prediction{len(self.jobs)}"
        self.bill(job_id, "0.003", asked.num_outputs, asked.model_dump())
        width, height = SIZES[asked.aspect_ratio]
        output = [
            self.picture_url(f"{job_id}-{n}.png", self.picture(width, height, f"{asked.prompt} {job_id} {n}"))
            for n in range(asked.num_outputs)
        ]
        return self._job(*(self.ends or ("succeeded", None)), output)

    def _job(self, status: str, error: str | None, output: list[str]) -> web.Response:
        job_id = f"prediction{len(self.jobs)}"
        address = self.asking_address or f"{self.base_url}/v1/predictions/{job_id}"
        job = {"id": job_id, "urls": {"get": address}, "logs": "", "metrics": {}}
        self.jobs[job_id] = {**job, "walk": [*WALK[:2], status], "error": error, "output": output}
        return web.json_response({**job, "status": "starting", "output": None, "error": None}, status=201)

    async def ask(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            raise _problem(404, "Not found", "The prediction could not be found.")
        status = job["walk"].pop(0) if len(job["walk"]) > 1 else job["walk"][0]
        ended = status not in WALK[:2]
        shown = {
            "output": job["output"] if ended and not job["error"] else None,
            "error": job["error"] if ended else None,
        }
        told = {name: value for name, value in job.items() if name not in ("walk", "output", "error")}
        return web.json_response({**told, "status": status, **shown})


def _problem(status: int, title: str, detail: str) -> Rejected:
    return Rejected(status, {"title": title, "detail": detail, "status": status})
