"""No request body is larger than the settings allow, whether or not it says its length beforehand.

Plain ASGI: a request without a body passes with one comparison.
"""

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_DISCARDED_BYTES = 256 * 2**20
"""How much of a body that is refused is read at most before the connection is closed on the client."""
MULTIPART_OVERHEAD_BYTES = 2**20
"""Room for the other parts of a form around the largest file."""


class BodyLimit:
    """Answers 413 with a sentence when a body is over its limit: one for forms with files, one for the rest."""

    def __init__(self, app: ASGIApp, max_request_bytes: int, max_upload_bytes: int) -> None:
        self._app = app
        self._max_request_bytes = max_request_bytes
        self._max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        is_form = headers.get(b"content-type", b"").startswith(b"multipart/form-data")
        limit = self._max_upload_bytes + MULTIPART_OVERHEAD_BYTES if is_form else self._max_request_bytes
        named = self._max_upload_bytes if is_form else self._max_request_bytes
        sentence = f"The {'upload' if is_form else 'request'} is too large: this server takes at most {named} bytes."
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            await _discard(receive)
            await JSONResponse({"detail": sentence}, 413, headers={"connection": "close"})(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                if message.get("more_body"):
                    await _discard(receive)
                raise HTTPException(413, sentence)
            return message

        await self._app(scope, counted, send)


async def _discard(receive: Receive) -> None:
    """Read on without keeping anything: a client that still sends would lose the answer with the connection."""
    discarded = 0
    while discarded < MOST_DISCARDED_BYTES:
        message = await receive()
        discarded += len(message.get("body", b""))
        if not message.get("more_body"):
            return
