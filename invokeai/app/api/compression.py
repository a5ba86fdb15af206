"""JSON answers of a thousand bytes and more travel compressed to clients that accept gzip.

Plain ASGI and only around complete JSON answers: pictures, files and the socket channel pass untouched.
"""

import asyncio
import zlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEAST_BYTES = 1000
THREAD_FROM_BYTES = 128 * 1024
LEVEL = 2
"""Close to level 6 in size for repetitive JSON at a third of the time."""
GZIP_WINDOW = 31


class GzipJson:
    """Compresses the JSON answers of `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/ws/") or not _accepts_gzip(scope):
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def compressing(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_plain_json(message):
                start = message
                return
            if start is not None:
                held, start = start, None
                if not message.get("more_body") and len(message.get("body", b"")) >= LEAST_BYTES:
                    held, message = await _compressed(held, message["body"])
                await send(held)
            await send(message)

        await self._app(scope, receive, compressing)


def _accepts_gzip(scope: Scope) -> bool:
    return any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])


def _is_plain_json(message: Message) -> bool:
    is_json = False
    for name, value in message["headers"]:
        if name == b"content-encoding":
            return False
        if name == b"content-type":
            is_json = value.startswith(b"application/json")
    return is_json


def gzip_bytes(body: bytes, level: int = LEVEL) -> bytes:
    """`body` in gzip format."""
    packer = zlib.compressobj(level, zlib.DEFLATED, GZIP_WINDOW)
    return packer.compress(body) + packer.flush()


async def _compressed(start: Message, body: bytes) -> tuple[Message, Message]:
    packed = await asyncio.to_thread(gzip_bytes, body) if len(body) >= THREAD_FROM_BYTES else gzip_bytes(body)
    headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    headers += [
        (b"content-encoding", b"gzip"),
        (b"content-length", str(len(packed)).encode()),
        (b"vary", b"Accept-Encoding"),
    ]
    return {**start, "headers": headers}, {"type": "http.response.body", "body": packed}
