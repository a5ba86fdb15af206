"""Reads of D1 that are asked for at the same time: fewer requests, and each gets what it would get alone."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from invokeai.app.services.shared.database.base import DatabaseRejected, DatabaseUnavailable
from invokeai.app.services.shared.database.d1 import D1Database
from tests.cloud.d1_gateway import D1Gateway
from tests.cloud.fault_proxy import FaultProxy

READ = """
    SELECT n, double FROM numbers WHERE n = ?"""


@pytest.fixture
def proxy(d1_gateway: D1Gateway) -> Iterator[FaultProxy]:
    proxy = FaultProxy(d1_gateway.base_url)
    yield proxy
    proxy.stop()


@pytest.fixture
async def database(d1_gateway: D1Gateway, proxy: FaultProxy) -> AsyncIterator[D1Database]:
    """A table of 1 to 40 and their doubles; the proxy counts the requests that follow."""
    database = D1Database(d1_gateway.new_database(proxy.base_url))
    await database.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY, double INTEGER)")
    await database.execute("INSERT INTO numbers SELECT value, 2 * value FROM json_each(?)", str(list(range(1, 41))))
    proxy.requests.clear()
    yield database
    await database.close()


async def test_forty_reads_at_once_are_two_requests(database: D1Database, proxy: FaultProxy) -> None:
    rows = await asyncio.gather(*(database.fetch(READ, n) for n in range(1, 41)))
    assert rows == [[{"n": n, "double": 2 * n}] for n in range(1, 41)]
    assert len(proxy.requests) == 2


async def test_one_after_the_other_they_are_a_request_each(database: D1Database, proxy: FaultProxy) -> None:
    for n in range(1, 4):
        assert (await database.fetch_one(READ, n)) == {"n": n, "double": 2 * n}
    assert len(proxy.requests) == 3


async def test_a_wrong_read_fails_alone(database: D1Database) -> None:
    wrong = database.fetch("SELECT n FROM nowhere")
    *found, fault = await asyncio.gather(*(database.fetch(READ, n) for n in (1, 2)), wrong, return_exceptions=True)
    assert found == [[{"n": 1, "double": 2}], [{"n": 2, "double": 4}]]
    assert isinstance(fault, DatabaseRejected) and "nowhere" in str(fault)


async def test_a_read_sees_what_was_written_before_it_was_asked_for(database: D1Database) -> None:
    async def write_and_read(n: int) -> object:
        await database.execute("UPDATE numbers SET double = ? WHERE n = ?", -n, n)
        row = await database.fetch_one(READ, n)
        return row and row["double"]

    assert await asyncio.gather(*(write_and_read(n) for n in range(1, 31))) == [-n for n in range(1, 31)]


async def test_a_write_that_returns_rows_is_sent_by_itself(database: D1Database, proxy: FaultProxy) -> None:
    taken = "DELETE FROM numbers WHERE n = ? RETURNING n"
    clause = "WITH one AS (SELECT 3 AS n) UPDATE numbers SET double = 0 WHERE n IN (SELECT n FROM one) RETURNING n"
    rows = await asyncio.gather(database.fetch(taken, 1), database.fetch(taken, 2), database.fetch(clause))
    assert rows == [[{"n": 1}], [{"n": 2}], [{"n": 3}]]
    assert len(proxy.requests) == 3


async def test_whoever_leaves_takes_nothing_from_the_others(database: D1Database) -> None:
    reads = [asyncio.ensure_future(database.fetch(READ, n)) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    reads[1].cancel()
    first, second, third = await asyncio.gather(*reads, return_exceptions=True)
    assert (first, third) == ([{"n": 1, "double": 2}], [{"n": 3, "double": 6}])
    assert isinstance(second, asyncio.CancelledError)


async def test_everyone_hears_of_a_database_that_is_away_and_of_its_return(
    database: D1Database, proxy: FaultProxy
) -> None:
    proxy.down = True
    faults = await asyncio.gather(*(database.fetch(READ, n) for n in range(1, 31)), return_exceptions=True)
    assert all(isinstance(fault, DatabaseUnavailable) for fault in faults)
    proxy.down = False
    assert await database.fetch(READ, 7) == [{"n": 7, "double": 14}]
