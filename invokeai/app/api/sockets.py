"""The event channel of the web UI: socket.io at `/ws/socket.io`, long-polling first, WebSocket after.

Every event goes out in the order of publishing, once to each socket of its room.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import orjson
import socketio

from invokeai.app.services.events.events import Event, EventService
from invokeai.app.services.shared.faults import faults_are_logged

logger = logging.getLogger(__name__)

PATH = "/ws/socket.io"
ALL_SOCKETS = None


class _Orjson:
    """The JSON codec that python-socketio asks for."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_: Any) -> Any:
        return orjson.loads(text)


class Sockets:
    """The sockets of a studio. Mount `asgi`, then `start` on the running loop."""

    def __init__(self) -> None:
        self._server = socketio.AsyncServer(async_mode="asgi", json=_Orjson, logger=False, engineio_logger=False)
        self.asgi = socketio.ASGIApp(self._server, socketio_path=PATH)
        self._outgoing: asyncio.Queue[Event] = asyncio.Queue()
        self._pump: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        for name, prefix in (("queue", "queue_id"), ("bulk_download", "bulk_download_id")):
            self._server.on(f"subscribe_{name}", self._entering(name, prefix))
            self._server.on(f"unsubscribe_{name}", self._leaving(name, prefix))

    async def start(self, events: EventService) -> None:
        """Send what is published on `events` from now on."""
        self._unsubscribe = events.subscribe(self._outgoing.put_nowait)
        self._pump = asyncio.create_task(self._send_all())

    async def stop(self) -> None:
        """Send nothing more and let the sockets go."""
        self._unsubscribe()
        if self._pump:
            self._pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump
        await self._server.shutdown()

    async def _send_all(self) -> None:
        while True:
            event = await self._outgoing.get()
            with faults_are_logged(logger, "Event %s was not sent", event.event_name):
                room = room_of(event)
                if room is ALL_SOCKETS or room in self._server.manager.rooms.get("/", {}):
                    await self._server.emit(event.event_name, event.model_dump(mode="json"), room=room)

    def _entering(self, name: str, member: str) -> Any:
        async def enter(sid: str, data: Any = None) -> None:
            if (room := _named(data, member)) is not None:
                await self._server.enter_room(sid, f"{name}:{room}")

        return enter

    def _leaving(self, name: str, member: str) -> Any:
        async def leave(sid: str, data: Any = None) -> None:
            if (room := _named(data, member)) is not None:
                await self._server.leave_room(sid, f"{name}:{room}")

        return leave


def room_of(event: Event) -> str | None:
    """The room whose sockets get the event; None is every socket."""
    if event.room == "queue":
        return f"queue:{getattr(event, 'queue_id', 'default')}"
    if event.room == "bulk_download":
        return f"bulk_download:{getattr(event, 'bulk_download_id', 'default')}"
    return ALL_SOCKETS


def _named(data: Any, member: str) -> str | None:
    value = data.get(member) if isinstance(data, dict) else None
    return value if isinstance(value, str) and len(value) <= 200 else None
