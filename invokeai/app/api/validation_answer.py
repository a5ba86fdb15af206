"""The answer to a request that does not fit: FastAPI's list of faults, without echoing what is large.

An echo of megabytes would cost more than the request; one that JSON cannot carry would be a fault of the server.
"""

from typing import Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError

from invokeai.app.api.json_answer import JsonAnswer

MAX_ECHO_BYTES = 10_000
MAX_FAULTS = 100


async def answer_validation_error(_: Request, error: Exception) -> JsonAnswer:
    """422 with `detail`, as FastAPI answers it."""
    assert isinstance(error, RequestValidationError)
    return JsonAnswer({"detail": [_fault(fault) for fault in error.errors()[:MAX_FAULTS]]}, 422)


def _fault(fault: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in fault.items() if name not in ("input", "ctx", "url")}
    kept["msg"] = _text(fault["msg"])
    kept["loc"] = [part if isinstance(part, int) and abs(part) < 2**63 else _text(part) for part in fault["loc"]]
    for name in ("input", "ctx"):
        if name in fault and (text := _small_json(fault[name])) is not None:
            kept[name] = orjson.Fragment(text)
    return kept


def _text(value: Any) -> str:
    """As text; halves of characters become question marks."""
    return str(value).encode("utf-8", "replace").decode()


def _small_json(value: Any) -> bytes | None:
    try:
        text = orjson.dumps(value, default=lambda _: {})
    except TypeError:
        return None
    return text if len(text) <= MAX_ECHO_BYTES else None
