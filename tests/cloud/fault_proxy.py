"""A proxy between a client and an engine that fails on command: before the engine sees a request, or after it acted."""

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from aiohttp import web

Kind = Literal["reset before", "reset after", "answer", "answer after", "silence", "truncate", "swallow"]
HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Fault:
    """What happens to one request.

    `reset before`: cut, the engine never hears of it. `reset after`: the engine acts, then cut. `answer`: the proxy
    answers itself with `status`, `body` and `headers`. `answer after`: the same, after the engine acted. `silence`:
    no answer for `seconds`. `truncate`: half of the engine's answer. `swallow`: answered as done, the engine never
    hears of it.
    """

    kind: Kind
    status: int = 500
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 30.0


class FaultProxy:
    """Passes requests to `target` unless a fault is planned. Runs on a thread with a loop of its own."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.faults: list[Fault] = []
        """Planned faults, the next request takes the first."""
        self.down = False
        """True: every connection is cut at once."""
        self.down_after: int | None = None
        """That many requests are let through before it goes down by itself."""
        self.requests: list[str] = []
        """Method and path of each request that arrived."""
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Close the port."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        self._ready.set()
        self._loop.run_forever()

    async def _open(self) -> None:
        # workerd closes an idle connection after 5 s; a request that meets that end is a fault that nobody planned
        connector = aiohttp.TCPConnector(keepalive_timeout=4)
        self._client = aiohttp.ClientSession(auto_decompress=False, connector=connector)
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        await self._runner.cleanup()
        await self._client.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        if self.down_after is not None and len(self.requests) > self.down_after:
            self.down, self.down_after = True, None
        body = await request.read()
        fault = Fault("reset before") if self.down else self.faults.pop(0) if self.faults else None
        if fault is None:
            return await self._forward(request, body)
        if fault.kind in ("answer", "answer after"):
            if fault.kind == "answer after":
                await self._forward(request, body)
            return web.Response(status=fault.status, text=fault.body, headers=fault.headers)
        if fault.kind == "swallow":
            return web.Response(status=200, headers={"etag": '"0"'})
        if fault.kind == "silence":
            await asyncio.sleep(fault.seconds)
        answer = None if fault.kind in ("reset before", "silence") else await self._forward(request, body)
        assert request.transport is not None
        if answer is not None and fault.kind == "truncate":
            whole = answer.body if isinstance(answer.body, bytes) else b""
            cut = web.StreamResponse(status=answer.status, headers=answer.headers)
            cut.content_length = len(whole)
            await cut.prepare(request)
            await cut.write(whole[: len(whole) // 2])
            await asyncio.sleep(0.05)
        request.transport.abort()
        return web.Response()

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        # the Host header stays the client's: S3 signatures cover it
        async with self._client.request(
            request.method, self.target + request.raw_path, data=body, headers=request.headers, allow_redirects=False
        ) as answer:
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_HEADERS}
            return web.Response(status=answer.status, body=await answer.read(), headers=headers)
