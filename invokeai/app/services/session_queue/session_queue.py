"""The session queue: batches in, items listed, canceled, tried again, deleted.

What is told to clients was written before. An item's session is made from its batch's graph and its own values; only
what its run added is stored with it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from invokeai.app.services.events.events import EventService
from invokeai.app.services.session_queue.batch_items import count_items, json_bytes, new_items
from invokeai.app.services.session_queue.batch_plans import BatchPlans
from invokeai.app.services.session_queue.item_views import item_view, summary_view
from invokeai.app.services.session_queue.queue_events import (
    BatchEnqueuedEvent,
    QueueClearedEvent,
    QueueItemsCanceledEvent,
    QueueItemsRetriedEvent,
    ids_by_user,
    status_event,
)
from invokeai.app.services.session_queue.queue_models import Batch
from invokeai.app.services.session_queue.queue_records import Changes, NewBatch, SessionQueueRecords
from invokeai.app.services.session_queue.status_counts import totals_by_status
from invokeai.app.services.shared.database.base import MAX_VALUE_BYTES, Database, Row
from invokeai.app.services.shared.errors import Conflict, InvalidInput, NotFound, TooLarge
from invokeai.app.services.shared.graph import Graph

DEFAULT_QUEUE = "default"


class Worker(Protocol):
    """Who runs the items: told what to stop and when to look, asked how far a session is."""

    def wake(self) -> None:
        """Items may be waiting."""

    def interrupt(self, item_ids: Iterable[int]) -> None:
        """These items were canceled; stop them if they run here."""

    def live_session(self, item_id: int) -> dict[str, Any] | None:
        """What a session that runs here has done so far, or None."""


class NoWorker:
    """Stands in until a processor is there."""

    def wake(self) -> None:
        """Nobody to wake."""

    def interrupt(self, item_ids: Iterable[int]) -> None:
        """Nothing runs."""

    def live_session(self, item_id: int) -> dict[str, Any] | None:
        """Nothing runs."""
        return None


class SessionQueue:
    """The queue of a studio. Methods name their round trips."""

    def __init__(self, database: Database, events: EventService, max_queue_size: int) -> None:
        self.records = SessionQueueRecords(database)
        self._events = events
        self._max_queue_size = max_queue_size
        self.plans = BatchPlans()
        self.worker: Worker = NoWorker()

    async def enqueue(self, queue_id: str, batch: Batch, prepend: bool, user_id: str = "system") -> dict[str, Any]:
        """Put a batch in; members of EnqueueBatchResult. One round trip, however many items.

        Raises:
            TooLarge: the graph, the workflow or the values of an item do not fit into the database.
            InvalidInput: they hold what cannot be stored.
            Conflict: the queue is full.
        """
        graph = _plain(batch.graph)
        new = NewBatch(
            batch_id=batch.batch_id,
            queue_id=queue_id,
            user_id=user_id,
            origin=batch.origin,
            destination=batch.destination,
            prepend=prepend,
            graph=_stored("graph", graph),
            workflow=_stored("workflow", batch.workflow) if batch.workflow is not None else None,
            item_texts=new_items(batch, self._max_queue_size),
        )
        rows = await self.records.insert_batch(new, self._max_queue_size)
        if not rows:
            raise Conflict(f"The queue is full: {self._max_queue_size} items wait already. Nothing was put in.")
        self.plans.put(batch.batch_id, batch.graph, new.workflow)
        requested, priority = count_items(batch), int(rows[0]["priority"] or 0)
        self._events.publish(
            BatchEnqueuedEvent(
                queue_id=queue_id,
                batch_id=batch.batch_id,
                enqueued=len(rows),
                requested=requested,
                priority=priority,
                origin=batch.origin,
                user_id=user_id,
            )
        )
        self.worker.wake()
        return {
            "queue_id": queue_id,
            "enqueued": len(rows),
            "requested": requested,
            "batch": {
                **batch.model_dump(mode="json", include={"batch_id", "origin", "destination", "data"}),
                "graph": graph,
                "workflow": batch.workflow,
                "runs": batch.runs,
            },
            "priority": priority,
            "item_ids": [row["item_id"] for row in rows],
        }

    async def retry(self, queue_id: str, item_ids: Sequence[int]) -> list[int]:
        """New items for failed and canceled ones; ids of the old ones. One round trip."""
        pairs = [(item_id, str(uuid.uuid4())) for item_id in dict.fromkeys(item_ids)]
        rows = await self.records.insert_retries(queue_id, pairs)
        by_user = ids_by_user(rows, "retried_from_item_id")
        retried = sorted(item_id for ids in by_user.values() for item_id in ids)
        if retried:
            self._events.publish(
                QueueItemsRetriedEvent(
                    queue_id=queue_id,
                    retried_item_ids=retried,
                    user_ids=list(by_user),
                    retried_item_ids_by_user=by_user,
                )
            )
            self.worker.wake()
        return retried

    # Canceling and deleting

    async def cancel(self, queue_id: str, item_id: int) -> dict[str, Any]:
        """Cancel an item unless it has ended; the item. Raises NotFound."""
        changes = await self.records.cancel_item(queue_id, item_id)
        self._tell_each(changes, changes.rows)
        self.worker.interrupt([item_id])
        return await self.get(queue_id, item_id)

    async def cancel_batches(self, queue_id: str, batch_ids: Sequence[str]) -> int:
        """Cancel what has not ended of some batches; how many items."""
        return self._tell_canceled(queue_id, await self.records.cancel_batches(queue_id, batch_ids))

    async def cancel_destination(self, queue_id: str, destination: str) -> int:
        """Cancel what has not ended of a destination; how many items."""
        return self._tell_canceled(queue_id, await self.records.cancel_destination(queue_id, destination))

    async def cancel_all_except_current(self, queue_id: str) -> int:
        """Cancel all that waits; how many items."""
        return self._tell_canceled(queue_id, await self.records.cancel_pending(queue_id))

    async def clear(self, queue_id: str) -> int:
        """Cancel what runs and delete everything; how many items."""
        changes, deleted = await self.records.clear(queue_id)
        self._tell_each(changes, changes.rows)
        self.worker.interrupt([_id(row) for row in changes.rows])
        self._events.publish(QueueClearedEvent(queue_id=queue_id))
        return deleted

    async def prune(self, queue_id: str) -> int:
        """Delete what has ended; how many items. One round trip."""
        return await self.records.prune(queue_id)

    async def delete(self, queue_id: str, item_id: int) -> None:
        """Cancel and delete an item. Raises NotFound."""
        changes, deleted = await self.records.delete_item(queue_id, item_id)
        if not deleted:
            raise _not_found(queue_id, item_id)
        self._tell_canceled(queue_id, changes)

    async def delete_destination(self, queue_id: str, destination: str) -> int:
        """Cancel and delete all of a destination; how many items."""
        changes, deleted = await self.records.delete_destination(queue_id, destination)
        self._tell_canceled(queue_id, changes)
        return deleted

    async def delete_all_except_current(self, queue_id: str) -> int:
        """Delete all that waits; how many items. One round trip."""
        rows = await self.records.delete_pending(queue_id)
        self._tell_bulk(queue_id, rows)
        return len(rows)

    # Reading

    async def get(self, queue_id: str, item_id: int) -> dict[str, Any]:
        """An item with all members. Raises NotFound. One round trip."""
        row = await self.records.item(queue_id, item_id)
        if row is None:
            raise _not_found(queue_id, item_id)
        return self._view(row)

    async def get_many(self, queue_id: str, item_ids: Sequence[int]) -> list[dict[str, Any]]:
        """Items in the order asked for, without unknown ones. One round trip."""
        return [self._view(row) for row in await self.records.items(queue_id, item_ids)]

    async def list_all(self, queue_id: str, destination: str | None) -> list[dict[str, Any]]:
        """The items of a destination, or all. One round trip."""
        return [self._view(row) for row in await self.records.all_items(queue_id, destination)]

    async def summaries(self, queue_id: str, item_ids: Sequence[int]) -> list[dict[str, Any]]:
        """Summaries in the order asked for, without unknown ones. One round trip."""
        return [summary_view(row) for row in await self.records.summaries(queue_id, item_ids)]

    async def item_ids(self, queue_id: str, newest_first: bool) -> list[int]:
        """All ids. One round trip."""
        return await self.records.item_ids(queue_id, newest_first)

    async def current(self, queue_id: str) -> dict[str, Any] | None:
        """An item that runs, or None. One round trip."""
        row = await self.records.current(queue_id)
        return self._view(row) if row else None

    async def next(self, queue_id: str) -> dict[str, Any] | None:
        """The item that is taken next, or None. One round trip."""
        row = await self.records.next(queue_id)
        return self._view(row) if row else None

    async def status(self, queue_id: str, user_id: str = "system") -> dict[str, Any]:
        """Members of SessionQueueStatus. One round trip."""
        return (await self.records.counts()).queue_status(queue_id, user_id)

    async def batch_status(self, queue_id: str, batch_id: str) -> dict[str, Any]:
        """Members of BatchStatus; zeros for a batch that is gone. One round trip."""
        rows = await self.records.batch_counts(queue_id, batch_id)
        first = rows[0] if rows else {"origin": None, "destination": None}
        return {
            "queue_id": queue_id,
            "batch_id": batch_id,
            "origin": first["origin"],
            "destination": first["destination"],
            **totals_by_status(rows),
        }

    async def destination_counts(self, queue_id: str, destination: str) -> dict[str, Any]:
        """Members of SessionQueueCountsByDestination. One round trip."""
        rows = await self.records.destination_counts(queue_id, destination)
        return {"queue_id": queue_id, "destination": destination, **totals_by_status(rows)}

    # Telling

    def tell(self, changes: Changes) -> None:
        """Publish a status event for each change."""
        self._tell_each(changes, changes.rows)

    def _tell_each(self, changes: Changes, rows: Iterable[Row]) -> None:
        for row in rows:
            self._events.publish(status_event(row, changes.counts))

    def _tell_canceled(self, queue_id: str, changes: Changes) -> int:
        """One event for each item that ran, one for all that waited."""
        ran = [row for row in changes.rows if row["started_at"] is not None]
        self._tell_each(changes, ran)
        self._tell_bulk(queue_id, [row for row in changes.rows if row["started_at"] is None])
        self.worker.interrupt([_id(row) for row in ran])
        return len(changes.rows)

    def _tell_bulk(self, queue_id: str, rows: Sequence[Row]) -> None:
        if rows:
            by_user = ids_by_user(rows)
            self._events.publish(
                QueueItemsCanceledEvent(
                    queue_id=queue_id,
                    canceled_item_ids=sorted(_id(row) for row in rows),
                    user_ids=list(by_user),
                    canceled_item_ids_by_user=by_user,
                )
            )

    def _view(self, row: Row) -> dict[str, Any]:
        live: Callable[[int], dict[str, Any] | None] = self.worker.live_session
        return item_view(row, live(_id(row)) if row["status"] == "in_progress" else None)


def _id(row: Row) -> int:
    return int(row["item_id"] or 0)


def _not_found(queue_id: str, item_id: int) -> NotFound:
    return NotFound(f"Queue item with id {item_id} not found in queue {queue_id}")


def _plain(graph: Graph) -> dict[str, Any]:
    try:
        return graph.model_dump(mode="json")
    except ValueError as error:
        raise InvalidInput(f"The graph cannot be stored as JSON: {error}.") from None


def _stored(what: str, value: Any) -> str:
    text = json_bytes(what, value)
    if len(text) > MAX_VALUE_BYTES:
        raise TooLarge(f"The {what} has {len(text):,} bytes as JSON; at most {MAX_VALUE_BYTES:,} can be stored.")
    return text.decode()
