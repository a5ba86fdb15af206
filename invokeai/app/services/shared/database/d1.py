"""Cloudflare D1 as a Database.

Invariants: one write or batch is one HTTP request, reads that wait share one; row counts mean the same as on SQLite
(D1's own `meta.changes` also counts rows that triggers wrote, so `SELECT changes()` follows each write of a batch).
"""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invokeai.app.services.shared.database import migrations
from invokeai.app.services.shared.database.base import (
    BatchResult,
    Database,
    DatabaseConflict,
    DatabaseRejected,
    Result,
    Row,
    SqlValue,
    Statement,
)
from invokeai.app.services.shared.database.d1_client import D1Client, D1Settings
from invokeai.app.services.shared.database.limits import checked
from invokeai.app.services.shared.database.shared_requests import SharedRequests

_RETURNS_ROWS = re.compile(r"^\s*(SELECT|VALUES|PRAGMA|EXPLAIN|WITH)\b|\bRETURNING\b", re.IGNORECASE)
_WRITES = re.compile(r"^(?!\s*(SELECT|WITH)\b)|\bRETURNING\b", re.IGNORECASE)
_READS_AT_ONCE = 2
"""Requests of reads side by side. D1 works on one statement at a time; the second hides the way there."""
_CHANGES = Statement("SELECT changes() AS changed, last_insert_rowid() AS inserted")


class D1Database(Database):
    """A D1 database. Connects at the first use."""

    def __init__(self, settings: D1Settings, migrations_folder: Path = migrations.MIGRATIONS) -> None:
        self._client = D1Client(settings)
        self._reads = SharedRequests(self._client.query, _READS_AT_ONCE)
        self._migrations_folder = migrations_folder

    async def fetch(self, sql: str, *params: SqlValue) -> list[Row]:
        """Rows of one statement, also of a write with `RETURNING`."""
        statement = checked(Statement(sql, params))
        send = self._client.query if _WRITES.search(sql) else self._reads.ask
        return _rows((await send([statement]))[0])

    async def execute(self, sql: str, *params: SqlValue) -> Result:
        results = await self._client.query([checked(Statement(sql, params)), _CHANGES])
        counted = results[1]["results"][0]
        return Result(int(counted["changed"]), int(counted["inserted"]))

    async def batch(self, statements: Sequence[Statement]) -> list[BatchResult]:
        if not statements:
            return []
        sent: list[Statement] = []
        counted: list[bool] = []
        for statement in statements:
            sent.append(checked(statement))
            counted.append(not _RETURNS_ROWS.search(statement.sql))
            if counted[-1]:
                sent.append(_CHANGES)
        answers = iter(await self._client.query(sent))
        results = []
        for has_count in counted:
            rows = _rows(next(answers))
            changed = int(next(answers)["results"][0]["changed"]) if has_count else len(rows)
            results.append(BatchResult(rows, changed))
        return results

    async def migrate(self) -> list[str]:
        """Apply pending migrations, each file with its record in one batch, so that servers may start side by side.

        Raises:
            DatabaseRejected: a migration is wrong; it left nothing behind, the ones before it stay.
        """
        await self.execute(migrations.CREATE_TABLE)
        applied = await self._applied()
        done = []
        for file in migrations.migration_files(self._migrations_folder):
            if file.name not in applied and await self._apply(file):
                done.append(file.name)
        return done

    async def close(self) -> None:
        await self._client.close()

    async def _applied(self) -> set[str]:
        return {str(row["name"]) for row in await self.fetch(migrations.SELECT_APPLIED)}

    async def _apply(self, file: Path) -> bool:
        record = Statement(migrations.INSERT_APPLIED, (file.name,))
        script = await asyncio.to_thread(file.read_text, encoding="utf-8")
        steps = [Statement(text) for text in migrations.statements(script)]
        try:
            await self._client.query([record, *steps])
        except (DatabaseConflict, DatabaseRejected) as error:
            if file.name in await self._applied():  # another server was faster
                return False
            raise DatabaseRejected(f"The migration {file.name} failed and was taken back: {error}") from error
        return True


def _rows(result: dict[str, Any]) -> list[Row]:
    """Result rows; a BLOB, which D1 answers as a list of numbers, becomes bytes."""
    rows: list[Row] = result.get("results") or []
    if not rows or not any(isinstance(value, list) for value in rows[0].values()):
        return rows
    return [{name: bytes(value) if isinstance(value, list) else value for name, value in row.items()} for row in rows]
