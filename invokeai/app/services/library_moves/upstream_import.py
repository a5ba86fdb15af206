"""An InvokeAI 6.x root brought into a library: boards, pictures, workflows, style presets, system prompts.

Names and ids stay, and a record that is there already is never changed, so a second run adds nothing. A picture's file
is stored, byte for byte, and read back before its record is written. A lost file or a damaged row is reported and
passed over.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from invokeai.app.services.image_files.picture_encoding import thumbnail_of
from invokeai.app.services.library_moves import tables, upstream_rows
from invokeai.app.services.library_moves.library import Library
from invokeai.app.services.library_moves.progress import Progress
from invokeai.app.services.library_moves.tables import Table
from invokeai.app.services.library_moves.upstream_root import RawRow, UpstreamRoot
from invokeai.app.services.library_moves.upstream_rows import DamagedRow, OwnRow
from invokeai.app.services.shared.database.base import Row
from invokeai.app.services.shared.errors import Conflict, NotFound, TooLarge, Unavailable, UnsupportedMedia

PAGE_ROWS = 100
PAGE_CHARACTERS = 1_000_000
"""Most text of a page, unless one row alone has more."""
FILES_SIDE_BY_SIDE = 8
Convert = Callable[[RawRow], Awaitable[OwnRow]]
"""Stores a new row's files and gives the row for here. Raises DamagedRow, NotFound."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is brought over together: a table there, the table here, the key there, and how people call it."""

    source: str
    target: str
    key: str
    label: str


BOARDS = _Kind("boards", "boards", "board_id", "boards")
PICTURES = _Kind("images", "images", "image_name", "pictures")
WORKFLOWS = _Kind("workflow_library", "workflows", "workflow_id", "workflows")
PRESETS = _Kind("style_presets", "style_presets", "id", "style presets")
PROMPTS = _Kind("system_prompts", "system_prompts", "id", "system prompts")


@dataclass(slots=True)
class Taken:
    """Rows of one kind: in the root, without those that InvokeAI ships; new here; here before; passed over."""

    found: int = 0
    added: int = 0
    there_before: int = 0
    passed_over: int = 0


@dataclass(slots=True)
class ImportReport:
    """What a run did. The lists hold sentences; `faults` tell of rows that are not as they were written."""

    taken: dict[str, Taken] = field(default_factory=dict)
    files_checked: int = 0
    missing_files: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class UpstreamImport:
    """Brings `root` into `library`, which is migrated first and may be in use.

    Args:
        root: only read.
        library: gets everything; all of it belongs to its one user.
        progress: told of every row.
        max_pixels: most pixels that are decoded for a thumbnail that the root lacks.
    """

    def __init__(self, root: UpstreamRoot, library: Library, progress: Progress, max_pixels: int) -> None:
        self._root = root
        self._library = library
        self._progress = progress
        self._max_pixels = max_pixels
        self._report = ImportReport()
        self._board_of: dict[str, str] = {}
        self._files: set[str] = set()

    async def run(self) -> ImportReport:
        """Bring everything in, and check it.

        Raises:
            Conflict: the library is in the very folders of the root; nothing was changed.
            DatabaseError, Unavailable: an engine does not answer; the same call goes on later.
        """
        self._refuse_itself()
        await self._library.database.migrate()
        self._files = {entry.key async for entry in self._library.files()}
        found = {table.name: table for table in await tables.tables_of(self._library.database)}
        await self._take(BOARDS, found, self._board)
        await self._place_pictures()
        await self._take(PICTURES, found, self._image)
        await self._take(WORKFLOWS, found, self._workflow)
        await self._take(PRESETS, found, self._preset)
        await self._take(PROMPTS, found, self._prompt)
        self._report.damaged += self._root.damaged_files
        videos = self._root.count("videos")
        if videos:
            self._report.left_out.append(f"{videos:,} videos stay behind: this studio has none.")
        return self._report

    def _refuse_itself(self) -> None:
        here = {Path(self._library.database_place).resolve(), Path(self._library.objects_place, "images").resolve()}
        if here & {self._root.database_path.resolve(), self._root.images_path.resolve()}:
            raise Conflict(f"{self._library.place} is InvokeAI's own place; give this studio another with --root.")

    async def _place_pictures(self) -> None:
        """Which board each picture is on."""
        known = {str(row["board_id"]) for row in await self._library.database.fetch("SELECT board_id FROM boards")}
        for row in self._rows("board_images"):
            if row.get("board_id") in known:
                self._board_of[str(row.get("image_name"))] = str(row["board_id"])
            else:
                self._report.left_out.append(f"{row.get('image_name')} is on a board that is not there.")

    async def _take(self, kind: _Kind, found: dict[str, Table], convert: Convert) -> None:
        """Rows of one kind, a page at a time: those whose key is free here, and the files of the others."""
        table = found[kind.target]
        taken = self._report.taken[kind.label] = Taken()
        self._progress.start(kind.label, self._root.count(kind.source))
        for page in _pages(self._rows(kind.source)):
            own = [row for row in page if not upstream_rows.is_shipped(kind.source, row)]
            self._progress.add(len(page) - len(own))
            taken.found += len(own)
            there = await self._there(table, kind, own)
            ready = await self._convert_all(kind, own, there, convert)
            await self._write(table, ready)
            taken.added += len(ready)
            taken.there_before += len(there)
            taken.passed_over += len(own) - len(there) - len(ready)
        self._progress.end()

    async def _there(self, table: Table, kind: _Kind, page: Sequence[RawRow]) -> set[str]:
        names: list[Row] = [{table.key[0]: str(row.get(kind.key))} for row in page]
        return {str(key[0]) for key in await tables.read_same(self._library.database, table, names)} if names else set()

    async def _convert_all(
        self, kind: _Kind, page: Sequence[RawRow], there: set[str], convert: Convert
    ) -> list[OwnRow]:
        """The new rows for here in the order of the page; several at a time."""
        ready: dict[int, OwnRow] = {}
        waiting = iter(enumerate(page))

        async def worker() -> None:
            for number, row in waiting:
                name = str(row.get(kind.key))[:80]
                try:
                    if str(row.get(kind.key)) not in there:
                        ready[number] = await convert(row)
                    elif kind is PICTURES:
                        await self._check_kept(row)
                except DamagedRow as error:
                    self._report.damaged.append(f"{kind.label}, {name}: {error}.")
                except NotFound as error:
                    self._report.missing_files.append(f"{kind.label}, {name}: {error}.")
                self._progress.add()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(FILES_SIDE_BY_SIDE):
                    group.create_task(worker())
        except ExceptionGroup as failures:  # one sentence is enough
            raise failures.exceptions[0] from None
        return [ready[number] for number in sorted(ready)]

    async def _write(self, table: Table, ready: Sequence[OwnRow]) -> None:
        """Write the rows and read them back."""
        if not ready:
            return
        await tables.write_rows(self._library.database, table, ready, replace=False)
        same = await tables.read_same(self._library.database, table, ready)
        for row in ready:
            if same.get(table.key_of(row)) != row:
                self._report.faults.append(f"{table.name}: {row[table.key[0]]!s} is not here as it was written.")

    def _rows(self, source: str) -> Iterator[RawRow]:
        """The readable rows of a table; a damaged file ends them."""
        try:
            yield from self._root.rows(source)
        except sqlite3.DatabaseError as error:
            self._report.damaged.append(f"{source}: the database file is damaged, the rest cannot be read: {error}.")

    async def _board(self, row: RawRow) -> OwnRow:
        return upstream_rows.board(row)

    async def _image(self, row: RawRow) -> OwnRow:
        png = await asyncio.to_thread(self._root.picture, row)
        name = str(row["image_name"])
        own, lost = await asyncio.to_thread(upstream_rows.image, row, png, self._board_of.get(name))
        thumbnail = await asyncio.to_thread(self._thumbnail, row, png)
        if thumbnail is not None:
            await self._store(f"thumbnails/{name.rpartition('.')[0] or name}.webp", thumbnail)
        await self._store(f"images/{name}", png)
        if lost:
            self._report.left_out.append(f"{name}: its metadata is no JSON object that a record can hold.")
        return own

    def _thumbnail(self, row: RawRow, png: bytes) -> bytes | None:
        """The root's thumbnail, or a new one. Raises DamagedRow: the picture cannot be decoded."""
        try:
            return self._root.thumbnail(row) or thumbnail_of(png, self._max_pixels)
        except UnsupportedMedia as error:
            raise DamagedRow(str(error).rstrip(".")) from None
        except TooLarge:
            self._report.left_out.append(f"{row['image_name']}: it is too large for a thumbnail.")
            return None

    async def _check_kept(self, row: RawRow) -> None:
        """The file of a picture whose record is there: put back if it is lost, else only compared."""
        key = f"images/{row['image_name']}"
        try:
            png = await asyncio.to_thread(self._root.picture, row)
        except NotFound:
            return
        if key not in self._files:
            await self._store(key, png)
        elif await self._digest(key) == hashlib.sha256(png).digest():
            self._report.files_checked += 1
        else:
            self._report.left_out.append(f"{row['image_name']}: another file of that name is here, and stays.")

    async def _workflow(self, row: RawRow) -> OwnRow:
        picture = await asyncio.to_thread(self._root.workflow_thumbnail, str(row.get("workflow_id")))
        own = upstream_rows.workflow(row, picture is not None)
        await self._keep("workflow_thumbnails", own["thumbnail_id"], picture)
        return own

    async def _preset(self, row: RawRow) -> OwnRow:
        picture = await asyncio.to_thread(self._root.preset_picture, str(row.get("id")))
        own = upstream_rows.style_preset(row, picture is not None)
        await self._keep("style_presets", own["image_id"], picture)
        return own

    async def _prompt(self, row: RawRow) -> OwnRow:
        return upstream_rows.system_prompt(row)

    async def _keep(self, folder: str, file_id: object, picture: bytes | None) -> None:
        if picture is not None:
            await self._store(f"{folder}/{file_id!s}.webp", picture)

    async def _store(self, key: str, data: bytes) -> None:
        """Write a file, unless a run before did, and read it back."""
        expected = hashlib.sha256(data).digest()
        if key not in self._files or await self._digest(key) != expected:
            await self._library.write(key, data)
            if await self._digest(key) != expected:
                raise Unavailable(f"The file {key} was not stored as it was sent; run the same command again.")
        self._report.files_checked += 1

    async def _digest(self, key: str) -> bytes | None:
        try:
            return hashlib.sha256(await self._library.read(key)).digest()
        except NotFound:
            return None


def _pages(rows: Iterator[RawRow]) -> Iterator[Sequence[RawRow]]:
    page: list[RawRow] = []
    size = 0
    for row in rows:
        characters = sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if page and (len(page) == PAGE_ROWS or size + characters > PAGE_CHARACTERS):
            yield page
            page, size = [], 0
        page.append(row)
        size += characters
    if page:
        yield page
