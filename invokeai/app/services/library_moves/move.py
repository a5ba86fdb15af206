"""A library copied from one storage to another, whole, checked, and safe to stop and start at any point.

Files go before the records that name them. Every step looks first at what the target has, so a repeated run does
only what is missing; the target remembers which library it takes in until all of it is there.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field

import orjson

from invokeai.app.services.library_defaults.library_facts import fact_statement, load_facts
from invokeai.app.services.library_moves import tables
from invokeai.app.services.library_moves.library import Library
from invokeai.app.services.library_moves.progress import Progress
from invokeai.app.services.library_moves.tables import MOVE_FACT, Key, RowsByKey, Table
from invokeai.app.services.shared.database.base import Row, Statement
from invokeai.app.services.shared.errors import Conflict, NotFound

PageWork = Callable[[Table, list[Row], RowsByKey], Awaitable[None]]
"""Takes a table, a page of the source's rows, and the target's rows of the same keys."""

FILES_SIDE_BY_SIDE = 8
COPYING, DONE = "copying", "done"
FILLED_BY_A_START = frozenset({"workflows", "style_presets", "system_prompts", "library_facts"})
"""Tables that hold shipped entries, so that a target may have more rows than the source."""
BOUND_TO_THEIR_LIBRARY = frozenset({"batches", "session_queue", "session_parts", "client_state", "library_facts"})
"""Tables whose rows mean nothing among those of another library: numbers of its queue, parts of its values."""
_CONTENT = {
    "pictures": "images",
    "boards": "boards",
    "batches": "batches",
    "receipts": "generation_receipts",
    "workflows": "workflows WHERE category = 'user'",
    "style presets": "style_presets WHERE type = 'user'",
}
"""What a studio that was only started has none of."""
_WAITING = "SELECT count(*) AS items FROM session_queue WHERE status IN ('pending', 'in_progress', 'waiting')"


@dataclass(slots=True)
class MoveReport:
    """What a run did. `kept` counts what the target has in another version and keeps; `without_file`
    counts pictures whose file the source lost; `waiting` items of the queue are now in both; `faults` are sentences."""

    files: int = 0
    rows: int = 0
    files_written: int = 0
    rows_written: int = 0
    kept: int = 0
    without_file: int = 0
    waiting: int = 0
    faults: list[str] = field(default_factory=list)


class LibraryMove:
    """Copies `source` into `target`.

    Args:
        source: it is only read, and should not be in use.
        target: it is migrated first.
        progress: told of every file and page.
        into_existing: add what is missing to a library that is in use, and change nothing that it has.
    """

    def __init__(self, source: Library, target: Library, progress: Progress, *, into_existing: bool = False) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._adds = into_existing
        self._moves_rows = source.database_place != target.database_place
        self._moves_files = source.objects_place != target.objects_place
        self._writes = True
        self._report = MoveReport()

    async def run(self) -> MoveReport:
        """Copy and check.

        Raises:
            Conflict: source or target is not what it must be; nothing was changed.
            DatabaseError, Unavailable: an engine does not answer; the same call goes on later.
        """
        if not self._moves_rows and not self._moves_files:
            raise Conflict("Source and target are the same library.")
        await tables.require_current(self._source.database, self._source.database_place)
        await self._target.database.migrate()
        sizes = {entry.key: entry.size async for entry in self._source.files()} if self._moves_files else {}
        there = {entry.key: entry.size async for entry in self._target.files()} if self._moves_files else {}
        moved = await tables.tables_of(self._target.database) if self._moves_rows else []
        if self._adds:
            moved = [table for table in moved if table.name not in BOUND_TO_THEIR_LIBRARY]
        self._writes = self._adds or await self._claim(sizes.keys(), there.keys())
        if self._writes:
            await self._copy_files(sizes, there)
            await self._copy_rows(moved)
            if moved and not self._adds:
                await tables.copy_sequences(self._source.database, self._target.database, moved)
        await self._check_files(sizes)
        await self._check_rows(moved, sizes.keys())
        if self._moves_rows and not self._adds:
            self._report.waiting = int((await self._source.database.fetch(_WAITING))[0]["items"] or 0)
            if not self._report.faults:
                await self._target.database.batch([self._mark(DONE)])
        return self._report

    async def _claim(self, keys: Iterable[str], there: Iterable[str]) -> bool:
        """Whether there is something to copy; False when this very move is done already."""
        if not self._moves_rows:
            return True
        of_source, of_target = await _mark_of(self._source), await _mark_of(self._target)
        if of_source.get("state") == COPYING:
            raise Conflict(f"{self._source.place} is an unfinished copy itself; finish that move first.")
        if of_target.get("source") == self._source.place:
            return of_target["state"] == COPYING
        found = await self._content()
        if not found and any(key.startswith("images/") for key in set(there).difference(keys)):
            found = "files of another library"
        if found:
            raise Conflict(
                f"{self._target.place} is not empty: it has {found}. Choose an empty target, or add to it with "
                "--into-existing, which changes nothing that is there."
            )
        emptied = [Statement(f"DELETE FROM {table}") for table in ("client_state", "library_facts")]
        await self._target.database.batch([*emptied, self._mark(COPYING)])
        return True

    async def _content(self) -> str:
        """What the target holds of a user's."""
        asked = [Statement(f"SELECT EXISTS (SELECT 1 FROM {part}) AS found") for part in _CONTENT.values()]
        answers = await self._target.database.batch(asked)
        found = [name for name, answer in zip(_CONTENT, answers, strict=True) if answer.rows[0]["found"]]
        return ", ".join(found)

    def _mark(self, state: str) -> Statement:
        return fact_statement(MOVE_FACT, orjson.dumps({"source": self._source.place, "state": state}).decode())

    async def _copy_files(self, sizes: dict[str, int], there: dict[str, int]) -> None:
        def is_missing(key: str) -> bool:
            return key not in there if self._adds else there.get(key) != sizes[key]

        async def copy(key: str) -> None:
            try:
                data = await self._source.read(key)
            except NotFound:  # deleted while we copy; the check below will say so if a record names it
                return
            await self._target.write(key, data)
            self._report.files_written += 1

        await self._each("files copied", [key for key in sizes if is_missing(key)], copy)

    async def _copy_rows(self, moved: list[Table]) -> None:
        async def put(table: Table, page: list[Row], same: RowsByKey) -> None:
            if self._adds:
                wanted = [row for row in page if table.key_of(row) not in same]
            else:
                wanted = [row for row in page if same.get(table.key_of(row)) != row]
            written = await tables.write_rows(self._target.database, table, wanted, replace=not self._adds)
            self._report.rows_written += written

        await self._each_page("rows copied", moved, put)

    async def _check_files(self, sizes: dict[str, int]) -> None:
        async def check(key: str) -> None:
            self._report.files += 1
            try:
                expected = hashlib.sha256(await self._source.read(key)).digest()
            except NotFound:
                return
            if await self._digest(key) == expected:
                return
            if self._adds and await self._digest(key):
                self._report.kept += 1
                return
            if self._writes:
                await self._target.write(key, await self._source.read(key))
            if await self._digest(key) != expected:
                self._fault(f"The file {key} is not the same in the target.")

        await self._each("files checked", list(sizes), check)

    async def _digest(self, key: str) -> bytes | None:
        try:
            return hashlib.sha256(await self._target.read(key)).digest()
        except NotFound:
            return None

    async def _check_rows(self, moved: list[Table], keys: Collection[str]) -> None:
        async def check(table: Table, page: list[Row], same: RowsByKey) -> None:
            self._report.rows += len(page)
            if table.name == "images" and self._moves_files:
                self._report.without_file += sum(f"images/{row['image_name']!s}" not in keys for row in page)
            differing = [row for row in page if same.get(table.key_of(row)) != row]
            kept = [row for row in differing if self._adds and table.key_of(row) in same]
            self._report.kept += len(kept)
            if len(differing) > len(kept):
                self._fault(f"{len(differing) - len(kept)} rows of {table.name} are not the same in the target.")

        totals = await self._each_page("rows checked", moved, check)
        for table in [] if self._adds else moved:
            extra = await tables.count(self._target.database, table) - totals[table.name]
            if extra > 0 and table.name not in FILLED_BY_A_START:
                self._fault(f"{table.name} has {extra} rows more in the target than in the source.")

    def _fault(self, sentence: str) -> None:
        self._report.faults.append(sentence)

    async def _each_page(self, label: str, moved: list[Table], work: PageWork) -> dict[str, int]:
        """Do the work for all pages of all tables; how many rows the source has of each."""
        totals = {table.name: await tables.count(self._source.database, table) for table in moved}
        self._progress.start(label, sum(totals.values()))
        for table in moved:
            after: Key | None = None
            while page := await tables.read_page(self._source.database, table, after):
                await work(table, page, await tables.read_same(self._target.database, table, page))
                self._progress.add(len(page))
                after = table.key_of(page[-1])
        self._progress.end()
        return totals

    async def _each(self, label: str, keys: list[str], work: Callable[[str], Awaitable[None]]) -> None:
        """Do the work for all keys, several at a time; the first failure ends it."""
        self._progress.start(label, len(keys))
        waiting = iter(keys)

        async def worker() -> None:
            for key in waiting:
                await work(key)
                self._progress.add()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(FILES_SIDE_BY_SIDE):
                    group.create_task(worker())
        except ExceptionGroup as failures:  # one sentence is enough
            raise failures.exceptions[0] from None
        self._progress.end()


async def _mark_of(library: Library) -> dict[str, str]:
    """What the library remembers of a move into it; empty when there was none. One round trip."""
    facts = await load_facts(library.database)
    mark: dict[str, str] = orjson.loads(facts.get(MOVE_FACT, "{}"))
    return mark
