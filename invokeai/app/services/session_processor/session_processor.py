"""Takes items from the queue and runs up to `max_concurrent_sessions` of them at once.

One task talks to the database: each of its turns ends what ended and takes what is next, in one round trip. An item is
told as begun or ended only after that was written. What a worker holds it keeps by a heartbeat; what it lost it stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import orjson

from invokeai.app.services.events.events import EventService
from invokeai.app.services.services import Services
from invokeai.app.services.session_processor.session_runner import Failure, NodeTools, SessionRunner
from invokeai.app.services.session_processor.worker_identity import is_dead, new_worker_id
from invokeai.app.services.session_queue.queue_events import status_event
from invokeai.app.services.session_queue.queue_models import SessionProcessorStatus
from invokeai.app.services.session_queue.queue_records import Ended, Turn
from invokeai.app.services.session_queue.session_queue import SessionQueue
from invokeai.app.services.shared.database.base import DatabaseError, DatabaseUnavailable, Row
from invokeai.app.services.shared.graph_execution import GraphRun
from invokeai.app.services.shared.graph_state import progress_as_json
from invokeai.app.services.shared.invocation_scope import ItemFacts
from invokeai.app.services.shared.json_logs import LOG_FACTS

logger = logging.getLogger(__name__)

DEVICE = "cpu"
RETRY_SECONDS = 0.5
HEARTBEATS_PER_LEASE = 3


class SessionProcessor:
    """The worker of a studio."""

    def __init__(self, services: Services, queue: SessionQueue, events: EventService) -> None:
        config = services.config
        self._queue = queue
        self._events = events
        self._records = queue.records
        self._lanes = config.max_concurrent_sessions
        self._lease_seconds = config.lease_seconds
        self._drain_seconds = config.drain_seconds
        self._config = config
        self._worker_id = ""
        threads = ThreadPoolExecutor(max_workers=self._lanes, thread_name_prefix="node")
        self._tools = NodeTools(services, events, services.invocation_cache, threads)
        self._taking = False
        self._look = asyncio.Event()
        self._may_wait = True
        self._sessions: dict[int, asyncio.Task[None]] = {}
        self._runners: dict[int, SessionRunner] = {}
        self._ended: list[tuple[Ended, Failure | None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def _keep_ended(self) -> int | None:
        """Read at every use: the UI may change it while the server runs."""
        return self._config.max_queue_history

    # Life

    async def start(self) -> None:
        """Rescue what a dead process left, then take items."""
        dead = [worker for worker in await self._records.workers() if is_dead(worker)]
        self._worker_id = new_worker_id()
        self._queue.tell(await self._records.rescue(dead, self._keep_ended))
        self._queue.worker = self
        self._taking = True
        self._tasks = [asyncio.create_task(self._take_turns()), asyncio.create_task(self._beat())]
        self.wake()

    async def stop(self) -> None:
        """Take nothing more, let what runs end for `drain_seconds`, hand the rest back."""
        if not self._tasks:
            return
        self._taking = False
        if self._sessions:
            await asyncio.wait(list(self._sessions.values()), timeout=self._drain_seconds)
        self._stopping = True
        left = list(self._sessions.values())
        self._halt(list(self._sessions))
        if left:
            await asyncio.wait(left, timeout=5)
        self._look.set()
        self._tasks[1].cancel()
        await asyncio.wait(self._tasks, timeout=5)
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(DatabaseError):  # the leases run out by themselves
            await self._records.hand_back(self._worker_id)
        self._tools.threads.shutdown(wait=False, cancel_futures=True)
        self._tasks = []

    def pause(self) -> SessionProcessorStatus:
        """Take nothing more; what runs goes on."""
        self._taking = False
        return self.status()

    def resume(self) -> SessionProcessorStatus:
        """Take items again."""
        self._taking = True
        self.wake()
        return self.status()

    def status(self) -> SessionProcessorStatus:
        """Whether items are taken, and whether any runs."""
        return SessionProcessorStatus(is_started=self._taking, is_processing=bool(self._sessions))

    # What the queue tells and asks

    def wake(self) -> None:
        """Items may be waiting."""
        self._may_wait = True
        self._look.set()

    def interrupt(self, item_ids: Iterable[int]) -> None:
        """Stop canceled items: coroutines at once, a thread at its next call of the context."""
        self._halt(item_ids, for_good=True)

    def _halt(self, item_ids: Iterable[int], *, for_good: bool = False) -> None:
        for item_id in item_ids:
            if item_id in self._runners:
                self._runners[item_id].cancel.set(for_good=for_good)
            if item_id in self._sessions:
                self._sessions[item_id].cancel()

    def live_session(self, item_id: int) -> dict[str, Any] | None:
        """What a session that runs here has done so far, or None."""
        runner = self._runners.get(item_id)
        return progress_as_json(runner.run) if runner else None

    # Turns

    async def _take_turns(self) -> None:
        while not (self._stopping and not self._ended):
            await self._look.wait()
            self._look.clear()
            while self._ended or (self._may_wait and self._free_lanes()):
                try:
                    await self._take_turn()
                except Exception:  # a fault in one turn must not end the worker; leases bring its items back
                    logger.exception("A turn of the queue failed")
                    await asyncio.sleep(RETRY_SECONDS)

    def _free_lanes(self) -> int:
        return max(0, self._lanes - len(self._sessions)) if self._taking else 0

    async def _take_turn(self) -> None:
        ended, self._ended = self._ended, []
        wanted, self._may_wait = (self._free_lanes(), False) if self._free_lanes() else (0, self._may_wait)
        known = self._queue.plans.known()
        running = list(self._sessions)
        try:
            turn = await self._records.turn(
                self._worker_id, [item for item, _ in ended], wanted, known, self._lease_seconds, DEVICE, running
            )
        except DatabaseUnavailable:
            logger.warning("The database does not answer; the queue tries again", exc_info=True)
            self._ended, self._may_wait = ended + self._ended, True
            await asyncio.sleep(RETRY_SECONDS)
            return
        except DatabaseError:
            logger.exception("The database refused the results of items %s", [item.item_id for item, _ in ended])
            self._ended += [(_unstorable(item), None) for item, _ in ended if item.error_type != "UnstorableResult"]
            self._may_wait = True
            return
        self._may_wait = self._may_wait or (wanted > 0 and len(turn.claimed) == wanted)
        self._tell_turn(turn, {item.item_id: failure for item, failure in ended})

    def _tell_turn(self, turn: Turn, failures: dict[int, Failure | None]) -> None:
        for row in turn.batches:
            self._plan(row)
        changes = [(row, "in_progress") for row in turn.ended] + [(row, "pending") for row in turn.claimed]
        turn.counts.rewind(reversed(changes))
        for row, before in changes:
            turn.counts.step((row, before))
            self._events.publish(status_event(row, turn.counts))
            failure = failures.get(_id(row))
            if before == "in_progress" and failure and failure.event:
                self._events.publish(failure.event)
            if before == "pending":
                self._begin(row)

    def _plan(self, row: Row) -> None:
        try:
            self._queue.plans.put_stored(str(row["batch_id"]), str(row["graph"]), row["workflow"])
        except ValueError:
            logger.warning("The graph of batch %s does not fit the loaded nodes", row["batch_id"], exc_info=True)

    # Sessions

    def _begin(self, row: Row) -> None:
        item_id = _id(row)
        task = asyncio.create_task(self._run_session(row))
        task.add_done_callback(lambda _: self._leave(item_id))  # also when it was canceled before it began
        self._sessions[item_id] = task

    def _leave(self, item_id: int) -> None:
        self._sessions.pop(item_id, None)
        self._runners.pop(item_id, None)
        self._may_wait = True
        self._look.set()

    async def _run_session(self, row: Row) -> None:
        item_id = _id(row)
        LOG_FACTS.set({"item_id": str(item_id), "session_id": str(row["session_id"])})
        try:
            ended = await self._session(row)
            self._ended.append(ended)  # two steps: a turn may have replaced the list during the await
        except asyncio.CancelledError:
            await self._keep_canceled(item_id)
        except Exception as error:  # a fault of the processor itself must end the item, not the worker
            logger.exception("Item %s ended in a fault of the server", item_id)
            fault = Failure(type(error).__name__, str(error) or type(error).__name__, "")
            self._ended.append((_ended(row, None, fault), fault))

    async def _session(self, row: Row) -> tuple[Ended, Failure | None]:
        batch = self._queue.plans.get(str(row["batch_id"]))
        if batch is None:
            misfit = Failure("InvalidGraph", "The graph does not fit the nodes that this server has now.", "")
            return _ended(row, None, misfit), misfit
        values = [(v["node_path"], v["field_name"], v["value"]) for v in orjson.loads(str(row["field_values"]))]
        run = GraphRun(batch.plan, str(row["session_id"]), values)
        runner = self._runners[_id(row)] = SessionRunner(self._tools, _facts(row), batch, run)
        failure = await runner.run_all()
        return _ended(row, run, failure), failure

    async def _keep_canceled(self, item_id: int) -> None:
        runner = self._runners.get(item_id)
        if runner and runner.run.results and not self._stopping:
            text = orjson.dumps(progress_as_json(runner.run)).decode()
            with contextlib.suppress(DatabaseError):  # only what a canceled item had done so far
                await self._records.save_session(item_id, text)

    # Leases

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / HEARTBEATS_PER_LEASE)
            try:
                if running := list(self._sessions):
                    held = await self._records.renew_leases(self._worker_id, running, self._lease_seconds)
                    self._halt(set(running) - held)
                if await self._records.has_expired() or self._keep_ended is not None:
                    self._queue.tell(await self._records.rescue([], self._keep_ended))
                if await self._records.has_pending():
                    self.wake()
            except DatabaseError:
                logger.warning("The heartbeat did not reach the database", exc_info=True)


def _id(row: Row) -> int:
    return int(row["item_id"] or 0)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _facts(row: Row) -> ItemFacts:
    return ItemFacts(
        queue_id=str(row["queue_id"]),
        item_id=_id(row),
        batch_id=str(row["batch_id"]),
        session_id=str(row["session_id"]),
        origin=_text(row["origin"]),
        destination=_text(row["destination"]),
        user_id=str(row["user_id"]),
    )


def _ended(row: Row, run: GraphRun | None, failure: Failure | None) -> Ended:
    return Ended(
        item_id=_id(row),
        batch_id=str(row["batch_id"]),
        status="failed" if failure else "completed",
        session=orjson.dumps(progress_as_json(run)).decode() if run else "",
        error_type=failure.error_type if failure else None,
        error_message=failure.message if failure else None,
        error_traceback=failure.traceback if failure else None,
    )


def _unstorable(item: Ended) -> Ended:
    return replace(
        item,
        status="failed",
        session="",
        error_type="UnstorableResult",
        error_message="The database refused the results of this item.",
        error_traceback="",
    )
