"""A socket.io connection that is only held: it never reconnects, so one break shows."""

import asyncio
import threading
import time
from typing import Any

import socketio

from tests.cloud.cloud_worker import BEARER

PATIENCE_SECONDS = 30


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

    def hold(self, seconds: float) -> None:
        """Wait until it has been open for so long. Raises AssertionError when it breaks."""
        while not self.breaks and time.monotonic() < self.opened + seconds:
            time.sleep(0.2)
        assert not self.breaks, "the socket broke"

    def wait_until_completed(self, batch_id: str) -> None:
        """Wait until it was told that an item of the batch is completed. Raises AssertionError when it is not."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not self._is_completed(batch_id):
            assert not self.breaks and time.monotonic() < end, "the socket did not tell of the picture"
            time.sleep(0.05)

    def _is_completed(self, batch_id: str) -> bool:
        told = [data for name, data in list(self.events) if name == "queue_item_status_changed"]
        return any(data["batch_id"] == batch_id and data["status"] == "completed" for data in told)

    def close(self) -> None:
        """Hang up and end the thread."""
        self._run(self._client.disconnect())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _open(self, address: str) -> None:
        await self._client.connect(address, headers=BEARER, transports=["websocket"], socketio_path="/ws/socket.io")
        await self._client.call("subscribe_queue", {"queue_id": "default"})

    async def _receive(self, name: str, data: dict[str, Any]) -> None:
        self.events.append((name, data))

    async def _broken(self, *_: Any) -> None:
        self.breaks += 1
