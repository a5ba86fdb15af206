"""A queue and a processor on a real database, with everything they published and every round trip they made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from invokeai.app.invocations import load_core_invocations
from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.events.events import Event, EventService
from invokeai.app.services.invocation_cache.invocation_cache import InvocationCache
from invokeai.app.services.session_processor.session_processor import SessionProcessor
from invokeai.app.services.session_queue.queue_models import Batch
from invokeai.app.services.session_queue.session_queue import SessionQueue
from invokeai.app.services.shared.database.base import BatchResult, Database, Statement
from tests.app.services.shared.database.counting_database import CountingDatabase
from tests.storage_engines import empty_database

QUEUE = "default"


class FailingDatabase(CountingDatabase):
    """Raises what is in `failures`, one at each call, before it works again; and `lost` after a batch was done."""

    def __init__(self, inner: Database) -> None:
        super().__init__(inner)
        self.failures: list[Exception] = []
        self.lost: list[Exception] = []

    async def batch(self, statements: Sequence[Statement]) -> list[BatchResult]:
        """As the inner one; the answer may get lost."""
        answer = await super().batch(statements)
        if self.lost:
            raise self.lost.pop(0)
        return answer

    def _note(self, *statements: str) -> None:
        super()._note(*statements)
        if self.failures:
            raise self.failures.pop(0)


class QueueStudio:
    """The parts, built but not started. `images` stands in for the image service."""

    def __init__(self, root: Path, images: Any = None, database: Database | None = None, **settings: Any) -> None:
        load_core_invocations()
        self.config = AppConfig(root=root, **settings)
        self.database = FailingDatabase(database or empty_database(root / "test.db"))
        self.events = EventService()
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.events.subscribe(self._remember)
        self.queue = SessionQueue(self.database, self.events, self.config.max_queue_size)
        self.cache = InvocationCache(self.config.node_cache_size)
        services: Any = SimpleNamespace(
            config=self.config, database=self.database, invocation_cache=self.cache, images=images
        )
        self.processor = SessionProcessor(services, self.queue, self.events)

    async def __aenter__(self) -> QueueStudio:
        await self.database.migrate()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.processor.stop()
        await self.database.close()

    def _remember(self, event: Event) -> None:
        self.told.append((event.event_name, event.model_dump(mode="json")))

    def named(self, name: str) -> list[dict[str, Any]]:
        """The payloads of all events of a name."""
        return [payload for told, payload in self.told if told == name]

    def order(self, item_id: int) -> list[str]:
        """What was told of an item, in order, in short."""
        found = []
        for name, payload in self.told:
            if payload.get("item_id") == item_id:
                detail = payload.get("status") or payload["invocation_source_id"]
                found.append(f"{name.removeprefix('queue_item_').removeprefix('invocation_')} {detail}")
        return found

    async def enqueue(self, batch: dict[str, Any], prepend: bool = False) -> dict[str, Any]:
        """Enqueue a batch given as JSON."""
        return await self.queue.enqueue(QUEUE, Batch.model_validate(batch), prepend)

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until `condition` holds; fails after a minute."""
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.005)

    async def wait_for_ends(self, count: int) -> None:
        """Until `count` items have ended."""
        await self.wait_for(lambda: len(self.ends()) >= count)

    def ends(self) -> list[dict[str, Any]]:
        """The events of ended items."""
        ended = ("completed", "failed", "canceled")
        return [p for p in self.named("queue_item_status_changed") if p["status"] in ended]


def batch_of(nodes: dict[str, dict[str, Any]], *edges: tuple[str, str], **members: Any) -> dict[str, Any]:
    """A batch as clients send it; an edge is a pair like ("a.value", "b.a")."""
    joined = []
    for source, destination in edges:
        (a, b), (c, d) = source.split(".", 1), destination.split(".", 1)
        joined.append({"source": {"node_id": a, "field": b}, "destination": {"node_id": c, "field": d}})
    return {"graph": {"id": "g", "nodes": nodes, "edges": joined}, "runs": 1, **members}
