"""A server that answers everything and keeps what reached it. `…/events` and `…/body` show whether bodies stream."""

import asyncio
import threading
from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True)
class Received:
    """One request; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]


class RecordingOrigin:
    """Runs on a thread with a loop of its own."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.first_chunk = threading.Event()
        """Set when the first part of a body sent to `/body` is there."""
        self.go_on = threading.Event()
        """What `/events` waits for after its first event."""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Close the port."""
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        self._ready.set()
        self._loop.run_forever()

    async def _open(self) -> None:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(Received(request.method, request.path, headers))
        if request.path == "/cached":
            return web.json_response({}, headers={"cache-control": "public, max-age=60"})
        if request.path == "/unchanged":
            return web.Response(status=304, headers={"etag": '"1"'})
        if request.path.endswith("/body"):
            length = 0
            async for chunk in request.content.iter_any():
                length += len(chunk)
                self.first_chunk.set()
            return web.json_response({"length": length})
        if request.path.endswith("/events"):
            stream = web.StreamResponse(headers={"content-type": "text/event-stream"})
            await stream.prepare(request)
            await stream.write(b"data: first\n\n")
            await asyncio.to_thread(self.go_on.wait, 20)
            await stream.write(b"data: second\n\n")
            return stream
        return web.json_response({})
