"""A socket.io connection that is only held: it never reconnects, so one break shows."""

import asyncio
import threading
import time
from typing import Any

import socketio

from tests.cloud.cloud_worker import BEARER


class HeldSocket:
    """Connected by WebSocket from a thread of its own, subscribed to the queue's events."""

    def __init__(self, address: str) -> None:
        self.opened = time.monotonic()
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.breaks = 0
        self._client = socketio.AsyncClient(reconnection=False)
        self._client.on("*", self._receive)
        self._client.on("disconnect", self._broken)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._open(address))

    def seconds_held(self) -> float:
        """Since it was opened."""
        return time.monotonic() - self.opened

    def completed(self, batch_id: str) -> int:
        """How many items of a batch it was told to be completed."""
        told = [data for name, data in list(self.events) if name == "queue_item_status_changed"]
        return sum(data["batch_id"] == batch_id and data["status"] == "completed" for data in told)

    def close(self) -> None:
        """Hang up and end the thread."""
        self._run(self._client.disconnect())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _open(self, address: str) -> None:
        await self._client.connect(address, headers=BEARER, transports=["websocket"], socketio_path="/ws/socket.io")
        await self._client.emit("subscribe_queue", {"queue_id": "default"})

    async def _receive(self, name: str, data: dict[str, Any]) -> None:
        self.events.append((name, data))

    async def _broken(self, *_: Any) -> None:
        self.breaks += 1
