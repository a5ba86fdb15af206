"""DashScope's picture endpoint: sizes with an asterisk, errors that may come with status 200, keys of one region."""

import base64
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from aiohttp import web
from pydantic import Field

from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict, opened

PRICES = {
    "qwen-image-3.0": Decimal("0.03"),
    "qwen-image-2.0": Decimal("0.035"),
    "qwen-image-2.0-pro": Decimal("0.075"),
    "z-image-turbo": Decimal("0.015"),
    "wan2.7-image-pro": Decimal("0.075"),
    "wan2.7-image": Decimal("0.03"),
    "wan2.5-t2i-preview": Decimal("0.03"),
    "wan2.2-t2i-plus": Decimal("0.05"),
    "wan2.2-t2i-flash": Decimal("0.025"),
    "wanx2.1-imageedit": Decimal("0.02007"),
}
PATH = "/api/v1/services/aigc/multimodal-generation/generation"
WORDS = "/api/v1/services/aigc/text2image/image-synthesis"
EDITS = "/api/v1/services/aigc/image2image/image-synthesis"
WALK = ("PENDING", "RUNNING", "SUCCEEDED")
TROUBLES: dict[str, tuple[int, str, str]] = {
    "rate limited": (429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later."),
    "day is over": (429, "Throttling.AllocationQuota", "Allocated quota exceeded."),
    "no money": (400, "Arrearage", "Access denied, please make sure your account is in good standing."),
    "refused prompt": (400, "DataInspectionFailed", "Input data may contain inappropriate content."),
    "refused output": (400, "DataInspectionFailed", "Output data may contain inappropriate content."),
    "server error": (500, "InternalError", "An internal error has occured, please try again later."),
}


class Part(Strict):
    """One of both."""

    image: str | None = None
    text: str | None = None


class Message(Strict):
    role: Literal["user"]
    content: Annotated[list[Part], Field(min_length=1)]


class Input(Strict):
    messages: Annotated[list[Message], Field(min_length=1, max_length=1)]


class Parameters(Strict):
    """What Z-Image takes."""

    size: Annotated[str, Field(pattern=r"^\d+\*\d+$")] = "1024*1024"
    prompt_extend: bool = True
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None


class QwenParameters(Parameters):
    n: Annotated[int, Field(ge=1, le=6)] = 1
    negative_prompt: Annotated[str, Field(max_length=500)] = ""
    watermark: bool = False


class Wan27Parameters(Strict):
    """What Wan 2.7 takes."""

    size: Annotated[str, Field(pattern=r"^(\d+\*\d+|[124]K)$")] = "2K"
    n: Annotated[int, Field(ge=1, le=4)] = 1
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    watermark: bool = False


class Asked(Strict):
    model: str
    input: Input
    parameters: dict[str, Any]


class WordsInput(Strict):
    prompt: Annotated[str, Field(min_length=1)]
    negative_prompt: Annotated[str, Field(max_length=500)] = ""


class WordsParameters(Parameters):
    n: Annotated[int, Field(ge=1, le=4)] = 4
    watermark: bool = False


class WordsTask(Strict):
    model: str
    input: WordsInput
    parameters: WordsParameters


class EditInput(Strict):
    function: Literal["description_edit", "description_edit_with_mask"]
    prompt: Annotated[str, Field(min_length=1)]
    base_image_url: str
    mask_image_url: str | None = None


class EditParameters(Strict):
    n: Annotated[int, Field(ge=1, le=4)] = 1
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    strength: Annotated[float, Field(ge=0, le=1)] = 0.5
    watermark: bool = False


class EditTask(Strict):
    model: str
    input: EditInput
    parameters: EditParameters


FAMILIES: dict[str, tuple[type[Strict], int]] = {
    "qwen": (QwenParameters, 3),
    "z": (Parameters, 0),
    "wan2.7": (Wan27Parameters, 9),
}


class AlibabaCloudSimulator(Simulator):
    """An endpoint that answers at once, and two that take tasks. `errors_in_200`: troubles come with status 200."""

    name: ClassVar[str] = "alibabacloud"

    def __init__(self) -> None:
        super().__init__()
        self.errors_in_200 = False
        self.sent: list[Asked] = []
        self.tasks: dict[str, dict[str, Any]] = {}
        self.task_fails: dict[str, str] | None = None
        """`code` and `message` of the next tasks."""
        self.one_fails: dict[str, str] | None = None
        """The same for the first picture of the next tasks."""
        self.files: dict[str, Any] = {}
        """Pictures of the last edit, by the member's name."""

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", PATH): self.generate, ("POST", WORDS): self.draw_task, ("POST", EDITS): self.edit_task}

    def free_routes(self) -> dict[tuple[str, str], Handler]:
        return {("GET", "/api/v1/tasks/{id}"): self.task}

    def check_key(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            raise _error(401, "InvalidApiKey", "Invalid API-key provided.")

    def trouble(self, fault: Fault) -> web.Response:
        status, code, message = TROUBLES[str(fault.trouble)]
        headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
        body = _error(status, code, message).body
        return web.json_response(body, status=200 if self.errors_in_200 else status, headers=headers)

    def invalid(self, where: str, message: str) -> Rejected:
        return _error(400, "InvalidParameter", f"{where}: {message}")

    async def generate(self, request: web.Request) -> web.Response:
        asked = await self.body(request, Asked)
        family = asked.model.partition("-")[0]
        if asked.model not in PRICES or family not in FAMILIES:
            raise _error(400, "InvalidParameter", "Model not exist.")
        kind, most_pictures = FAMILIES[family]
        parameters: Any = self.checked(asked.parameters, kind)
        number = getattr(parameters, "n", 1)
        parts = asked.input.messages[0].content
        texts = [part.text for part in parts if part.text]
        if len(texts) != 1 or parts[-1].text is None or len(parts) - 1 > most_pictures:
            raise self.invalid("messages", f"one text after at most {most_pictures} pictures is expected")
        for part in parts[:-1]:
            self._check_picture(part.image or "")
        width, height = map(int, parameters.size.split("*"))
        if not 512 * 512 <= width * height <= 2048 * 2048:
            raise self.invalid("size", "the total of pixels must be between 512*512 and 2048*2048")
        job_id = f"req-{len(self.ledger)}"
        self.sent.append(asked)
        self.bill(job_id, PRICES[asked.model] * number, number, asked.parameters)
        files = [self.picture(width, height, f"{texts[0]} {job_id} {n}") for n in range(number)]
        content = [{"image": self.picture_url(f"{job_id}-{n}.png", file)} for n, file in enumerate(files)]
        message = {"role": "assistant", "content": content}
        return web.json_response(
            {
                "output": {"choices": [{"finish_reason": "stop", "message": message}]},
                "usage": {"image_count": number, "width": width, "height": height},
                "request_id": job_id,
            }
        )

    async def draw_task(self, request: web.Request) -> web.Response:
        asked = await self.body(request, WordsTask)
        if not asked.model.startswith(("wan2.5-t2i", "wan2.2-t2i")) or asked.model not in PRICES:
            raise _error(400, "InvalidParameter", "Model not exist.")
        width, height = map(int, asked.parameters.size.split("*"))
        least = 768 * 768 if "2.5" in asked.model else 512 * 512
        if not least <= width * height <= 1440 * 1440 or ("2.2" in asked.model and max(width, height) > 1440):
            raise self.invalid("size", "out of range")
        told = {**asked.input.model_dump(), **asked.parameters.model_dump()}
        return self._taken(request, asked.model, asked.parameters.n, (width, height), told)

    async def edit_task(self, request: web.Request) -> web.Response:
        asked = await self.body(request, EditTask)
        if asked.model != "wanx2.1-imageedit":
            raise _error(400, "InvalidParameter", "Model not exist.")
        masked = asked.input.function == "description_edit_with_mask"
        if masked != (asked.input.mask_image_url is not None):
            raise self.invalid("mask_image_url", "required with a mask, and only there")
        self.files = {"base_image_url": self._check_picture(asked.input.base_image_url)}
        if asked.input.mask_image_url is not None:
            self.files["mask_image_url"] = self._check_picture(asked.input.mask_image_url)
        width, height = size = self.files["base_image_url"].size
        if any(file.size != size for file in self.files.values()) or not 512 <= min(size) <= max(size) <= 4096:
            raise self.invalid("mask_image_url", "pictures of one size from 512 to 4096 are expected")
        told = {"function": asked.input.function, **asked.parameters.model_dump()}
        return self._taken(request, asked.model, asked.parameters.n, (width, height), told)

    def _taken(
        self, request: web.Request, model: str, number: int, size: tuple[int, int], told: dict[str, Any]
    ) -> web.Response:
        if request.headers.get("X-DashScope-Async") != "enable":
            raise _error(403, "AccessDenied", "current user api does not support synchronous calls.")
        task_id = f"task-{len(self.tasks)}"
        files = [self.picture(*size, f"{told} {task_id} {n}") for n in range(number)]
        results: list[dict[str, Any]] = [
            {"url": self.picture_url(f"{task_id}-{n}.png", file)} for n, file in enumerate(files)
        ]
        if self.one_fails:
            results[0] = self.one_fails
        made = 0 if self.task_fails else sum("url" in item for item in results)
        last = {"task_status": "FAILED", **self.task_fails} if self.task_fails else {"task_status": "SUCCEEDED"}
        self.tasks[task_id] = {
            "walk": list(WALK),
            "last": {**last, **({} if self.task_fails else {"results": results})},
        }
        if made:
            self.bill(task_id, PRICES[model] * made, made, {**told, "model": model})
        output = {"task_status": "PENDING", "task_id": task_id}
        return web.json_response({"output": output, "request_id": f"req-{task_id}"})

    async def task(self, request: web.Request) -> web.Response:
        task_id = request.match_info["id"]
        known = self.tasks.get(task_id)
        if known is None:
            return web.json_response({"output": {"task_id": task_id, "task_status": "UNKNOWN"}, "request_id": "req"})
        status = known["walk"].pop(0) if len(known["walk"]) > 1 else known["walk"][0]
        output = {"task_id": task_id, **(known["last"] if status == "SUCCEEDED" else {"task_status": status})}
        return web.json_response({"output": output, "request_id": f"req-{task_id}"})

    def _check_picture(self, uri: str) -> Any:
        head, _, text = uri.partition(";base64,")
        try:
            picture = opened(base64.b64decode(text, validate=True))
        except ValueError:
            raise self.invalid("image", "a data URI is expected") from None
        if not head.startswith("data:image/"):
            raise self.invalid("image", "a data URI is expected")
        return picture


def _error(status: int, code: str, message: str) -> Rejected:
    return Rejected(status, {"code": code, "message": message, "request_id": "req-simulated"})
