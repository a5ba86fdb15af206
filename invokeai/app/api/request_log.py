"""Request ids for logs in JSON: taken from `X-Request-Id` or made, told back, and in every line that a request causes.

Plain ASGI and only put around the application when logs are JSON, so that it costs nothing otherwise. Queries and
bodies are never logged.
"""

import logging
import re
import time
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from invokeai.app.services.shared.json_logs import LOG_FACTS

logger = logging.getLogger("invokeai.requests")

HEADER = b"x-request-id"
_ACCEPTED = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")
_PROBES = ("/healthz", "/readyz")


class RequestLog:
    """Writes a line for each request that changes something (info) or fails (info, warning from 500); else at debug."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = _given(scope) or uuid.uuid4().hex
        LOG_FACTS.set({"request_id": request_id})  # stays: what the server says of a fault comes after this call
        status, began = 0, time.perf_counter()

        async def telling(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (HEADER, request_id.encode())]}
            await send(message)

        try:
            await self._app(scope, receive, telling)
        finally:
            if scope["type"] == "http":
                _tell(scope, status, time.perf_counter() - began)


def _given(scope: Scope) -> str | None:
    given = next((value for name, value in scope["headers"] if name == HEADER), None)
    return given.decode("ascii") if given and _ACCEPTED.fullmatch(given) else None


def _tell(scope: Scope, status: int, seconds: float) -> None:
    is_quiet = scope["method"] in ("GET", "HEAD") and 0 < status < 400
    if scope["path"] in _PROBES or is_quiet:
        level = logging.DEBUG
    else:
        level = logging.INFO if 0 < status < 500 else logging.WARNING
    if logger.isEnabledFor(level):
        facts = {"method": scope["method"], "path": scope["path"], "status": status, "ms": round(seconds * 1000, 1)}
        logger.log(level, "%s %s", scope["method"], scope["path"], extra={"facts": facts})
