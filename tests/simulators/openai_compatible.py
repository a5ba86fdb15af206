"""A server that speaks the common part of OpenAI's picture endpoints, as proxies and servers of one's own do.

It knows its own models only, answers with base64 or addresses of its own, and has errors in vLLM's shape.
"""

import base64
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from aiohttp import web
from pydantic import Field

from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict, opened

PRICE = Decimal("0.004")
"""What a picture costs whoever runs it; no answer tells it."""
TROUBLES: dict[str, tuple[int, str, str]] = {
    "rate limited": (429, "rate_limit_exceeded", "Too many requests."),
    "day is over": (429, "rate_limit_exceeded", "Too many requests today."),
    "no money": (402, "payment_required", "The budget of this key is used up."),
    "refused prompt": (400, "content_policy_violation", "The prompt was flagged by the content filter."),
    "refused output": (400, "content_policy_violation", "The generated image was flagged by the content filter."),
    "server error": (500, "InternalServerError", "CUDA out of memory"),
}


class Generation(Strict):
    """What the server understands."""

    model: str
    prompt: Annotated[str, Field(min_length=1)]
    n: Annotated[int, Field(ge=1, le=4)] = 1
    size: Annotated[str, Field(pattern=r"^[1-9]\d{0,3}x[1-9]\d{0,3}$")]
    response_format: Literal["url", "b64_json"] | None = None
    quality: str | None = None


class OpenAiCompatibleSimulator(Simulator):
    """`/v1/images/generations`, `/v1/images/edits` and `/v1/models`."""

    name: ClassVar[str] = "openai_compatible"

    def __init__(self) -> None:
        super().__init__()
        self.asks_for_a_key = True
        self.answers_with = "url"
        self.listed: list[dict[str, Any]] = [
            {"id": "stable-diffusion", "object": "model", "owned_by": "me"},
            {"id": "team/flux", "object": "model", "owned_by": "me"},
        ]
        self.masks: list[Any] = []

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", "/v1/images/generations"): self.generate, ("POST", "/v1/images/edits"): self.edit}

    def free_routes(self) -> dict[tuple[str, str], Handler]:
        return {("GET", "/v1/models"): self.models}

    def check_key(self, request: web.Request) -> None:
        given = request.headers.get("Authorization")
        if given != (f"Bearer {self.key}" if self.asks_for_a_key else None):
            raise _error(401, "Unauthorized", f"Unauthorized: {given}")

    def trouble(self, fault: Fault) -> web.Response:
        status, kind, message = TROUBLES[str(fault.trouble)]
        headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
        return web.json_response(_error(status, kind, message).body, status=status, headers=headers)

    def invalid(self, where: str, message: str) -> Rejected:
        return _error(400, "BadRequestError", f"{where}: {message}")

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": self.listed})

    async def generate(self, request: web.Request) -> web.Response:
        return self._answer(await self.body(request, Generation), 0)

    async def edit(self, request: web.Request) -> web.Response:
        if not request.content_type.startswith("multipart/"):
            raise self.invalid("Content-Type", "multipart/form-data is expected")
        fields: dict[str, Any] = {}
        pictures = []
        for name, value in (await request.post()).items():
            if not isinstance(value, web.FileField):
                fields[name] = int(str(value)) if name == "n" else str(value)
            elif name == "mask":
                self.masks.append(opened(value.file.read()))
            elif name in ("image", "image[]"):
                pictures.append(opened(value.file.read()))
            else:
                raise self.invalid(name, "Unknown parameter")
        if not pictures:
            raise self.invalid("image", "Field required")
        return self._answer(self.checked(fields, Generation), len(pictures))

    def _answer(self, asked: Generation, pictures: int) -> web.Response:
        if asked.model not in [item["id"] for item in self.listed]:
            raise _error(404, "NotFoundError", f"The model `{asked.model}` does not exist.")
        width, height = map(int, asked.size.split("x"))
        job_id = f"job-{len(self.ledger)}"
        self.bill(job_id, PRICE * asked.n, asked.n, {**asked.model_dump(), "pictures": pictures})
        files = [self.picture(width, height, f"{asked.prompt} {job_id} {n}") for n in range(asked.n)]
        if (asked.response_format or self.answers_with) == "url":
            data = [{"url": self.picture_url(f"{job_id}-{n}.png", file)} for n, file in enumerate(files)]
        else:
            data = [{"b64_json": base64.b64encode(file).decode()} for file in files]
        return web.json_response({"created": 1, "data": data})


def _error(status: int, kind: str, message: str) -> Rejected:
    return Rejected(status, {"object": "error", "message": message, "type": kind, "code": status})
