"""How many items of each status a queue and its batches have, right after a change.

Several changes are written at once but told one by one: `rewind` goes back to before them, `step` forward again, so
that every event carries the numbers of its own moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from invokeai.app.services.session_queue.queue_models import STATUSES
from invokeai.app.services.shared.database.base import Row

Change = tuple[Row, str]
"""An item as it is after a change, and its status before."""


class StatusCounts:
    """Numbers by queue, user and status, numbers by batch and status, and what runs."""

    def __init__(self, queues: Iterable[Row], running: Iterable[Row], batches: Iterable[Row] = ()) -> None:
        self._queues: dict[tuple[Any, Any, Any], int] = defaultdict(int)
        for row in queues:
            self._queues[row["queue_id"], row["user_id"], row["status"]] = _number(row["total"])
        self._batches: dict[tuple[Any, Any], int] = defaultdict(int)
        for row in batches:
            self._batches[row["batch_id"], row["status"]] = _number(row["total"])
        self._running = {row["item_id"]: row for row in running}

    def rewind(self, changes: Iterable[Change]) -> None:
        """Go back to before `changes`."""
        for row, before in changes:
            self._move(row, str(row["status"]), before)

    def step(self, change: Change) -> None:
        """Make one change again."""
        row, before = change
        self._move(row, before, str(row["status"]))

    def queue_status(self, queue_id: str, user_id: str, current: Row | None = None) -> dict[str, Any]:
        """Members of SessionQueueStatus. `current` is the item to name; None names any that runs."""
        if current is None:
            current = next((row for row in self._running.values() if row["queue_id"] == queue_id), None)
        totals: dict[str, int] = dict.fromkeys(STATUSES, 0)
        for (queue, _, status), total in self._queues.items():
            if queue == queue_id:
                totals[status] += total
        return {
            "queue_id": queue_id,
            "item_id": current["item_id"] if current else None,
            "batch_id": current["batch_id"] if current else None,
            "session_id": current["session_id"] if current else None,
            **totals,
            "total": sum(totals.values()),
            "user_pending": self._queues.get((queue_id, user_id, "pending"), 0),
            "user_in_progress": self._queues.get((queue_id, user_id, "in_progress"), 0),
        }

    def batch_status(self, row: Row) -> dict[str, Any]:
        """Members of BatchStatus for the batch of an item."""
        totals: dict[str, int] = {s: self._batches.get((row["batch_id"], s), 0) for s in STATUSES}
        return {
            "queue_id": row["queue_id"],
            "batch_id": row["batch_id"],
            "origin": row["origin"],
            "destination": row["destination"],
            **totals,
            "total": sum(totals.values()),
        }

    def _move(self, row: Row, source: str, target: str) -> None:
        for status, change in ((source, -1), (target, 1)):
            self._queues[row["queue_id"], row["user_id"], status] += change
            self._batches[row["batch_id"], status] += change
        if target == "in_progress":
            self._running[row["item_id"]] = row
        else:
            self._running.pop(row["item_id"], None)


def totals_by_status(rows: Iterable[Row]) -> dict[str, int]:
    """Every status and `total` from rows of `status` and `total`."""
    totals: dict[str, int] = dict.fromkeys(STATUSES, 0)
    for row in rows:
        if row["status"] is not None:
            totals[str(row["status"])] = _number(row["total"])
    return {**totals, "total": sum(totals.values())}


def _number(value: Any) -> int:
    return int(value or 0)
