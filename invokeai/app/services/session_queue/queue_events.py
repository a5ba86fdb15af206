"""What the queue tells its clients. Members and their order are those of the wire."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, ClassVar

from invokeai.app.services.events.events import Event
from invokeai.app.services.session_queue.status_counts import StatusCounts
from invokeai.app.services.shared.database.base import Row


class QueueEvent(Event):
    """Base of the events of one queue."""

    queue_id: str


class BatchEnqueuedEvent(QueueEvent):
    """A batch was put in."""

    event_name: ClassVar[str] = "batch_enqueued"

    batch_id: str
    enqueued: int
    requested: int
    priority: int
    origin: str | None = None
    user_id: str = "system"


class QueueItemEvent(QueueEvent):
    """Base of the events of one item."""

    item_id: int
    batch_id: str
    origin: str | None = None
    destination: str | None = None
    user_id: str = "system"


class QueueItemStatusChangedEvent(QueueItemEvent):
    """An item began, ended or waits again."""

    event_name: ClassVar[str] = "queue_item_status_changed"

    status: str
    status_sequence: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    error_traceback: str | None = None
    created_at: str
    updated_at: str
    started_at: str | None = None
    completed_at: str | None = None
    batch_status: dict[str, Any]
    queue_status: dict[str, Any]
    session_id: str


class InvocationEvent(QueueItemEvent):
    """Base of the events of one node. `invocation` is the prepared node as JSON."""

    session_id: str
    invocation: dict[str, Any]
    invocation_source_id: str


class InvocationStartedEvent(InvocationEvent):
    """A node began."""

    event_name: ClassVar[str] = "invocation_started"


class InvocationProgressEvent(InvocationEvent):
    """A node tells how far it is; `percentage` is 0 to 1."""

    event_name: ClassVar[str] = "invocation_progress"

    message: str
    percentage: float | None = None
    image: dict[str, Any] | None = None
    device: str | None = None


class InvocationCompleteEvent(InvocationEvent):
    """A node is done."""

    event_name: ClassVar[str] = "invocation_complete"

    result: dict[str, Any]


class InvocationErrorEvent(InvocationEvent):
    """A node failed."""

    event_name: ClassVar[str] = "invocation_error"

    error_type: str
    error_message: str
    error_traceback: str


class QueueItemsRetriedEvent(QueueEvent):
    """Items were tried again."""

    event_name: ClassVar[str] = "queue_items_retried"

    retried_item_ids: list[int]
    user_ids: list[str]
    retried_item_ids_by_user: dict[str, list[int]]


class QueueItemsCanceledEvent(QueueEvent):
    """Items that waited were canceled or deleted."""

    event_name: ClassVar[str] = "queue_items_canceled"

    canceled_item_ids: list[int]
    user_ids: list[str]
    canceled_item_ids_by_user: dict[str, list[int]]


class QueueClearedEvent(QueueEvent):
    """A queue was emptied; of one user's items, or of all."""

    event_name: ClassVar[str] = "queue_cleared"

    user_id: str | None = None


def status_event(row: Row, counts: StatusCounts) -> QueueItemStatusChangedEvent:
    """The event for an item as it is now, with the numbers as they are in `counts`."""
    queue_id, user_id = str(row["queue_id"]), str(row["user_id"])
    current = row if row["status"] == "in_progress" else None
    return QueueItemStatusChangedEvent.model_validate(
        {
            **row,
            "batch_status": counts.batch_status(row),
            "queue_status": counts.queue_status(queue_id, user_id, current),
        }
    )


def ids_by_user(rows: Iterable[Row], column: str = "item_id") -> dict[str, list[int]]:
    """Item ids of `rows` by user, each list ascending."""
    found: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        found[str(row["user_id"])].append(int(row[column] or 0))
    return {user: sorted(ids) for user, ids in found.items()}
