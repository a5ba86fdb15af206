"""SQLite: one writer thread, a few reader threads, WAL.

Invariants: every batch is all or nothing, also when several share one transaction (each has a savepoint); a write
is answered only after its COMMIT. D1's limits hold here too, so that what runs on SQLite runs on D1.
"""

import asyncio
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from invokeai.app.services.shared.database import migrations
from invokeai.app.services.shared.database.base import (
    MAX_PARAMETERS,
    BatchResult,
    Database,
    DatabaseConflict,
    DatabaseError,
    DatabaseRejected,
    DatabaseUnavailable,
    Result,
    Row,
    SqlValue,
    Statement,
)
from invokeai.app.services.shared.database.limits import checked

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

READERS = 4
BUSY_TIMEOUT_MS = 10_000
BUSY_PAUSE_SECONDS = 0.02
MAX_GROUP = 128
_READ = re.compile(r"\s*(SELECT|VALUES|EXPLAIN|WITH(?!.*\b(INSERT|UPDATE|DELETE)\b))", re.IGNORECASE | re.DOTALL)
_AWAY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_NOTADB")
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 2_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 32,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: MAX_PARAMETERS,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 5,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
}


class _Job(NamedTuple):
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    work: Work


class _Outcome(NamedTuple):
    job: _Job
    value: Any
    error: BaseException | None


class SqliteDatabase(Database):
    """A SQLite file. Threads and connections open at the first use."""

    def __init__(self, path: Path, migrations_folder: Path = migrations.MIGRATIONS) -> None:
        self.path = path
        self._migrations_folder = migrations_folder
        self._writes: SimpleQueue[_Job | None] = SimpleQueue()
        self._reads: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False

    async def fetch(self, sql: str, *params: SqlValue) -> list[Row]:
        """Rows of one statement; one that writes (`… RETURNING`) goes to the writer."""
        statement = checked(Statement(sql, params))
        rows: list[Row] = await self._submit(self._queue_for([statement]), lambda c: _rows(c, statement))
        return rows

    async def execute(self, sql: str, *params: SqlValue) -> Result:
        statement = checked(Statement(sql, params))

        def work(connection: sqlite3.Connection) -> Result:
            cursor = connection.execute(statement.sql, statement.params)
            return Result(max(cursor.rowcount, 0), cursor.lastrowid or 0)

        return await self._submit(self._writes, work)

    async def batch(self, statements: Sequence[Statement]) -> list[BatchResult]:
        """One transaction; a batch of reads alone sees one snapshot and does not wait for writers."""
        within_limits = [checked(statement) for statement in statements]
        queue = self._queue_for(within_limits)

        def read(connection: sqlite3.Connection) -> list[BatchResult]:
            connection.execute("BEGIN")
            try:
                return _run_all(connection, within_limits)
            finally:
                connection.execute("ROLLBACK")

        return await self._submit(queue, read if queue is self._reads else lambda c: _run_all(c, within_limits))

    async def migrate(self) -> list[str]:
        """Apply pending migrations, after a copy of the file when it already held some."""

        def work() -> list[str]:
            try:
                connection = _connect(self.path)
            except (sqlite3.Error, OSError) as error:
                raise DatabaseUnavailable(f"The database {self.path} cannot be opened: {error}.") from error
            try:
                return migrations.apply_pending(connection, self.path, self._migrations_folder)
            finally:
                connection.close()

        return await asyncio.to_thread(work)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._writes.put(None)
        for _ in range(READERS):
            self._reads.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _queue_for(self, batch: Sequence[Statement]) -> "SimpleQueue[_Job | None]":
        return self._reads if all(_READ.match(statement.sql) for statement in batch) else self._writes

    async def _submit(self, queue: "SimpleQueue[_Job | None]", work: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise DatabaseUnavailable("The database is closed.")
        if not self._threads:
            self._start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        queue.put(_Job(loop, future, work))
        return await future

    def _start(self) -> None:
        self._threads = [threading.Thread(target=self._write_loop, name="sqlite-writer", daemon=True)]
        for number in range(READERS):
            self._threads.append(threading.Thread(target=self._read_loop, name=f"sqlite-reader-{number}", daemon=True))
        for thread in self._threads:
            thread.start()

    def _read_loop(self) -> None:
        connection: sqlite3.Connection | None = None
        while (job := self._reads.get()) is not None:
            try:
                if connection is None:
                    connection = _connect(self.path)
                    connection.execute("PRAGMA query_only = ON")
                outcome = _attempt(job, connection)
            except (sqlite3.Error, OSError) as error:  # no connection; the next read tries again
                outcome = _Outcome(job, None, _translate(error))
            _deliver([outcome])
        if connection is not None:
            connection.close()

    def _write_loop(self) -> None:
        connection: sqlite3.Connection | None = None
        last = False
        while not last:
            group, last = self._next_group()
            if not group:
                break
            try:
                connection = connection or _connect(self.path)
                outcomes = _commit_group(connection, group)
            except (DatabaseError, sqlite3.Error, OSError) as error:  # the whole group failed (busy, disk full)
                if connection is not None and connection.in_transaction:
                    connection.rollback()
                outcomes = [_Outcome(job, None, _translate(error)) for job in group]
            _deliver(outcomes)
        if connection is not None:
            connection.close()

    def _next_group(self) -> tuple[list[_Job], bool]:
        """The writes that wait, at least one, and whether they are the last."""
        job = self._writes.get()
        group: list[_Job] = []
        while job is not None:
            group.append(job)
            if len(group) == MAX_GROUP:
                return group, False
            try:
                job = self._writes.get_nowait()
            except Empty:
                return group, False
        return group, True


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    _use_wal(connection)
    # FULL: a paid generation's receipt outlives a power cut; group commits pay for it
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Write ahead. SQLite does not wait by itself while another process makes the same change to a new file."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(BUSY_PAUSE_SECONDS)


def _commit_group(connection: sqlite3.Connection, group: list[_Job]) -> list[_Outcome]:
    """Run all jobs in one transaction; a job that fails takes only itself back."""
    connection.execute("BEGIN IMMEDIATE")
    outcomes = []
    for job in group:
        connection.execute("SAVEPOINT job")
        outcome = _attempt(job, connection)
        if outcome.error is not None:
            if not connection.in_transaction:
                raise outcome.error
            connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")
        outcomes.append(outcome)
    connection.execute("COMMIT")
    return outcomes


def _attempt(job: _Job, connection: sqlite3.Connection) -> _Outcome:
    try:
        return _Outcome(job, job.work(connection), None)
    except Exception as error:  # whatever it is, its caller gets it; the thread and the other jobs go on
        return _Outcome(job, None, _translate(error))


def _deliver(outcomes: list[_Outcome]) -> None:
    loop = outcomes[0].job.loop
    mine = [outcome for outcome in outcomes if outcome.job.loop is loop]
    others = [outcome for outcome in outcomes if outcome.job.loop is not loop]
    if not loop.is_closed():
        loop.call_soon_threadsafe(_resolve, mine)
    if others:
        _deliver(others)


def _resolve(outcomes: list[_Outcome]) -> None:
    for outcome in outcomes:
        future = outcome.job.future
        if future.done():  # the caller was cancelled
            continue
        if outcome.error is not None:
            future.set_exception(outcome.error)
        else:
            future.set_result(outcome.value)


def _rows(connection: sqlite3.Connection, statement: Statement) -> list[Row]:
    cursor = connection.execute(statement.sql, statement.params)
    if cursor.description is None:
        return []
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, values, strict=True)) for values in cursor.fetchall()]


def _run_all(connection: sqlite3.Connection, batch: Sequence[Statement]) -> list[BatchResult]:
    results = []
    for statement in batch:
        cursor = connection.execute(statement.sql, statement.params)
        columns = [column[0] for column in cursor.description or ()]
        rows: list[Row] = [dict(zip(columns, values, strict=True)) for values in cursor.fetchall()]
        results.append(BatchResult(rows, max(cursor.rowcount, 0)))
    return results


def _translate(error: Exception) -> DatabaseError:
    """The port's error for what sqlite3 raised."""
    if isinstance(error, DatabaseError):
        return error
    if isinstance(error, sqlite3.IntegrityError):
        return DatabaseConflict(f"The record conflicts with another one: {error}.")
    if getattr(error, "sqlite_errorname", "").startswith(_AWAY):
        return DatabaseUnavailable(f"The database does not answer: {error}.")
    if isinstance(error, sqlite3.Error | OverflowError | UnicodeError | TypeError | ValueError):
        return DatabaseRejected(f"The database refused the statement: {error}.")
    return DatabaseUnavailable(f"The database failed: {error}.")
