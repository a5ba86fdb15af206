"""A Database that counts what passes through it, for tests that hold a budget of round trips."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from invokeai.app.services.shared.database.base import BatchResult, Database, Result, Row, SqlValue, Statement


class RoundTrips:
    """The round trips of one block, and the statements they carried."""

    def __init__(self) -> None:
        self.count = 0
        self.statements: list[str] = []


class CountingDatabase(Database):
    """Passes every call on to `inner`. Each fetch, execute and batch is one round trip."""

    def __init__(self, inner: Database) -> None:
        self.inner = inner
        self.round_trips = 0
        self.statements: list[str] = []

    @contextmanager
    def counted(self) -> Iterator[RoundTrips]:
        """Count the round trips of the block; read `.count` after it."""
        trips = RoundTrips()
        before, statements_before = self.round_trips, len(self.statements)
        yield trips
        trips.count = self.round_trips - before
        trips.statements = self.statements[statements_before:]

    async def fetch(self, sql: str, *params: SqlValue) -> list[Row]:
        self._note(sql)
        return await self.inner.fetch(sql, *params)

    async def execute(self, sql: str, *params: SqlValue) -> Result:
        self._note(sql)
        return await self.inner.execute(sql, *params)

    async def batch(self, statements: Sequence[Statement]) -> list[BatchResult]:
        self._note(*(statement.sql for statement in statements))
        return await self.inner.batch(statements)

    async def migrate(self) -> list[str]:
        return await self.inner.migrate()

    async def close(self) -> None:
        await self.inner.close()

    def _note(self, *statements: str) -> None:
        self.round_trips += 1
        self.statements += statements
