"""The application under a real uvicorn in this process, with a real socket.io client at it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import socketio
import uvicorn

from invokeai.app.api_app import create_app
from invokeai.app.services.config.config import AppConfig
from tests.storage_engines import storage_settings


class ServedStudio:
    """A studio at `url`; `told` holds what its socket got, in order."""

    def __init__(self, url: str, http: httpx.AsyncClient, app: Any) -> None:
        self.url = url
        self.http = http
        self.app = app
        self.told: list[tuple[str, dict[str, Any]]] = []

    async def connect(self, **options: Any) -> socketio.AsyncClient:
        """A client that has subscribed as the web UI does, each subscription answered."""
        client = socketio.AsyncClient()
        client.on("*", lambda name, payload: self.told.append((name, payload)))
        await client.connect(self.url, socketio_path="/ws/socket.io", **options)
        await client.call("subscribe_queue", {"queue_id": "default"})
        await client.call("subscribe_bulk_download", {"bulk_download_id": "default"})
        return client

    async def enqueue(self, batch: dict[str, Any], **members: Any) -> httpx.Response:
        """POST a batch."""
        body = {"batch": batch, "prepend": False, **members}
        return await self.http.post("/api/v1/queue/default/enqueue_batch", json=body)

    def order(self, item_id: int) -> list[str]:
        """What the socket got about an item, in short."""
        return [
            f"{name} {payload.get('status') or payload['invocation_source_id']}"
            for name, payload in self.told
            if payload.get("item_id") == item_id
        ]

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until `condition` holds; fails after a minute."""
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def served_studio(root: Path, **settings: Any) -> AsyncIterator[ServedStudio]:
    """Serve a studio on a free port until the block ends."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = create_app(AppConfig(root=root, **storage_settings(), **settings))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="websockets-sansio", timeout_graceful_shutdown=2))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        assert not task.done(), task
        await asyncio.sleep(0.01)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        yield ServedStudio(url, http, app)
    server.should_exit = True
    await task
