"""Rows of any table, read and written in pages that every engine carries.

Which tables there are is asked of the database, so a new table moves without a word here. A page travels as one JSON
parameter; a row too large for that goes alone, a parameter a column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from invokeai.app.services.shared.database.base import MAX_VALUE_BYTES, Database, Row, SqlValue, Statement
from invokeai.app.services.shared.database.migrations import SELECT_APPLIED, migration_files
from invokeai.app.services.shared.errors import Conflict

KEPT_BY_TRIGGERS = ("image_counts", "session_queue_counts")
"""Tables that follow from others."""
MOVE_FACT = "library_move"
"""The row of `library_facts` that says how far a move into this library is; it never moves itself."""
PAGE_ROWS = 500
PAGE_BYTES = 1_000_000
"""Most bytes of a page, unless one row alone has more; JSON may double them."""

_TABLES = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'd1_migrations' "
    "AND substr(name, 1, 7) <> 'sqlite_' AND substr(name, 1, 4) <> '_cf_' ORDER BY name"
)

Key = tuple[SqlValue, ...]
RowsByKey = Mapping[Key, Row]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `key` are the columns of its primary key, `parents` the tables that its rows refer to."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    parents: frozenset[str]

    @property
    def moved(self) -> str:
        """The condition on rows that move."""
        return f"name <> '{MOVE_FACT}'" if self.name == "library_facts" else "true"

    def key_of(self, row: Row) -> Key:
        """The row's primary key."""
        return tuple(row[column] for column in self.key)


async def require_current(database: Database, place: str) -> None:
    """Raise Conflict unless exactly the migrations that are known here are applied. One round trip."""
    there = await database.fetch("SELECT name FROM sqlite_master WHERE name = 'd1_migrations'")
    applied = {str(row["name"]) for row in await database.fetch(SELECT_APPLIED)} if there else set()
    known = {file.name for file in migration_files()}
    if not applied:
        raise Conflict(f"{place} holds no library of InvokeAI Cloud; an InvokeAI root comes in by `import`.")
    if applied - known:
        raise Conflict(f"{place} was written by a newer version ({max(applied - known)}); update this one first.")
    if known - applied:
        raise Conflict(f"{place} lacks {min(known - applied)}; run `invokeai-cloud database migrate` on it first.")


async def tables_of(database: Database) -> list[Table]:
    """The tables that hold a library, each after those that it refers to. Two round trips."""
    names = [str(row["name"]) for row in await database.fetch(_TABLES) if row["name"] not in KEPT_BY_TRIGGERS]
    pragmas = [
        Statement(f"PRAGMA {pragma}({_quoted(name)})")
        for name in names
        for pragma in ("table_info", "foreign_key_list")
    ]
    answers = iter(await database.batch(pragmas))
    waiting = []
    for name in names:
        columns = next(answers).rows
        key = sorted((row for row in columns if row["pk"]), key=lambda row: int(row["pk"] or 0))
        parents = frozenset(str(row["table"]) for row in next(answers).rows) - {name}
        waiting.append(Table(name, tuple(str(c["name"]) for c in columns), tuple(str(c["name"]) for c in key), parents))
    ordered: list[Table] = []
    while waiting:
        done = {table.name for table in ordered}
        ready = [table for table in waiting if table.parents <= done]
        assert ready, "tables that refer to each other have no order"
        ordered += ready
        waiting = [table for table in waiting if table not in ready]
    return ordered


async def count(database: Database, table: Table) -> int:
    """How many rows there are to move. One round trip."""
    rows = await database.fetch(f"SELECT count(*) AS total FROM {_quoted(table.name)} WHERE {table.moved}")
    return int(rows[0]["total"] or 0)


async def read_page(database: Database, table: Table, after: Key | None) -> list[Row]:
    """The next rows in the order of the key, none at the end. Two round trips."""
    keys = _names(table.key)
    condition = table.moved
    params: Key = ()
    if after is not None:
        condition, params = f"{condition} AND ({keys}) > ({_marks(table.key)})", after
    size = " + ".join(f"coalesce(length(CAST({_quoted(column)} AS BLOB)), 4)" for column in table.columns)
    source = f"FROM {_quoted(table.name)} WHERE {condition} ORDER BY {keys} LIMIT"
    sizes = await database.fetch(f"SELECT {size} AS size {source} {PAGE_ROWS}", *params)
    rows = total = 0
    for row in sizes:
        total += int(row["size"] or 0)
        if rows and total > PAGE_BYTES:
            break
        rows += 1
    return await database.fetch(f"SELECT {_names(table.columns)} {source} {rows}", *params) if rows else []


async def read_same(database: Database, table: Table, page: Sequence[Row]) -> RowsByKey:
    """The rows of another database that have the keys of `page`, by key. One round trip."""
    fields = ", ".join(f"value->>{number}" for number in range(len(table.key)))
    rows = await database.fetch(
        f"SELECT {_names(table.columns)} FROM {_quoted(table.name)} "
        f"WHERE ({_names(table.key)}) IN (SELECT {fields} FROM json_each(?))",
        orjson.dumps([table.key_of(row) for row in page]).decode(),
    )
    return {table.key_of(row): row for row in rows}


async def write_rows(database: Database, table: Table, rows: Sequence[Row], *, replace: bool) -> int:
    """Put rows in; a key that is taken gets the new values with `replace`, else it keeps its row.

    The number of rows that were written. One round trip for each 1.9 MB of JSON.
    """
    if not rows:
        return 0
    values = [[row[column] for column in table.columns] for row in rows]
    text = orjson.dumps(values).decode()
    if len(text.encode()) <= MAX_VALUE_BYTES:
        fields = ", ".join(f"value->>{number}" for number in range(len(table.columns)))
        source = f"SELECT {fields} FROM json_each(?) WHERE true"
        params: Key = (text,)
    elif len(rows) > 1:
        half = len(rows) // 2
        first = await write_rows(database, table, rows[:half], replace=replace)
        return first + await write_rows(database, table, rows[half:], replace=replace)
    else:
        source, params = f"VALUES ({_marks(table.columns)})", tuple(values[0])
    insert = f"INSERT INTO {_quoted(table.name)} ({_names(table.columns)}) {source} {_on_conflict(table, replace)}"
    results = await database.batch([Statement(insert, params)])
    return results[0].rowcount


async def copy_sequences(source: Database, target: Database, moved: Sequence[Table]) -> None:
    """Let numbers that the source gave to rows which are gone be given to no other row. Two round trips."""
    names = orjson.dumps([table.name for table in moved]).decode()
    found = await source.fetch(
        "SELECT name, seq FROM sqlite_sequence WHERE name IN (SELECT value FROM json_each(?))", names
    )
    statements = []
    for row in found:
        name, number = row["name"], row["seq"]
        statements += [
            Statement("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (number, name)),
            Statement(
                "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, ?2 "
                "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
                (name, number),
            ),
        ]
    if statements:
        await target.batch(statements)


def _on_conflict(table: Table, replace: bool) -> str:
    changed = [column for column in table.columns if column not in table.key]
    if not replace or not changed:
        return "ON CONFLICT DO NOTHING"
    return f"ON CONFLICT ({_names(table.key)}) DO UPDATE SET " + ", ".join(
        f"{_quoted(column)} = excluded.{_quoted(column)}" for column in changed
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _names(columns: Sequence[str]) -> str:
    return ", ".join(map(_quoted, columns))


def _marks(columns: Sequence[str]) -> str:
    return ", ".join("?" * len(columns))
