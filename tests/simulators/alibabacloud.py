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
}
PATH = "/api/v1/services/aigc/multimodal-generation/generation"
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


class Asked(Strict):
    model: str
    input: Input
    parameters: dict[str, Any]


class AlibabaCloudSimulator(Simulator):
    """The synchronous endpoint. `errors_in_200`: troubles come with status 200, as they may."""

    name: ClassVar[str] = "alibabacloud"

    def __init__(self) -> None:
        super().__init__()
        self.errors_in_200 = False
        self.sent: list[Asked] = []

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", PATH): self.generate}

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
        if asked.model not in PRICES:
            raise _error(400, "InvalidParameter", "Model not exist.")
        qwen = asked.model.startswith("qwen")
        parameters = self.checked(asked.parameters, QwenParameters if qwen else Parameters)
        number = parameters.n if isinstance(parameters, QwenParameters) else 1
        parts = asked.input.messages[0].content
        texts = [part.text for part in parts if part.text]
        if len(texts) != 1 or parts[-1].text is None or len(parts) - 1 > (3 if qwen else 0):
            raise self.invalid("messages", "one text after at most three pictures is expected")
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

    def _check_picture(self, uri: str) -> None:
        head, _, text = uri.partition(";base64,")
        try:
            opened(base64.b64decode(text, validate=True))
        except ValueError:
            raise self.invalid("image", "a data URI is expected") from None
        if not head.startswith("data:image/"):
            raise self.invalid("image", "a data URI is expected")


def _error(status: int, code: str, message: str) -> Rejected:
    return Rejected(status, {"code": code, "message": message, "request_id": "req-simulated"})
