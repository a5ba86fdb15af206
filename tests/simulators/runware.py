"""Runware's one address: tasks in an array, answers in `data` and `errors`, each model's fields and no others."""

import base64
import json
import uuid
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from aiohttp import web
from pydantic import Field

from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict, opened

TUNED = ("rundiffusion:130@100", "rundiffusion:110@101", "runware:101@1", "runware:100@1")
PRICES = {
    "rundiffusion:130@100": "0.005", "rundiffusion:110@101": "0.0017", "runware:101@1": "0.0038",
    "runware:100@1": "0.0013", "runware:97@3": "0.0028", "runware:400@4": "0.0009", "bfl:flux@3-image-klein": "0.006",
}  # fmt: skip
TROUBLES: dict[str, tuple[int, str, str]] = {
    "rate limited": (429, "rateLimitExceeded", "The queue of this model is full."),
    "day is over": (429, "rateLimitExceeded", "The queue of this model is full."),
    "no money": (402, "insufficientCredits", "The account has no credits left."),
    "refused prompt": (400, "contentPolicyViolation", "The prompt violates the content policy."),
    "refused output": (400, "providerContentPolicyViolation", "The provider withheld the picture."),
    "server error": (500, "internalServerError", "An unexpected error occurred."),
}
Prompt = Annotated[str, Field(min_length=2, max_length=3000)]


class Task(Strict):
    """What every picture task has."""

    taskType: Literal["imageInference"]
    taskUUID: str
    model: str
    positivePrompt: Prompt
    width: Annotated[int, Field(ge=128, le=2048, multiple_of=64)]
    height: Annotated[int, Field(ge=128, le=2048, multiple_of=64)]
    numberResults: Annotated[int, Field(ge=1, le=20)] = 1
    outputType: Literal["URL", "base64Data", "dataURI"] = "URL"
    outputFormat: Literal["JPG", "PNG", "WEBP"] = "JPG"
    deliveryMethod: Literal["sync", "async"] = "sync"
    includeCost: bool = False


class References(Strict):
    referenceImages: Annotated[list[str], Field(min_length=1, max_length=4)]


class SeedPictures(Strict):
    seedImage: str
    maskImage: str | None = None


class WordsTask(Task):
    """HiDream: words only."""

    negativePrompt: Prompt | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    steps: Annotated[int, Field(ge=1, le=50)] = 16
    CFGScale: Annotated[float, Field(ge=0, le=20)] = 1.0


class FluxTask(WordsTask):
    """FLUX.1 and its family."""

    steps: Annotated[int, Field(ge=1, le=100)] = 28
    strength: Annotated[float, Field(ge=0, le=1)] | None = None
    inputs: SeedPictures | None = None


class KleinTask(WordsTask):
    """FLUX.2 klein."""

    acceleration: Literal["none", "low", "medium", "high"] = "high"
    inputs: References | None = None


class Flux3Task(Task):
    """FLUX.3 Image Klein."""

    width: Annotated[int, Field(ge=512, le=4096, multiple_of=64)]
    height: Annotated[int, Field(ge=512, le=4096, multiple_of=64)]
    inputs: References | None = None


def _kind(model: str) -> type[Task]:
    if model in TUNED:
        return FluxTask
    return {"runware:97@3": WordsTask, "runware:400@4": KleinTask}.get(model, Flux3Task)


class RunwareSimulator(Simulator):
    """`POST /v1` with picture tasks and `getResponse`. A task is done when it was asked for once."""

    name: ClassVar[str] = "runware"

    def __init__(self) -> None:
        super().__init__()
        self.tasks: dict[str, list[dict[str, Any]]] = {}
        self.asked: dict[str, int] = {}
        self.come_singly = False
        """Whether each question finds one picture more."""
        self.refuse_questions = False
        self.failing: list[dict[str, str]] = []
        """Errors that the next task ends with, beside the pictures it makes otherwise."""

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", "/v1"): self.answer}

    def _paid(self, handler: Handler) -> Handler:
        paid, free = super()._paid(handler), self._free(handler)

        async def handle(request: web.Request) -> web.StreamResponse:
            return await (free if b'"getResponse"' in await request.read() else paid)(request)

        return handle

    def check_key(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            given = request.headers.get("Authorization", "")[7:]
            error = {"code": "invalidApiKey", "message": f"Invalid API key: {given}", "parameter": "apiKey"}
            raise Rejected(401, {"errors": [{**error, "type": "string", "taskType": "authentication"}]})

    def trouble(self, fault: Fault) -> web.Response:
        status, code, message = TROUBLES[str(fault.trouble)]
        headers = {"Retry-After": f"{fault.retry_after:g}"} if fault.retry_after is not None else {}
        body = {"errors": [{"code": code, "message": message, "taskType": "imageInference"}]}
        return web.json_response(body, status=status, headers=headers)

    def invalid(self, where: str, message: str) -> Rejected:
        error = {"code": "invalidParameter", "message": f"{where}: {message}", "parameter": where}
        return Rejected(400, {"errors": [error]})

    async def answer(self, request: web.Request) -> web.Response:
        values = json.loads(await request.read())
        if not isinstance(values, list) or len(values) != 1:
            error = {"code": "invalidPayloadFormat", "message": "An array of tasks is expected."}
            raise Rejected(400, {"errors": [error]})
        [asked] = values
        if asked.get("taskType") == "getResponse":
            return self._response(asked)
        if asked.get("taskType") != "imageInference":
            raise Rejected(400, {"errors": [{"code": "invalidTaskType", "message": "Unknown task."}]})
        return self._take(asked)

    def _take(self, asked: dict[str, Any]) -> web.Response:
        if asked.get("model") not in PRICES:
            raise Rejected(400, {"errors": [{"code": "unknownModel", "message": "The model is not known."}]})
        made = self.checked(json.dumps(asked).encode(), _kind(asked["model"]))
        task_id = made.taskUUID
        if uuid.UUID(task_id).version != 4:
            raise self.invalid("taskUUID", "a version 4 UUID is expected")
        if task_id in self.tasks:
            error = {"code": "conflictTaskUUID", "message": "The task exists.", "taskUUID": task_id}
            raise Rejected(400, {"errors": [error]})
        self._check_pictures(made)
        price = Decimal(PRICES[made.model]) * made.width * made.height / 1024**2
        self.bill(task_id, price * made.numberResults, made.numberResults, asked)
        results = []
        for number in range(made.numberResults):
            data = self.picture(made.width, made.height, f"{made.positivePrompt} {task_id} {number}")
            url = self.picture_url(f"{task_id}-{number}.png", data)
            seed = (asked.get("seed") or 1000) + number
            item = {"taskType": made.taskType, "taskUUID": task_id, "imageUUID": str(uuid.uuid4()), "imageURL": url}
            results.append(
                {**item, "seed": seed, "status": "success", **({"cost": float(price)} if made.includeCost else {})}
            )
        self.tasks[task_id] = results
        return web.json_response({"data": [{"taskType": made.taskType, "taskUUID": task_id}]})

    def _check_pictures(self, made: Task) -> None:
        inputs, strength = getattr(made, "inputs", None), getattr(made, "strength", None)
        if strength is not None and inputs is None:
            raise self.invalid("strength", "only with a seed image")
        texts = [] if inputs is None else [
            *getattr(inputs, "referenceImages", []),
            *(text for text in (getattr(inputs, "seedImage", None), getattr(inputs, "maskImage", None)) if text),
        ]  # fmt: skip
        for text in texts:
            try:
                opened(base64.b64decode(text.rpartition(",")[2], validate=True))
            except ValueError:
                raise self.invalid("inputs", "not a picture") from None

    def _response(self, asked: dict[str, Any]) -> web.Response:
        if set(asked) != {"taskType", "taskUUID"}:
            raise self.invalid("getResponse", "taskType and taskUUID are expected")
        task_id = asked["taskUUID"]
        if task_id not in self.tasks:
            error = {"code": "taskFailedOrNotFound", "message": "No such task.", "taskUUID": task_id}
            raise Rejected(400, {"errors": [error]})
        self.asked[task_id] = self.asked.get(task_id, 0) + 1
        if self.asked[task_id] == 1:
            return web.json_response({"data": [{"taskUUID": task_id, "status": "processing", "progress": 40}]})
        if self.refuse_questions:
            raise Rejected(401, {"errors": [{"code": "invalidApiKey", "message": "The key was withdrawn."}]})
        there = self.tasks[task_id][len(self.failing) :]
        body: dict[str, Any] = {"data": there[: self.asked[task_id] - 1] if self.come_singly else there}
        if self.failing:
            body["errors"] = [{**error, "taskUUID": task_id, "status": "error"} for error in self.failing]
        return web.json_response(body)
