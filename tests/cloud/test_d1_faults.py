"""D1 behind a failing network: nothing acknowledged is lost, nothing is doubled, every failure says what to do."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from invokeai.app.services.shared.database.base import DatabaseRejected, DatabaseUnavailable
from invokeai.app.services.shared.database.d1 import D1Database
from invokeai.app.services.shared.database.d1_client import ATTEMPTS, D1Settings
from tests.app.services.queue_studio import QUEUE, QueueStudio, batch_of
from tests.cloud.d1_gateway import TOKEN, D1Gateway
from tests.cloud.fault_proxy import Fault, FaultProxy

INSERT = "INSERT INTO notes (body) VALUES (?) ON CONFLICT DO NOTHING"
ERROR = '{{"result":[],"success":false,"errors":[{{"code":7500,"message":"{}"}}],"messages":[]}}'


@pytest.fixture
def proxy(d1_gateway: D1Gateway) -> Iterator[FaultProxy]:
    proxy = FaultProxy(d1_gateway.base_url)
    yield proxy
    proxy.stop()


@pytest.fixture
def settings(d1_gateway: D1Gateway, proxy: FaultProxy) -> D1Settings:
    return replace(d1_gateway.new_database(proxy.base_url), timeout_seconds=1.0)


@pytest.fixture
async def database(settings: D1Settings, proxy: FaultProxy) -> AsyncIterator[D1Database]:
    database = D1Database(settings)
    await database.execute("CREATE TABLE notes (body TEXT PRIMARY KEY)")
    proxy.requests.clear()
    yield database
    await database.close()


async def count(database: D1Database) -> object:
    return (await database.fetch("SELECT count(*) AS n FROM notes"))[0]["n"]


@pytest.mark.parametrize("kind, saved", [("reset before", 0), ("reset after", 1), ("truncate", 1), ("silence", 0)])
async def test_a_lost_answer_is_told_and_not_sent_again(
    database: D1Database, proxy: FaultProxy, kind: str, saved: int
) -> None:
    proxy.faults = [Fault(kind, seconds=2)]  # type: ignore[arg-type]
    with pytest.raises(DatabaseUnavailable):
        await database.execute(INSERT, "a")
    assert len(proxy.requests) == 1
    assert await count(database) == saved
    await database.execute(INSERT, "a")
    assert await count(database) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Network connection lost.",
        "D1 DB storage operation exceeded: storage caused object to be reset.",
        "D1 DB is overloaded",
    ],
)
async def test_documented_failures_are_tried_again(database: D1Database, proxy: FaultProxy, text: str) -> None:
    proxy.faults = [Fault("answer", 500, ERROR.format(text))] * 2
    assert (await database.execute(INSERT, "a")).rowcount == 1
    assert len(proxy.requests) == 3


async def test_a_rate_limit_waits_as_long_as_it_asks(database: D1Database, proxy: FaultProxy) -> None:
    proxy.faults = [Fault("answer", 429, ERROR.format("slow down"), {"retry-after": "0"}), Fault("answer", 429, "busy")]
    assert (await database.execute(INSERT, "a")).rowcount == 1
    proxy.faults = [Fault("answer", 429, "busy", {"retry-after": "0"})] * ATTEMPTS
    with pytest.raises(DatabaseUnavailable, match="rate limit"):
        await database.execute(INSERT, "b")


@pytest.mark.parametrize(
    "fault",
    [
        Fault("answer", 500, ERROR.format("internal error; reference = abc")),
        Fault("answer", 400, ERROR.format("D1 DB exceeded its CPU time limit")),
        Fault("answer", 502, "<html>bad gateway</html>"),
        Fault("answer", 200, "[1, 2"),
    ],
)
async def test_other_failures_surface_at_once(database: D1Database, proxy: FaultProxy, fault: Fault) -> None:
    proxy.faults = [fault]
    with pytest.raises((DatabaseUnavailable, DatabaseRejected)):
        await database.execute(INSERT, "a")
    assert len(proxy.requests) == 1


@pytest.mark.parametrize(
    "change, setting",
    [
        ({"token": "wrong"}, "d1_api_token"),
        ({"database_id": "none"}, "d1_database_id"),
        ({"base_url": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
)
async def test_wrong_settings_are_named_and_the_token_is_not(
    settings: D1Settings, change: dict[str, str], setting: str
) -> None:
    database = D1Database(replace(settings, **change))  # type: ignore[arg-type]
    with pytest.raises((DatabaseRejected, DatabaseUnavailable), match=setting) as caught:
        await database.fetch("SELECT 1")
    assert TOKEN not in str(caught.value)
    await database.close()


async def test_reads_follow_the_newest_state_seen(database: D1Database) -> None:
    await database.execute(INSERT, "a")
    first = database._client.bookmark
    await database.execute(INSERT, "b")
    assert first and database._client.bookmark and database._client.bookmark > first


async def test_a_retry_whose_answer_got_lost_makes_one_new_item(settings: D1Settings, proxy: FaultProxy) -> None:
    database = D1Database(settings)
    await database.migrate()
    async with QueueStudio(Path(), database=database) as studio:
        await studio.enqueue(batch_of({"n": {"id": "n", "type": "add", "a": 1, "b": 2}}, runs=3))
        await studio.queue.cancel(QUEUE, 1)
        await studio.queue.cancel(QUEUE, 3)
        proxy.requests.clear()
        proxy.faults = [Fault("answer after", 500, ERROR.format("Network connection lost."))] * 2
        assert await studio.queue.retry(QUEUE, [3, 1, 2]) == [1, 3]
        assert len(proxy.requests) == 3
        (event,) = studio.named("queue_items_retried")
        assert event["retried_item_ids_by_user"] == {"system": [1, 3]}
        status = await studio.queue.status(QUEUE)
        assert (status["pending"], status["canceled"], status["total"]) == (3, 2, 5)

        proxy.faults = [Fault("reset after")]
        pair = [(1, "the-id-of-the-new-session")]
        with pytest.raises(DatabaseUnavailable):
            await studio.queue.records.insert_retries(QUEUE, pair)
        rows = await studio.queue.records.insert_retries(QUEUE, pair)
        assert [row["retried_from_item_id"] for row in rows] == [1]
        assert (await studio.queue.status(QUEUE))["total"] == 6
