"""Serves the prepared web UI.

Hashed assets may be kept by browsers for ever, `index.html` is checked at every visit. Client routes answer with the
index; an unknown path below `/api` or `/v1` is an honest 404 in JSON, because no part of the UI asks for one and a
mistyped API path must not look like a success. Without a bundle every page is a sentence that says so.
"""

import asyncio
import gzip
import hashlib
import html
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from starlette.types import Receive, Scope, Send

API_PREFIXES = ("/api/", "/v1/", "/ws/")
KEEP_FOR_EVER = b"public, max-age=31536000, immutable"
ASK_EVERY_TIME = b"no-cache"
FOLDERS = ("assets/", "locales/")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is sent: from disk, or from memory when `data` is given."""

    content_type: str
    etag: str
    size: int
    gzip_size: int | None = None
    data: bytes | None = None
    gzip_data: bytes | None = None


class StaticSite:
    """An ASGI app that answers every path that no route has taken."""

    def __init__(self, bundle: Path | None, missing_reason: str = "The web UI is switched off on this server.") -> None:
        self._folder = bundle or Path()
        self._files: dict[str, StaticFile] = {}
        self._index: dict[int, StaticFile] = {}
        if bundle is None:
            self._index_source = _sentence_page(missing_reason)
            return
        for path, entry in json.loads((bundle / "manifest.json").read_bytes()).items():
            file = StaticFile(entry["type"], f'"{entry["etag"]}"', entry["size"], entry.get("gzip_size"))
            self._files[path] = file
        self._index_source = (bundle / "site" / "index.html").read_text()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        path, method = scope["path"], scope["method"]
        if path.startswith(API_PREFIXES) or method not in ("GET", "HEAD"):
            await _answer_json(send, 404, "Not Found")
            return
        name = self._asset_name(path)
        if name is None:
            await self._send(scope, send, "index.html", self._index_page(path.count("/") - 1), ASK_EVERY_TIME)
        elif name in self._files:
            cache = (
                KEEP_FOR_EVER
                if name.startswith("assets/") and not name.startswith("assets/images/")
                else ASK_EVERY_TIME
            )
            await self._send(scope, send, name, self._files[name], cache)
        else:
            await _answer_json(send, 404, "Not Found")

    def _asset_name(self, path: str) -> str | None:
        """The file that `path` means, or None for a client route. `/admin/assets/x` means `assets/x`."""
        relative = path.lstrip("/")
        if relative in self._files and relative != "index.html":
            return relative
        for folder in FOLDERS:
            head, found, tail = relative.rpartition(folder)
            if found and (not head or head.endswith("/")):
                return folder + tail
        return relative if PurePosixPath(relative).suffix not in ("", ".html") else None

    def _index_page(self, depth: int) -> StaticFile:
        """The index for a route `depth` folders down; its relative addresses are led back to the top."""
        depth = min(max(depth, 0), 8)
        page = self._index.get(depth)
        if page is None:
            text = self._index_source
            if depth:
                text = text.replace("<head>", f'<head>\n  <base href="{"../" * depth}">', 1)
            data = text.encode()
            packed = gzip.compress(data, 9, mtime=0)
            etag = f'"{hashlib.sha256(data).hexdigest()[:20]}"'
            page = StaticFile("text/html; charset=utf-8", etag, len(data), len(packed), data, packed)
            self._index[depth] = page
        return page

    async def _send(self, scope: Scope, send: Send, name: str, file: StaticFile, cache: bytes) -> None:
        """Answer with `file`: 304 when the browser has it, compressed when the browser can."""
        request = {key: value for key, value in scope["headers"] if key in (b"accept-encoding", b"if-none-match")}
        headers = [(b"cache-control", cache), (b"etag", file.etag.encode()), (b"vary", b"Accept-Encoding")]
        headers.append((b"x-content-type-options", b"nosniff"))
        if file.etag in request.get(b"if-none-match", b"").decode("latin-1").replace("W/", "").split(", "):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        packed = file.gzip_size is not None and b"gzip" in request.get(b"accept-encoding", b"")
        size = file.gzip_size if packed else file.size
        headers += [(b"content-type", file.content_type.encode()), (b"content-length", str(size).encode())]
        if packed:
            headers.append((b"content-encoding", b"gzip"))
        body = b""
        if scope["method"] == "GET":
            body = (file.gzip_data if packed else file.data) or await self._read("gzip" if packed else "site", name)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _read(self, kind: str, name: str) -> bytes:
        """The bytes of a file that the manifest names, so no request can leave the folder."""
        return await asyncio.to_thread((self._folder / kind / name).read_bytes)


def _sentence_page(sentence: str) -> str:
    text = html.escape(sentence)
    return (
        "<!DOCTYPE html>\n<html lang='en'>\n<head>\n  <meta charset='utf-8'><title>InvokeAI Cloud</title>\n</head>\n"
        "<body style='font-family: sans-serif; margin: 4em auto; max-width: 40em'>\n<h1>InvokeAI Cloud</h1>\n"
        f"<p>{text}</p>\n"
        "<p>The API of this server is up: see <a href='/openapi.json'>/openapi.json</a>.</p>\n</body>\n</html>\n"
    )


async def _answer_json(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
