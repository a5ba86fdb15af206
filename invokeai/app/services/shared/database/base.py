"""The Database port: what Cloudflare D1 can do, every engine does.

There is no `begin`: a write and its consequences are one `batch`, which is one round trip and all or nothing.
At most 100 parameters a statement, so lists travel as one JSON parameter (`json_each(?)`). No value over 1.9 MB.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

SqlValue: TypeAlias = str | int | float | bytes | None
Row: TypeAlias = Mapping[str, SqlValue]

MAX_PARAMETERS = 100
MAX_VALUE_BYTES = 1_900_000


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement and its positional parameters."""

    sql: str
    params: tuple[SqlValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a write did: rows changed and the last AUTOINCREMENT id (0 when there was none)."""

    rowcount: int
    last_row_id: int


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One statement's part in a batch: the rows it returned and the rows it changed."""

    rows: list[Row] = field(default_factory=list)
    rowcount: int = 0


class DatabaseError(Exception):
    """Base of what a database may raise."""


class DatabaseUnavailable(DatabaseError):
    """The database does not answer or lost the connection."""


class DatabaseConflict(DatabaseError):
    """A UNIQUE, CHECK, NOT NULL or FOREIGN KEY constraint refused the write; nothing was written."""


class DatabaseRejected(DatabaseError):
    """The statement is wrong or over a limit (parameters, value size, statement length)."""


class Database(ABC):
    """A SQL engine of the SQLite family. Safe to use from many tasks of one event loop."""

    @abstractmethod
    async def fetch(self, sql: str, *params: SqlValue) -> list[Row]:
        """Rows of a read. One round trip."""

    @abstractmethod
    async def execute(self, sql: str, *params: SqlValue) -> Result:
        """One write. One round trip."""

    @abstractmethod
    async def batch(self, statements: Sequence[Statement]) -> list[BatchResult]:
        """All statements in one transaction, in order, later ones seeing earlier ones. One round trip."""

    @abstractmethod
    async def migrate(self) -> list[str]:
        """Apply the migrations that are not applied yet; their names."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what runs and let go of the engine."""

    async def fetch_one(self, sql: str, *params: SqlValue) -> Row | None:
        """The first row of a read, or None. One round trip."""
        rows = await self.fetch(sql, *params)
        return rows[0] if rows else None
