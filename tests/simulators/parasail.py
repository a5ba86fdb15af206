"""Parasail: deployments of one's own for words, batches for edits. A batch moves on when it is asked for."""

import base64
import json
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from aiohttp import web
from pydantic import Field

from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict, opened

PRICE = Decimal("0.006")
WALK = ("validating", "in_progress", "finalizing", "completed")
TROUBLES: dict[str, tuple[int, str, str]] = {
    "rate limited": (429, "rate_limit_error", "Rate limit exceeded: 5 requests per minute."),
    "day is over": (429, "rate_limit_error", "Rate limit exceeded for today."),
    "no money": (402, "insufficient_balance", "Your balance is too low."),
    "refused prompt": (400, "content_policy_violation", "The prompt was refused by the safety filter."),
    "refused output": (400, "content_policy_violation", "The output was refused by the safety filter."),
    "server error": (500, "internal_error", "The deployment failed."),
}


class Generation(Strict):
    model: str
    prompt: Annotated[str, Field(min_length=1)]
    n: Annotated[int, Field(ge=1, le=4)] = 1
    size: Annotated[str, Field(pattern=r"^\d+x\d+$")]
    response_format: Literal["b64_json"]


class Edit(Strict):
    model: str
    prompt: Annotated[str, Field(min_length=1)]
    image: str | list[str]
    size: Annotated[str, Field(pattern=r"^\d+x\d+$")]
    response_format: Literal["b64_json"]


class Line(Strict):
    custom_id: str
    method: Literal["POST"]
    url: Literal["/v1/images/edits"]
    body: dict[str, Any]


class Order(Strict):
    input_file_id: str
    endpoint: Literal["/v1/images/edits"]
    completion_window: Literal["24h"]
    metadata: dict[str, str] | None = None


class ParasailSimulator(Simulator):
    """`/v1/images/generations` of a deployment, `/v1/files`, `/v1/batches`, `/v1/models`."""

    name: ClassVar[str] = "parasail"

    def __init__(self) -> None:
        super().__init__()
        self.deployed: set[str] = {"my-org/flux"}
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.walk = list(WALK)
        self.done_when_canceled = 0
        """So many lines of a batch are done when it is canceled; they are kept and billed."""
        self.failing_lines: dict[int, tuple[int, dict[str, Any]]] = {}
        """Status and body of the answer to the line of that number."""
        self.odd_status: int | None = None
        """What the next question about a batch is answered with, whatever became of the batch."""

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", "/v1/images/generations"): self.generate, ("POST", "/v1/batches"): self.order}

    def free_routes(self) -> dict[tuple[str, str], Handler]:
        return {
            ("GET", "/v1/models"): self.models,
            ("POST", "/v1/files"): self.upload,
            ("GET", "/v1/files/{id}/content"): self.content,
            ("GET", "/v1/batches"): self.list_batches,
            ("GET", "/v1/batches/{id}"): self.batch,
            ("POST", "/v1/batches/{id}/cancel"): self.cancel,
        }

    def check_key(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        if given != f"Bearer {self.key}":
            raise _error(401, "invalid_api_key", f"Invalid API key: {given[7:]}")

    def trouble(self, fault: Fault) -> web.Response:
        status, code, message = TROUBLES[str(fault.trouble)]
        headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
        return web.json_response(_error(status, code, message).body, status=status, headers=headers)

    def invalid(self, where: str, message: str) -> Rejected:
        return _error(400, "invalid_request_error", f"{where}: {message}")

    async def models(self, request: web.Request) -> web.Response:
        data = [{"id": name, "object": "model", "owned_by": "parasail"} for name in ("a-text-model", "a-vision-model")]
        return web.json_response({"object": "list", "data": data})

    async def generate(self, request: web.Request) -> web.Response:
        asked = await self.body(request, Generation)
        if asked.model not in self.deployed:
            raise _error(404, "not_found", f"Nothing makes pictures as {asked.model}.")
        job_id = f"job-{len(self.ledger)}"
        self.bill(job_id, PRICE * asked.n, asked.n, asked.model_dump())
        data = [self._file(asked.size, f"{asked.prompt} {job_id} {n}") for n in range(asked.n)]
        return web.json_response({"created": 1, "data": data})

    async def upload(self, request: web.Request) -> web.Response:
        if not request.content_type.startswith("multipart/"):
            raise self.invalid("Content-Type", "multipart/form-data is expected")
        form = await request.post()
        file = form.get("file")
        if set(form) != {"purpose", "file"} or form["purpose"] != "batch" or not isinstance(file, web.FileField):
            raise self.invalid("form", "purpose=batch and a file are expected")
        if not file.filename.endswith(".jsonl"):
            raise self.invalid("file", "a .jsonl file is expected")
        file_id = f"file-{len(self.files)}"
        self.files[file_id] = file.file.read()
        return web.json_response({"id": file_id, "object": "file", "purpose": "batch", "filename": file.filename})

    async def order(self, request: web.Request) -> web.Response:
        asked = await self.body(request, Order)
        raw = self.files.get(asked.input_file_id)
        if raw is None:
            raise _error(404, "not_found", f"No file {asked.input_file_id}.")
        lines = [self.checked(line, Line) for line in raw.splitlines()]
        batch_id = f"batch-{len(self.batches)}"
        edits = [self.checked(line.body, Edit) for line in lines]
        self.bill(batch_id, PRICE / 2 * len(lines), len(lines), edits[0].model_dump(exclude={"image"}))
        output, errors = [], []
        for number, (line, edit) in enumerate(zip(lines, edits, strict=True)):
            status, body = self.failing_lines.get(number) or (200, self._edited(edit, f"{batch_id} {number}"))
            told = {"id": f"line-{number}", "custom_id": line.custom_id, "error": None}
            told["response"] = {"status_code": status, "body": body}
            (output if status == 200 else errors).insert(0, told)  # the order is not kept
        batch = {
            "id": batch_id,
            "object": "batch",
            "input_file_id": asked.input_file_id,
            "endpoint": asked.endpoint,
            "metadata": asked.metadata,
            "asked": 0,
            "output_file_id": self._keep(f"out-{batch_id}", output),
            "error_file_id": self._keep(f"err-{batch_id}", errors),
            "request_counts": {"total": len(lines), "completed": len(output), "failed": len(errors)},
        }
        self.batches[batch_id] = batch
        return web.json_response(self._shown(batch, self.walk[0]))

    async def batch(self, request: web.Request) -> web.Response:
        if self.odd_status is not None:
            status, self.odd_status = self.odd_status, None
            raise _error(status, "invalid_request_error", "Something is odd.")
        batch = self._known(request)
        batch["asked"] += not self.stalls or "canceled_at" in batch
        return web.json_response(self._shown(batch, self._status(batch)))

    async def cancel(self, request: web.Request) -> web.Response:
        batch = self._known(request)
        if self._status(batch) not in ("completed", "failed", "expired", "cancelling", "cancelled"):
            batch["canceled_at"] = batch["asked"]
            self.taken_back.append(batch["id"])
            done = self.done_when_canceled
            [line] = [line for line in self.ledger if line.job_id == batch["id"]]
            self.unbill(batch["id"])
            if done:
                self.bill(batch["id"], line.amount / line.pictures * done, done, line.request)
            lines = self.files[batch["output_file_id"]].splitlines()[-done:] if done else []
            batch["output_file_id"] = self._keep(f"cut-{batch['id']}", [json.loads(text) for text in lines])
            batch["error_file_id"] = None
        return web.json_response(self._shown(batch, self._status(batch)))

    def _known(self, request: web.Request) -> dict[str, Any]:
        batch = self.batches.get(request.match_info["id"])
        if batch is None:
            raise _error(404, "not_found", "No such batch.")
        return batch

    def _status(self, batch: dict[str, Any]) -> str:
        if "canceled_at" in batch:
            return "cancelled" if batch["asked"] > batch["canceled_at"] + 1 else "cancelling"
        return self.walk[min(batch["asked"], len(self.walk) - 1)]

    async def list_batches(self, request: web.Request) -> web.Response:
        shown = [self._shown(batch, self.walk[0]) for batch in reversed(self.batches.values())]
        return web.json_response({"object": "list", "data": shown, "has_more": False})

    async def content(self, request: web.Request) -> web.Response:
        data = self.files.get(request.match_info["id"])
        if data is None:
            raise _error(404, "not_found", "No such file.")
        return web.Response(body=data, content_type="application/octet-stream")

    def _edited(self, edit: Edit, salt: str) -> dict[str, Any]:
        pictures = edit.image if isinstance(edit.image, list) else [edit.image]
        for picture in pictures:
            try:
                opened(base64.b64decode(picture, validate=True))
            except ValueError:
                raise self.invalid("image", "a picture in base64 is expected") from None
        return {"created": 1, "data": [self._file(edit.size, f"{edit.prompt} {salt} {len(pictures)}")]}

    def _file(self, size: str, text: str) -> dict[str, str]:
        width, height = map(int, size.split("x"))
        return {"b64_json": base64.b64encode(self.picture(width, height, text)).decode()}

    def _keep(self, file_id: str, lines: list[dict[str, Any]]) -> str | None:
        if not lines:
            return None
        self.files[file_id] = b"\n".join(json.dumps(line).encode() for line in lines)
        return file_id

    def _shown(self, batch: dict[str, Any], status: str) -> dict[str, Any]:
        shown = {name: value for name, value in batch.items() if name not in ("asked", "canceled_at")}
        shown["status"] = status
        if status != "completed" and (status != "cancelled" or "canceled_at" not in batch):
            shown |= {"output_file_id": None, "error_file_id": None}
        if status == "failed":
            shown["errors"] = {"data": [{"code": "invalid_model", "message": "The model cannot be loaded.", "line": 1}]}
        return shown


def _error(status: int, code: str, message: str) -> Rejected:
    return Rejected(status, {"error": {"message": message, "type": "error", "param": None, "code": code}})
