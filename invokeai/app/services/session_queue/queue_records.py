"""The queue's records.

Each method is one round trip; one that cancels or rescues needs a second for the counts, when it changed anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from invokeai.app.services.session_queue import queue_sql as sql
from invokeai.app.services.session_queue.status_counts import StatusCounts
from invokeai.app.services.shared.database.base import BatchResult, Database, Row, Statement
from invokeai.app.services.shared.timestamps import timestamp, timestamp_after

MAX_TEXT_BYTES = 1_500_000
MAX_ATTEMPTS = 5
"""An item whose server died this often is given up."""


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch as it is written; `item_texts` are JSON lists of new items."""

    batch_id: str
    queue_id: str
    user_id: str
    origin: str | None
    destination: str | None
    prepend: bool
    graph: str
    workflow: str | None
    item_texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Ended:
    """How an item ended, and its session as JSON text."""

    item_id: int
    batch_id: str
    status: str
    session: str
    error_type: str | None = None
    error_message: str | None = None
    error_traceback: str | None = None


@dataclass(slots=True)
class Changes:
    """Items whose status changed, as they are now, and the counts after it."""

    rows: list[Row]
    counts: StatusCounts


@dataclass(slots=True)
class Turn:
    """What one turn of the processor brought: items that ended, items taken, graphs of batches new to the worker."""

    ended: list[Row]
    claimed: list[Row]
    batches: list[Row] = field(default_factory=list)
    counts: StatusCounts = field(default_factory=lambda: StatusCounts((), ()))


class SessionQueueRecords:
    """Reads and writes of the queue's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert_batch(self, batch: NewBatch, max_pending: int) -> list[Row]:
        """Put a batch in, as far as there is room; rows of item_id and priority, newest first."""
        now = timestamp()
        statements = [
            Statement(
                sql.INSERT_BATCH,
                (
                    batch.batch_id,
                    batch.queue_id,
                    batch.user_id,
                    batch.origin,
                    batch.destination,
                    int(batch.prepend),
                    batch.graph,
                    batch.workflow,
                    now,
                ),
            )
        ]
        for text in batch.item_texts:
            statements.append(Statement(sql.INSERT_ITEMS, (text, batch.batch_id, now, max_pending, batch.queue_id)))
        statements.append(Statement(sql.DELETE_BATCH_WITHOUT_ITEMS, (batch.batch_id,)))
        statements.append(Statement(sql.SELECT_BATCH_ITEMS, (batch.batch_id,)))
        return (await self._database.batch(statements))[-1].rows

    async def insert_retries(self, queue_id: str, items: Sequence[tuple[int, str]]) -> list[Row]:
        """New items for ended ones: (item id, new session id) each; rows of retried_from_item_id and user_id.

        Safe to repeat with the same session ids.
        """
        text = orjson.dumps([{"i": item_id, "s": session_id} for item_id, session_id in items]).decode()
        insert = Statement(sql.INSERT_RETRIES, (text, queue_id, timestamp()))
        return (await self._database.batch([insert, Statement(sql.SELECT_RETRIES, (text,))]))[-1].rows

    async def turn(
        self,
        worker_id: str,
        ended: Sequence[Ended],
        wanted: int,
        known_batches: Sequence[str],
        lease_seconds: float,
        device: str,
        running: Sequence[int],
    ) -> Turn:
        """End what ended and take up to `wanted` items: the processor's one round trip.

        Safe to repeat after an answer that got lost, as `running` are all items that the worker knows to be its own.
        """
        now = timestamp()
        statements = [statement for item in ended for statement in _part_statements(item)]
        statements += [Statement(sql.FINISH, (text, now, worker_id)) for text in _ended_texts(ended)]
        finished = len(statements)
        if ended:
            statements.append(Statement(sql.SELECT_FINISHED, (_json([item.item_id for item in ended]),)))
        if wanted:
            lease = timestamp_after(lease_seconds)
            statements.append(Statement(sql.HAND_BACK_UNHEARD, (worker_id, now, _json(running))))
            statements.append(Statement(sql.CLAIM, (worker_id, lease, device, now, wanted)))
            statements.append(Statement(sql.SELECT_NEW_BATCHES, (worker_id, _json(known_batches))))
        statements += _counting([item.batch_id for item in ended], worker_id)
        results = await self._database.batch(statements)
        done = list(results[finished].rows) if ended else []
        claimed, batches = (results[-5].rows, results[-4].rows) if wanted else ([], [])
        claimed.sort(key=lambda row: (-int(row["priority"] or 0), int(row["item_id"] or 0)))
        order = {item.item_id: index for index, item in enumerate(ended)}
        done.sort(key=lambda row: order.get(int(row["item_id"] or 0), 0))
        return Turn(done, claimed, batches, _counts(results))

    async def renew_leases(self, worker_id: str, item_ids: Sequence[int], lease_seconds: float) -> set[int]:
        """Keep items that the worker runs for another lease; those that it still holds."""
        rows = await self._database.fetch(sql.RENEW_LEASES, worker_id, timestamp_after(lease_seconds), _json(item_ids))
        return {int(row["item_id"] or 0) for row in rows}

    async def workers(self) -> list[str]:
        """Ids of the workers that hold items."""
        return [str(row["worker_id"]) for row in await self._database.fetch(sql.SELECT_WORKERS)]

    async def has_expired(self) -> bool:
        """Whether a lease has run out."""
        row = await self._database.fetch_one(sql.SELECT_HAS_EXPIRED, timestamp())
        return bool(row and row["found"])

    async def rescue(self, dead_workers: Sequence[str], keep_ended: int | None = None) -> Changes:
        """Let items of expired leases and of dead workers wait again; drop ended items beyond `keep_ended`."""
        dead, now = _json(dead_workers), timestamp()
        changes = await self._change(
            Statement(sql.RESCUE_FAILED, (now, dead, MAX_ATTEMPTS)), Statement(sql.RESCUE, (now, dead))
        )
        if keep_ended is not None:
            await self._database.execute(sql.DELETE_OLD, keep_ended)
        return changes

    async def hand_back(self, worker_id: str) -> Changes:
        """Let everything that the worker holds wait again."""
        return await self._change(Statement(sql.HAND_BACK, (worker_id, timestamp())))

    async def cancel_item(self, queue_id: str, item_id: int) -> Changes:
        """Cancel one item, if it has not ended."""
        return await self._change(Statement(sql.CANCEL_ITEM, (timestamp(), queue_id, item_id)))

    async def cancel_batches(self, queue_id: str, batch_ids: Sequence[str]) -> Changes:
        """Cancel what has not ended of some batches."""
        return await self._change(Statement(sql.CANCEL_BATCHES, (timestamp(), queue_id, _json(batch_ids))))

    async def cancel_destination(self, queue_id: str, destination: str) -> Changes:
        """Cancel what has not ended of a destination."""
        return await self._change(Statement(sql.CANCEL_DESTINATION, (timestamp(), queue_id, destination)))

    async def cancel_pending(self, queue_id: str) -> Changes:
        """Cancel all that waits."""
        return await self._change(Statement(sql.CANCEL_PENDING, (timestamp(), queue_id)))

    async def clear(self, queue_id: str) -> tuple[Changes, int]:
        """Cancel what runs, then delete every item; the canceled ones, and how many were deleted."""
        cancel = Statement(sql.CANCEL_RUNNING, (timestamp(), queue_id))
        return await self._change_and_delete(cancel, Statement(sql.DELETE_ALL, (queue_id,)), queue_id)

    async def delete_destination(self, queue_id: str, destination: str) -> tuple[Changes, int]:
        """Cancel what has not ended of a destination, then delete all of it."""
        cancel = Statement(sql.CANCEL_DESTINATION, (timestamp(), queue_id, destination))
        delete = Statement(sql.DELETE_DESTINATION, (queue_id, destination))
        return await self._change_and_delete(cancel, delete, queue_id)

    async def delete_item(self, queue_id: str, item_id: int) -> tuple[Changes, int]:
        """Cancel an item if it has not ended, then delete it."""
        cancel = Statement(sql.CANCEL_ITEM, (timestamp(), queue_id, item_id))
        return await self._change_and_delete(cancel, Statement(sql.DELETE_ITEM, (queue_id, item_id)), queue_id)

    async def delete_pending(self, queue_id: str) -> list[Row]:
        """Delete all that waits; rows of item_id and user_id."""
        results = await self._database.batch(
            [Statement(sql.DELETE_PENDING, (queue_id,)), Statement(sql.DELETE_EMPTY_BATCHES, (queue_id,))]
        )
        return results[0].rows

    async def prune(self, queue_id: str) -> int:
        """Delete all that has ended; how many."""
        results = await self._database.batch(
            [Statement(sql.DELETE_ENDED, (queue_id,)), Statement(sql.DELETE_EMPTY_BATCHES, (queue_id,))]
        )
        return results[0].rowcount

    async def save_session(self, item_id: int, session: str) -> None:
        """Keep what a canceled item had done."""
        if len(session) <= MAX_TEXT_BYTES // 4:
            await self._database.execute(sql.SAVE_SESSION, session, item_id)

    async def counts(self) -> StatusCounts:
        """The numbers of every queue."""
        results = await self._database.batch([Statement(sql.SELECT_COUNTS), Statement(sql.SELECT_RUNNING)])
        return StatusCounts(results[0].rows, results[1].rows)

    async def has_pending(self) -> bool:
        """Whether anything waits."""
        row = await self._database.fetch_one(sql.SELECT_HAS_PENDING)
        return bool(row and row["found"])

    async def batch_counts(self, queue_id: str, batch_id: str) -> list[Row]:
        """Rows of status and total with the batch's members; empty for a batch that is not there."""
        return await self._database.fetch(sql.COUNT_BATCH, queue_id, batch_id)

    async def destination_counts(self, queue_id: str, destination: str) -> list[Row]:
        """Rows of status and total."""
        return await self._database.fetch(sql.COUNT_DESTINATION, queue_id, destination)

    async def item(self, queue_id: str, item_id: int) -> Row | None:
        """A whole item, its session put together."""
        results = await self._database.batch(
            [Statement(sql.SELECT_ITEM, (queue_id, item_id)), Statement(sql.SELECT_PARTS, (item_id,))]
        )
        if not results[0].rows:
            return None
        row = dict(results[0].rows[0])
        if results[1].rows:
            row["session"] = "".join(str(part["body"]) for part in results[1].rows)
        return row

    async def items(self, queue_id: str, item_ids: Sequence[int]) -> list[Row]:
        """Whole items in the order of `item_ids`; unknown ones are left out."""
        rows = await self._database.fetch(sql.SELECT_ITEMS, queue_id, _json(item_ids))
        return _in_order(rows, item_ids)

    async def all_items(self, queue_id: str, destination: str | None) -> list[Row]:
        """Whole items of a destination, or all."""
        return await self._database.fetch(sql.SELECT_ALL_ITEMS, queue_id, destination)

    async def current(self, queue_id: str) -> Row | None:
        """An item that runs."""
        return await self._database.fetch_one(sql.SELECT_CURRENT, queue_id)

    async def next(self, queue_id: str) -> Row | None:
        """The item that is taken next."""
        return await self._database.fetch_one(sql.SELECT_NEXT, queue_id)

    async def summaries(self, queue_id: str, item_ids: Sequence[int]) -> list[Row]:
        """Summaries in the order of `item_ids`; unknown ones are left out."""
        rows = await self._database.fetch(sql.SELECT_SUMMARIES, queue_id, _json(item_ids))
        return _in_order(rows, item_ids)

    async def item_ids(self, queue_id: str, newest_first: bool) -> list[int]:
        """Ids of all items by time of creation; ids of the same moment ascend."""
        rows = await self._database.fetch(sql.SELECT_IDS_NEWEST if newest_first else sql.SELECT_IDS_OLDEST, queue_id)
        return [int(row["item_id"] or 0) for row in rows]

    async def _change(self, *statements: Statement) -> Changes:
        results = await self._database.batch(statements)
        rows = sorted((row for result in results for row in result.rows), key=lambda row: int(row["item_id"] or 0))
        if not rows:
            return Changes([], StatusCounts((), ()))
        return Changes(rows, _counts(await self._database.batch(_counting(_batches_of(rows), ""))))

    async def _change_and_delete(self, cancel: Statement, delete: Statement, queue_id: str) -> tuple[Changes, int]:
        """Two round trips: the counts that events tell are those between canceling and deleting."""
        canceled = await self._database.batch([cancel])
        rows = canceled[0].rows
        forget = Statement(sql.DELETE_EMPTY_BATCHES, (queue_id,))
        results = await self._database.batch([*_counting(_batches_of(rows), ""), delete, forget])
        return Changes(rows, _counts(results[:3])), results[3].rowcount


def _counting(batch_ids: Sequence[str], worker_id: str) -> list[Statement]:
    return [
        Statement(sql.SELECT_COUNTS),
        Statement(sql.SELECT_RUNNING),
        Statement(sql.COUNT_BATCHES, (_json(batch_ids), worker_id)),
    ]


def _batches_of(rows: Sequence[Row]) -> list[str]:
    return list({str(row["batch_id"]) for row in rows})


def _counts(results: Sequence[BatchResult]) -> StatusCounts:
    return StatusCounts(results[-3].rows, results[-2].rows, results[-1].rows)


def _ended_texts(ended: Sequence[Ended]) -> list[str]:
    """JSON lists of ended items, none over the size of a value."""
    texts: list[str] = []
    current: list[str] = []
    size = 0
    for item in ended:
        large = _is_large(item)
        members = {
            "item_id": item.item_id,
            "status": item.status,
            "session": None if large else item.session,
            "error_type": item.error_type,
            "error_message": item.error_message,
            "error_traceback": item.error_traceback,
        }
        text = orjson.dumps(members).decode()
        if current and size + len(text) > MAX_TEXT_BYTES:
            texts.append("[" + ",".join(current) + "]")
            current, size = [], 0
        current.append(text)
        size += len(text)
    return [*texts, "[" + ",".join(current) + "]"] if current else texts


def _is_large(item: Ended) -> bool:
    return len(item.session) > MAX_TEXT_BYTES // 4


def _part_statements(item: Ended) -> list[Statement]:
    if not _is_large(item):
        return []
    step = MAX_TEXT_BYTES // 4
    pieces = [item.session[start : start + step] for start in range(0, len(item.session), step)]
    return [Statement(sql.INSERT_PART, (item.item_id, index, piece)) for index, piece in enumerate(pieces)]


def _in_order(rows: Sequence[Row], item_ids: Sequence[int]) -> list[Row]:
    by_id = {row["item_id"]: row for row in rows}
    return [by_id[item_id] for item_id in dict.fromkeys(item_ids) if item_id in by_id]


def _json(values: Sequence[str] | Sequence[int]) -> str:
    return orjson.dumps(list(values)).decode()
