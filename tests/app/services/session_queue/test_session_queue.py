"""The queue: how batches become items, and what canceling, retrying and deleting does and tells."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from invokeai.app.invocations import load_core_invocations
from invokeai.app.services.session_queue.batch_items import count_items, item_values
from invokeai.app.services.session_queue.queue_models import Batch
from invokeai.app.services.shared.database.base import BatchResult, Database, DatabaseConflict, Statement
from invokeai.app.services.shared.errors import Conflict, NotFound, TooLarge
from tests.app.services.queue_studio import QUEUE, QueueStudio, batch_of
from tests.app.services.shared import graph_nodes as graph_nodes

load_core_invocations()
ADD = {"n": {"type": "test_add", "a": 1, "b": 2}, "s": {"type": "test_text"}}


@pytest.fixture
async def studio(tmp_path: Path, any_database: Database) -> AsyncIterator[QueueStudio]:
    async with QueueStudio(tmp_path, database=any_database, max_queue_size=2000) as studio:
        yield studio


def datum(node: str, field: str, *items: Any) -> dict[str, Any]:
    return {"node_path": node, "field_name": field, "items": list(items)}


async def claim(studio: QueueStudio, count: int = 1) -> list[int]:
    """Take items as a worker would; their ids."""
    held = await studio.database.fetch("SELECT item_id FROM session_queue WHERE worker_id = 'other/1/w'")
    running = [int(row["item_id"] or 0) for row in held]
    turn = await studio.queue.records.turn("other/1/w", [], count, [], 30, "cpu", running)
    return [int(row["item_id"] or 0) for row in turn.claimed]


def test_values_are_zipped_multiplied_and_repeated() -> None:
    batch = Batch.model_validate(
        batch_of(ADD, data=[[datum("n", "a", 1, 2), datum("n", "b", 10, 20)], [datum("s", "value", "p", "q")]], runs=2)
    )
    short = [tuple(v["value"] for v in values) for values in item_values(batch)]
    assert short == [(1, 10, "p"), (1, 10, "q"), (2, 20, "p"), (2, 20, "q")] * 2
    assert count_items(batch) == 8


@pytest.mark.parametrize(
    ("batch", "sentence"),
    [
        (batch_of(ADD, data=[[datum("n", "a", 1, 2), datum("n", "b", 10)]]), "must all have the same length"),
        (batch_of(ADD, data=[[datum("zz", "a", 1)]]), "Node zz not found in graph"),
        (batch_of(ADD, data=[[datum("n", "zz", 1)]]), "no input `zz`"),
        (batch_of(ADD, data=[[datum("n", "a", "many")]]), "valid integer"),
        (batch_of(ADD, data=[[datum("n", "a", 1)], [datum("n", "a", 2)]]), "batch data twice"),
        (batch_of(ADD, data=[[datum("n", "a")]]), "at least one item"),
        (batch_of(ADD, runs=0), "greater than or equal to 1"),
    ],
)
def test_refuses_wrong_batches(batch: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Batch.model_validate(batch)


async def test_a_thousand_items_in_one_round_trip(studio: QueueStudio) -> None:
    result = await studio.enqueue(batch_of(ADD, runs=1000, origin="generate", destination="canvas:1"))
    assert studio.database.round_trips == 1
    assert result["enqueued"] == result["requested"] == 1000
    assert result["item_ids"] == list(range(1000, 0, -1))
    assert result["batch"]["graph"]["nodes"]["n"]["use_cache"] is True
    assert studio.told == [
        (
            "batch_enqueued",
            {
                "timestamp": studio.told[0][1]["timestamp"],
                "queue_id": QUEUE,
                "batch_id": result["batch"]["batch_id"],
                "enqueued": 1000,
                "requested": 1000,
                "priority": 0,
                "origin": "generate",
                "user_id": "system",
            },
        )
    ]
    assert (await studio.queue.status(QUEUE))["pending"] == 1000


async def test_a_batch_sent_again_after_a_lost_answer_is_put_in_once(
    studio: QueueStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = studio.database.inner.batch

    async def twice(statements: Sequence[Statement]) -> list[BatchResult]:
        await batch(statements)
        return await batch(statements)

    monkeypatch.setattr(studio.database.inner, "batch", twice)
    answer = await studio.enqueue(batch_of(ADD, runs=3))
    assert answer["enqueued"] == 3
    with pytest.raises(DatabaseConflict):
        await studio.enqueue({**batch_of(ADD, runs=2), "batch_id": answer["batch"]["batch_id"]})
    rows = await studio.database.fetch("SELECT item_id FROM session_queue ORDER BY item_id DESC")
    assert [row["item_id"] for row in rows] == answer["item_ids"]


async def test_large_values_go_in_pieces_in_one_round_trip(studio: QueueStudio) -> None:
    texts = [f"{index}" * 400_000 for index in range(10, 18)]
    result = await studio.enqueue(batch_of(ADD, data=[[datum("s", "value", *texts)]]))
    assert studio.database.round_trips == 1
    item = await studio.queue.get(QUEUE, result["item_ids"][0])
    assert item["session"]["graph"]["nodes"]["s"]["value"] == texts[-1]


async def test_too_large_values_are_refused_and_nothing_is_stored(studio: QueueStudio) -> None:
    with pytest.raises(TooLarge, match="batch values of one item"):
        await studio.enqueue(batch_of(ADD, data=[[datum("s", "value", "x" * 2_000_000)]]))
    with pytest.raises(TooLarge, match="The graph has"):
        await studio.enqueue(batch_of({"s": {"type": "test_text", "value": "x" * 2_000_000}}))
    assert (await studio.queue.status(QUEUE))["total"] == 0


async def test_a_full_queue_takes_what_fits_then_nothing(studio: QueueStudio) -> None:
    result = await studio.enqueue(batch_of(ADD, runs=3000))
    assert (result["requested"], result["enqueued"]) == (3000, 2000)
    with pytest.raises(Conflict, match="full"):
        await studio.enqueue(batch_of(ADD))
    assert (await studio.queue.status(QUEUE))["total"] == 2000
    assert await studio.database.fetch("SELECT COUNT(*) AS n FROM batches") == [{"n": 1}]


async def test_prepended_batches_come_first(studio: QueueStudio) -> None:
    first = (await studio.enqueue(batch_of(ADD)))["item_ids"]
    front = await studio.enqueue(batch_of(ADD), prepend=True)
    more = await studio.enqueue(batch_of(ADD), prepend=True)
    assert (front["priority"], more["priority"]) == (1, 2)
    assert await claim(studio, 3) == [*more["item_ids"], *front["item_ids"], *first]
    assert (await studio.enqueue(batch_of(ADD), prepend=True))["priority"] == 1


async def test_an_item_shows_its_values_in_its_graph(studio: QueueStudio) -> None:
    ids = (await studio.enqueue(batch_of(ADD, data=[[datum("n", "a", 5, 6)]], workflow={"name": "w"})))["item_ids"]
    item = await studio.queue.get(QUEUE, ids[0])
    assert item["status"] == "pending"
    assert item["field_values"] == [{"node_path": "n", "field_name": "a", "value": 6}]
    assert item["session"]["graph"]["nodes"]["n"]["a"] == 6
    assert item["session"]["results"] == {}
    assert item["workflow"] == {"name": "w"}
    with pytest.raises(NotFound, match="Queue item with id 99 not found in queue default"):
        await studio.queue.get(QUEUE, 99)


async def test_cancel_of_a_waiting_item(studio: QueueStudio) -> None:
    await studio.enqueue(batch_of(ADD, runs=2))
    item = await studio.queue.cancel(QUEUE, 1)
    assert (item["status"], item["status_sequence"]) == ("canceled", 1)
    (event,) = studio.named("queue_item_status_changed")
    assert (event["status"], event["status_sequence"], event["batch_status"]["canceled"]) == ("canceled", 1, 1)
    assert (event["queue_status"]["pending"], event["queue_status"]["item_id"]) == (1, None)
    await studio.queue.cancel(QUEUE, 1)
    assert len(studio.named("queue_item_status_changed")) == 1


async def test_cancel_of_a_batch_tells_the_running_item_and_the_rest(studio: QueueStudio) -> None:
    result = await studio.enqueue(batch_of(ADD, runs=4))
    await claim(studio)
    assert await studio.queue.cancel_batches(QUEUE, [result["batch"]["batch_id"]]) == 4
    names = [name for name, _ in studio.told]
    assert names == ["batch_enqueued", "queue_item_status_changed", "queue_items_canceled"]
    assert studio.told[1][1]["status_sequence"] == 2
    assert studio.told[1][1]["batch_status"]["canceled"] == 4
    assert studio.told[2][1]["canceled_item_ids"] == [2, 3, 4]
    assert studio.told[2][1]["canceled_item_ids_by_user"] == {"system": [2, 3, 4]}


async def test_cancel_all_except_current_and_by_destination(studio: QueueStudio) -> None:
    await studio.enqueue(batch_of(ADD, runs=2, destination="canvas:1"))
    await studio.enqueue(batch_of(ADD, runs=2, destination="canvas:2"))
    await claim(studio)
    assert await studio.queue.cancel_destination(QUEUE, "canvas:2") == 2
    assert await studio.queue.cancel_all_except_current(QUEUE) == 1
    counts = await studio.queue.destination_counts(QUEUE, "canvas:1")
    assert (counts["in_progress"], counts["canceled"], counts["total"]) == (1, 1, 2)


async def test_retry_makes_a_new_item_of_the_same_batch(studio: QueueStudio) -> None:
    result = await studio.enqueue(batch_of(ADD, data=[[datum("n", "a", 7, 8)]]))
    await studio.queue.cancel(QUEUE, 1)
    assert await studio.queue.retry(QUEUE, [1, 2, 99]) == [1]
    item = await studio.queue.get(QUEUE, 3)
    assert item["status"] == "pending"
    assert item["retried_from_item_id"] == 1
    assert item["batch_id"] == result["batch"]["batch_id"]
    assert item["field_values"][0]["value"] == 7
    assert item["session_id"] != (await studio.queue.get(QUEUE, 1))["session_id"]
    (event,) = studio.named("queue_items_retried")
    assert event["retried_item_ids_by_user"] == {"system": [1]}


async def test_clear_and_prune_and_ids_are_never_used_again(studio: QueueStudio) -> None:
    await studio.enqueue(batch_of(ADD, runs=3))
    await studio.queue.cancel(QUEUE, 1)
    told = len(studio.told)
    assert await studio.queue.prune(QUEUE) == 1
    assert len(studio.told) == told
    await claim(studio)
    assert await studio.queue.clear(QUEUE) == 2
    assert [name for name, _ in studio.told[told:]] == ["queue_item_status_changed", "queue_cleared"]
    assert studio.told[told][1]["queue_status"]["total"] == 2
    status = await studio.queue.status(QUEUE)
    assert status["total"] == status["pending"] == 0
    assert await studio.database.fetch("SELECT * FROM batches") == []
    assert (await studio.enqueue(batch_of(ADD)))["item_ids"] == [4]


async def test_deleting(studio: QueueStudio) -> None:
    await studio.enqueue(batch_of(ADD, runs=3, destination="d"))
    await claim(studio)
    await studio.queue.delete(QUEUE, 2)
    with pytest.raises(NotFound):
        await studio.queue.delete(QUEUE, 2)
    assert await studio.queue.delete_all_except_current(QUEUE) == 1
    assert await studio.queue.delete_destination(QUEUE, "d") == 1
    assert (await studio.queue.status(QUEUE))["total"] == 0


async def test_lists_keep_the_order(studio: QueueStudio) -> None:
    await studio.enqueue(batch_of(ADD, runs=2))
    await studio.database.execute("UPDATE session_queue SET created_at = '2020-01-01 00:00:00.000'")
    await studio.enqueue(batch_of(ADD, runs=2))
    assert await studio.queue.item_ids(QUEUE, newest_first=True) == [3, 4, 1, 2]
    assert await studio.queue.item_ids(QUEUE, newest_first=False) == [1, 2, 3, 4]
    assert [row["item_id"] for row in await studio.queue.summaries(QUEUE, [3, 1, 77])] == [3, 1]
    assert [item["item_id"] for item in await studio.queue.get_many(QUEUE, [4, 2, 77])] == [4, 2]
    following = await studio.queue.next(QUEUE)
    assert following is not None and following["item_id"] == 1
    assert await studio.queue.current(QUEUE) is None


async def test_a_lease_that_ran_out_is_rescued_and_a_held_one_is_not(studio: QueueStudio) -> None:
    await studio.enqueue(batch_of(ADD, runs=2))
    assert await claim(studio, 2) == [1, 2]
    await studio.database.execute("UPDATE session_queue SET lease_expires_at = '2020' WHERE item_id = 1")
    assert await studio.queue.records.has_expired()
    rescued = await studio.queue.records.rescue([])
    assert [(row["item_id"], row["status"], row["started_at"]) for row in rescued.rows] == [(1, "pending", None)]
    assert await studio.queue.records.renew_leases("other/1/w", [1, 2], 30) == {2}
    assert [row["item_id"] for row in (await studio.queue.records.rescue(["other/1/w"])).rows] == [2]


async def test_an_item_that_kills_its_server_again_and_again_fails(studio: QueueStudio) -> None:
    await studio.enqueue(batch_of(ADD))
    for _ in range(5):
        assert await claim(studio) == [1]
        (row,) = (await studio.queue.records.rescue(["other/1/w"])).rows
    assert row["status"] == "failed"
    assert "5 times" in str(row["error_message"])
