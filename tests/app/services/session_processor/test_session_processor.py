"""The processor: order of events, results, side by side, cancel, pause, drain, lost leases, round trips."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from invokeai.app.invocations import load_core_invocations
from invokeai.app.services.shared.database.base import Database, DatabaseUnavailable
from tests.app.services.queue_studio import QUEUE, QueueStudio, batch_of
from tests.app.services.shared import graph_nodes

load_core_invocations()

ADD = {"n": {"type": "test_add", "a": 1, "b": 2}}


class RememberedImages:
    """Stands in for the image service: remembers what was saved."""

    def __init__(self) -> None:
        self.saved: list[dict[str, Any]] = []

    async def create(self, image: Any, **members: Any) -> Any:
        self.saved.append(members)
        return SimpleNamespace(image_name=members["image_name"])


@pytest.fixture
async def studio(tmp_path: Path, any_database: Database) -> AsyncIterator[QueueStudio]:
    graph_nodes.INVOKED.clear()
    async with QueueStudio(
        tmp_path, database=any_database, images=RememberedImages(), max_concurrent_sessions=4
    ) as studio:
        yield studio


async def test_events_of_a_normal_run_in_the_recorded_order(studio: QueueStudio) -> None:
    await studio.processor.start()
    nodes = {
        "prompt": {"type": "test_text", "value": "a lighthouse"},
        "number": {"type": "test_add", "a": 1},
        "wait": {"type": "test_wait"},
    }
    await studio.enqueue(batch_of(nodes, ("number.value", "wait.value"), origin="generate"))
    await studio.wait_for_ends(1)
    assert studio.order(1) == [
        "status_changed in_progress",
        "started prompt",
        "complete prompt",
        "started number",
        "complete number",
        "started wait",
        "complete wait",
        "status_changed completed",
    ]
    started, completed = studio.named("queue_item_status_changed")
    assert (started["status_sequence"], completed["status_sequence"]) == (1, 2)
    assert started["batch_status"]["in_progress"] == started["queue_status"]["in_progress"] == 1
    assert started["queue_status"]["item_id"] == 1
    assert started["queue_status"]["user_in_progress"] == 1
    assert completed["queue_status"]["item_id"] is None
    assert completed["batch_status"]["completed"] == completed["queue_status"]["completed"] == 1
    assert completed["completed_at"] >= completed["started_at"]
    complete = studio.named("invocation_complete")[2]
    assert complete["invocation"]["value"] == 1
    assert complete["result"] == {"output_meta": None, "value": 1, "type": "integer_output"}


async def test_the_session_is_stored_with_the_item(studio: QueueStudio) -> None:
    await studio.processor.start()
    await studio.enqueue(batch_of(ADD))
    await studio.wait_for_ends(1)
    item = await studio.queue.get(QUEUE, 1)
    session = item["session"]
    (prepared,) = session["source_prepared_mapping"]["n"]
    assert item["status"] == "completed"
    assert session["results"][prepared]["value"] == 3
    assert session["prepared_source_mapping"] == {prepared: "n"}
    assert set(session["executed"]) == {"n", prepared}
    assert session["execution_graph"]["nodes"][prepared]["a"] == 1


async def test_failure_tells_the_status_first_then_the_node(studio: QueueStudio) -> None:
    await studio.processor.start()
    await studio.enqueue(batch_of({"n": {"type": "test_fail", "text": "no luck"}}))
    await studio.wait_for(lambda: bool(studio.named("invocation_error")))
    assert studio.order(1)[1:] == ["started n", "status_changed failed", "error n"]
    status, error = studio.ends()[0], studio.named("invocation_error")[0]
    assert status["error_type"] == error["error_type"] == "RuntimeError"
    assert status["error_message"] == error["error_message"] == "no luck"
    assert "Traceback" in status["error_traceback"]
    item = await studio.queue.get(QUEUE, 1)
    assert list(item["session"]["errors"].values()) == ["RuntimeError: no luck"]


async def test_a_missing_input_fails_at_the_run(studio: QueueStudio) -> None:
    await studio.processor.start()
    await studio.enqueue(batch_of({"n": {"type": "test_required"}}))
    await studio.wait_for_ends(1)
    assert "number" in studio.ends()[0]["error_message"]
    assert studio.order(1)[1] == "started n"


async def test_items_and_nodes_that_wait_run_side_by_side(studio: QueueStudio) -> None:
    arrived: list[str] = []
    everyone = asyncio.Event()

    async def meet(context: Any) -> Any:
        arrived.append(context.node_id)
        if len(arrived) == 8:
            everyone.set()
        await everyone.wait()
        return graph_nodes.IntegerOutput(value=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_nodes.WaitForTest, "invoke", lambda self, context: meet(context))
        patch.setattr("invokeai.app.services.session_processor.session_runner.is_async", lambda cls: True)
        await studio.processor.start()
        await studio.enqueue(batch_of({"a": {"type": "test_wait"}, "b": {"type": "test_wait"}}, runs=4))
        await studio.wait_for_ends(4)
    assert len(set(arrived)) == 8


async def test_counts_of_each_event_are_those_of_its_moment(studio: QueueStudio) -> None:
    await studio.enqueue(batch_of(ADD, runs=10))
    await studio.processor.start()
    await studio.wait_for_ends(10)
    for status in ("queue_status", "batch_status"):
        before = {"pending": 10, "in_progress": 0, "completed": 0}
        for payload in studio.named("queue_item_status_changed"):
            now = {name: payload[status][name] for name in before}
            change = {name: now[name] - before[name] for name in before}
            if payload["status"] == "in_progress":
                assert change == {"pending": -1, "in_progress": 1, "completed": 0}
            else:
                assert change == {"pending": 0, "in_progress": -1, "completed": 1}
            before = now
        assert before == {"pending": 0, "in_progress": 0, "completed": 10}


async def test_a_trivial_item_needs_three_round_trips(studio: QueueStudio) -> None:
    await studio.processor.start()
    await studio.wait_for(lambda: studio.processor.status().is_started)
    await asyncio.sleep(0.05)
    studio.database.round_trips = 0
    await studio.enqueue(batch_of(ADD))
    await studio.wait_for_ends(1)
    assert studio.database.round_trips <= 3


async def test_many_trivial_items_share_round_trips(studio: QueueStudio) -> None:
    await studio.enqueue(batch_of(ADD, runs=100))
    studio.database.round_trips = 0
    await studio.processor.start()
    await studio.wait_for_ends(100)
    assert studio.database.round_trips < 100


async def test_equal_inputs_are_answered_from_the_cache(studio: QueueStudio) -> None:
    await studio.processor.start()
    await studio.enqueue(batch_of(ADD))
    await studio.wait_for_ends(1)
    await studio.enqueue(batch_of(ADD))
    await studio.wait_for_ends(2)
    assert graph_nodes.INVOKED == ["test_add 1+2"]
    assert studio.order(2) == studio.order(1)
    status = studio.cache.status()
    assert (status.hits, status.misses, status.size) == (1, 1, 1)
    studio.cache.disable()
    await studio.enqueue(batch_of(ADD))
    await studio.wait_for_ends(3)
    assert len(graph_nodes.INVOKED) == 2


async def test_pictures_get_the_nodes_and_sessions_facts_and_the_same_name_again(studio: QueueStudio) -> None:
    await studio.processor.start()
    nodes = {"p": {"type": "test_picture", "is_intermediate": True}}
    await studio.enqueue(batch_of(nodes, workflow={"name": "w"}))
    await studio.wait_for_ends(1)
    await studio.database.execute("UPDATE session_queue SET status = 'pending'")
    studio.processor.wake()
    await studio.wait_for_ends(2)
    first, again = studio.processor._tools.services.images.saved
    assert first == again
    assert first["is_intermediate"] is True
    assert first["workflow"] == '{"name":"w"}'
    assert '"test_picture"' in first["graph"]
    assert first["session_id"] == studio.ends()[0]["session_id"]
    (progress,) = studio.named("invocation_progress")[:1]
    assert (progress["message"], progress["percentage"], progress["image"]) == ("Saving image", None, None)


async def test_cancel_interrupts_a_node_that_waits(studio: QueueStudio) -> None:
    await studio.processor.start()
    await studio.enqueue(batch_of({**ADD, "w": {"type": "test_wait", "seconds": 600}}))
    await studio.wait_for(lambda: "started w" in studio.order(1))
    assert (await studio.queue.current(QUEUE) or {})["session"]["results"]
    item = await studio.queue.cancel(QUEUE, 1)
    assert item["status"] == "canceled"
    await studio.wait_for(lambda: not studio.processor.status().is_processing)
    assert studio.order(1)[-1] == "status_changed canceled"
    assert studio.ends()[0]["status_sequence"] == 2
    await studio.enqueue(batch_of(ADD))
    await studio.wait_for_ends(2)


async def test_a_cancel_before_the_first_step_frees_the_lane(studio: QueueStudio) -> None:
    begin = studio.processor._begin

    def begin_and_interrupt(row: Any) -> None:
        begin(row)
        studio.processor.interrupt([row["item_id"]])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studio.processor, "_begin", begin_and_interrupt)
        await studio.processor.start()
        await studio.enqueue(batch_of(ADD, runs=8))
        await studio.wait_for(lambda: len(studio.named("queue_item_status_changed")) >= 8)
    await studio.enqueue(batch_of(ADD))
    await studio.wait_for_ends(9)


async def test_a_thread_that_comes_back_after_the_cancel_stores_nothing(studio: QueueStudio) -> None:
    import threading

    go_on, done = threading.Event(), threading.Event()
    faults: list[str] = []

    def invoke(self: Any, context: Any) -> Any:
        go_on.wait(60)
        try:
            context.images.save(object())
        except Exception as error:
            faults.append(str(error))
        done.set()
        return graph_nodes.StringOutput(value="")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_nodes.PictureForTest, "invoke", invoke)
        await studio.processor.start()
        await studio.enqueue(batch_of({"p": {"type": "test_picture"}}))
        await studio.wait_for(lambda: "started p" in studio.order(1))
        await studio.queue.cancel(QUEUE, 1)
        go_on.set()
        await studio.wait_for(done.is_set)
    assert faults and "canceled" in faults[0]
    assert studio.processor._tools.services.images.saved == []
    assert studio.order(1)[-1] == "status_changed canceled"


async def test_pause_lets_the_running_item_end(studio: QueueStudio) -> None:
    await studio.processor.start()
    await studio.enqueue(batch_of({"w": {"type": "test_wait", "seconds": 0.1}}))
    await studio.wait_for(lambda: "started w" in studio.order(1))
    status = studio.processor.pause()
    assert (status.is_started, status.is_processing) == (False, True)
    await studio.enqueue(batch_of(ADD))
    await studio.wait_for_ends(1)
    await asyncio.sleep(0.05)
    assert studio.order(2) == []
    assert studio.processor.resume().is_started
    await studio.wait_for_ends(2)


async def test_stopping_hands_back_what_does_not_end(tmp_path: Path) -> None:
    async with QueueStudio(tmp_path, drain_seconds=0.05) as studio:
        await studio.processor.start()
        await studio.enqueue(batch_of({"w": {"type": "test_wait", "seconds": 600}}))
        await studio.wait_for(lambda: "started w" in studio.order(1))
        await studio.enqueue(batch_of({"w": {"type": "test_wait", "seconds": 0.01}}))
        await studio.wait_for(lambda: "started w" in studio.order(2))
        await studio.processor.stop()
        rows = await studio.database.fetch("SELECT status, worker_id, attempts FROM session_queue ORDER BY item_id")
        assert [tuple(row.values()) for row in rows] == [("pending", None, 0), ("completed", None, 1)]


async def test_an_item_taken_over_by_another_worker_is_stopped_here(tmp_path: Path) -> None:
    async with QueueStudio(tmp_path, lease_seconds=0.15) as studio:
        await studio.processor.start()
        await studio.enqueue(batch_of({"w": {"type": "test_wait", "seconds": 600}}))
        await studio.wait_for(lambda: "started w" in studio.order(1))
        await studio.database.execute("UPDATE session_queue SET worker_id = 'x', lease_expires_at = '9999'")
        await studio.wait_for(lambda: not studio.processor.status().is_processing)
        assert studio.ends() == []


async def test_items_of_a_turn_that_failed_come_back(tmp_path: Path) -> None:
    async with QueueStudio(tmp_path, lease_seconds=0.3) as studio:
        tell, faults = studio.processor._tell_turn, [RuntimeError("broken")]

        def fail_once(*turn: Any) -> None:
            if faults:
                raise faults.pop()
            tell(*turn)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(studio.processor, "_tell_turn", fail_once)
            await studio.enqueue(batch_of(ADD, runs=3))
            await studio.processor.start()
            await studio.wait_for_ends(3)
        assert [end["status"] for end in studio.ends()] == ["completed"] * 3


async def test_results_outlive_a_database_that_is_away(studio: QueueStudio) -> None:
    await studio.processor.start()
    await studio.enqueue(batch_of({"w": {"type": "test_wait", "seconds": 0.05}}))
    await studio.wait_for(lambda: "started w" in studio.order(1))
    studio.database.failures.append(DatabaseUnavailable("away"))
    await studio.wait_for_ends(1)
    assert studio.ends()[0]["status"] == "completed"
    assert graph_nodes.INVOKED == ["test_wait 0"]


async def test_a_turn_whose_answer_got_lost_is_taken_again_and_nothing_waits(tmp_path: Path) -> None:
    graph_nodes.INVOKED.clear()
    async with QueueStudio(tmp_path, max_concurrent_sessions=2, lease_seconds=600) as studio:
        await studio.enqueue(batch_of({"w": {"type": "test_wait", "seconds": 0.05}}, runs=4))
        await studio.processor.start()
        studio.database.lost.append(DatabaseUnavailable("the answer to what was taken got lost"))
        await studio.wait_for(lambda: "started w" in studio.order(1))
        assert not studio.database.lost
        studio.database.lost.append(DatabaseUnavailable("the answer to what ended got lost"))
        await studio.wait_for_ends(4)
        assert [end["status"] for end in studio.ends()] == ["completed"] * 4 and not studio.database.lost
        rows = await studio.database.fetch("SELECT attempts FROM session_queue ORDER BY item_id")
    assert len(graph_nodes.INVOKED) == 4
    assert [row["attempts"] for row in rows] == [1] * 4


async def test_large_sessions_are_stored_in_pieces(studio: QueueStudio) -> None:
    await studio.processor.start()
    await studio.enqueue(batch_of({"s": {"type": "test_text", "value": "x" * 1_200_000}}))
    await studio.wait_for_ends(1)
    item = await studio.queue.get(QUEUE, 1)
    assert item["status"] == "completed"
    (result,) = item["session"]["results"].values()
    assert len(result["value"]) == 1_200_000


async def test_old_items_are_dropped_beyond_the_history(tmp_path: Path) -> None:
    async with QueueStudio(tmp_path, max_queue_history=3, lease_seconds=0.3) as studio:
        await studio.processor.start()
        await studio.enqueue(batch_of(ADD, runs=8))
        await studio.wait_for_ends(8)
        async with asyncio.timeout(60):
            while await studio.queue.item_ids(QUEUE, newest_first=False) != [6, 7, 8]:
                await asyncio.sleep(0.05)
