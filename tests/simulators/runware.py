"""Runware's one address: tasks in an array, answers in `data` and `errors`, each model's fields and no others."""

import base64
import json
import uuid
from decimal import Decimal
from typing import Any, ClassVar

from aiohttp import web

from tests.simulators.runware_bodies import MODELS, FillTask, Job, RemoveBackgroundTask, Task
from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, opened

TASK_TYPES = ("imageInference", "upscale", "removeBackground")
MAX_CLARITY_PIXELS = 1_153_433
MAX_RESULT_SIDE = 4096

TROUBLES: dict[str, tuple[int, str, str]] = {
    "rate limited": (429, "rateLimitExceeded", "The queue of this model is full."),
    "day is over": (429, "rateLimitExceeded", "The queue of this model is full."),
    "no money": (402, "insufficientCredits", "The account has no credits left."),
    "refused prompt": (400, "contentPolicyViolation", "The prompt violates the content policy."),
    "refused output": (400, "providerContentPolicyViolation", "The provider withheld the picture."),
    "server error": (500, "internalServerError", "An unexpected error occurred."),
}


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
        if asked.get("taskType") not in TASK_TYPES:
            raise Rejected(400, {"errors": [{"code": "invalidTaskType", "message": "Unknown task."}]})
        return self._take(asked)

    def _take(self, asked: dict[str, Any]) -> web.Response:
        if asked.get("model") not in MODELS:
            raise Rejected(400, {"errors": [{"code": "unknownModel", "message": "The model is not known."}]})
        kind, price_text = MODELS[asked["model"]]
        made = self.checked(json.dumps(asked).encode(), kind)
        task_id = made.taskUUID
        if uuid.UUID(task_id).version != 4:
            raise self.invalid("taskUUID", "a version 4 UUID is expected")
        if task_id in self.tasks:
            error = {"code": "conflictTaskUUID", "message": "The task exists.", "taskUUID": task_id}
            raise Rejected(400, {"errors": [error]})
        width, height = self._size(made, self._pictures(made))
        number = made.numberResults if isinstance(made, Task) else 1
        price = Decimal(price_text) * width * height / 1024**2
        self.bill(task_id, price * number, number, asked)
        self.tasks[task_id] = [self._result(asked, made, (width, height), index, price) for index in range(number)]
        return web.json_response({"data": [{"taskType": made.taskType, "taskUUID": task_id}]})

    def _result(
        self, asked: dict[str, Any], made: Job, size: tuple[int, int], index: int, price: Decimal
    ) -> dict[str, Any]:
        draw = self.cut_out if isinstance(made, RemoveBackgroundTask) else self.picture
        data = draw(*size, f"{asked.get('positivePrompt')} {made.taskUUID} {index}")
        item: dict[str, Any] = {
            "taskType": made.taskType,
            "taskUUID": made.taskUUID,
            "imageUUID": str(uuid.uuid4()),
            "imageURL": self.picture_url(f"{made.taskUUID}-{index}.png", data),
            "status": "success",
        }
        if isinstance(made, Task):
            item["seed"] = (asked.get("seed") or 1000) + index
        return item | ({"cost": float(price)} if made.includeCost else {})

    def _pictures(self, made: Job) -> list[tuple[int, int]]:
        """The sizes of the given pictures."""
        inputs = getattr(made, "inputs", None)
        for name in ("strength", "outpaint"):
            if getattr(made, name, None) is not None and inputs is None:
                raise self.invalid(name, "only with a seed image")
        if isinstance(made, FillTask) and (made.outpaint is None) == (made.inputs.maskImage is None):
            raise self.invalid("inputs.maskImage", "either a mask or outpaint")
        values = [] if inputs is None else list(inputs.model_dump(exclude_none=True).values())
        sizes = []
        for text in (text for value in values for text in (value if isinstance(value, list) else [value])):
            try:
                sizes.append(opened(base64.b64decode(text.rpartition(",")[2], validate=True)).size)
            except ValueError:
                raise self.invalid("inputs", "not a picture") from None
        return sizes

    def _size(self, made: Job, given: list[tuple[int, int]]) -> tuple[int, int]:
        """Of the result. What is too large for an upscaler is shrunk first."""
        if isinstance(made, Task):
            return made.width, made.height
        width, height = given[0]
        if made.model == "runware:500@1" and width * height > MAX_CLARITY_PIXELS:
            raise self.invalid("inputs.image", "the picture has too many pixels")
        factor = getattr(made, "upscaleFactor", 1)
        return min(width * factor, MAX_RESULT_SIDE), min(height * factor, MAX_RESULT_SIDE)

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
