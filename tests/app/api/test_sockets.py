"""The event channel as the web UI uses it: long-polling first, then WebSocket, each event once and in order."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.services.workflow_records.workflow_events import WorkflowCreated
from tests.app.api.served_studio import ServedStudio, served_studio
from tests.app.services.queue_studio import batch_of
from tests.app.services.shared import graph_nodes as graph_nodes


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[ServedStudio]:
    async with served_studio(tmp_path) as studio:
        yield studio


async def test_handshake_is_that_of_the_contract(studio: ServedStudio) -> None:
    headers = {"accept-encoding": "gzip, deflate, br"}
    answer = await studio.http.get("/ws/socket.io/?EIO=4&transport=polling", headers=headers)
    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers
    assert answer.text.startswith("0{")
    assert '"upgrades":["websocket"],"pingTimeout":20000,"pingInterval":25000' in answer.text


@pytest.mark.parametrize("transports", [["polling", "websocket"], ["polling"], ["websocket"]])
async def test_a_run_is_told_in_the_recorded_order(studio: ServedStudio, transports: list[str]) -> None:
    client = await studio.connect(transports=transports)
    nodes = {"prompt": {"type": "string", "value": "a lighthouse"}, "sum": {"type": "test_add", "a": 2, "b": 3}}
    result = (await studio.enqueue(batch_of(nodes, origin="generate", destination="generate"))).json()
    await studio.wait_for(lambda: "queue_item_status_changed completed" in studio.order(1))
    # not in order: that waits until the last poll is answered, after 25 s
    await client.eio.disconnect(abort=True)
    assert studio.told[0][0] == "batch_enqueued"
    assert studio.order(1) == [
        "queue_item_status_changed in_progress",
        "invocation_started prompt",
        "invocation_complete prompt",
        "invocation_started sum",
        "invocation_complete sum",
        "queue_item_status_changed completed",
    ]
    assert len(studio.told) == 7
    assert list(studio.told[0][1]) == [
        "timestamp",
        "queue_id",
        "batch_id",
        "enqueued",
        "requested",
        "priority",
        "origin",
        "user_id",
    ]
    complete = dict(studio.told)["invocation_complete"]
    assert complete["result"] == {"output_meta": None, "value": 5, "type": "integer_output"}
    assert complete["batch_id"] == result["batch"]["batch_id"]
    assert list(complete) == [
        *("timestamp", "queue_id", "item_id", "batch_id", "origin", "destination", "user_id", "session_id"),
        *("invocation", "invocation_source_id", "result"),
    ]


async def test_an_error_is_told_status_first(studio: ServedStudio) -> None:
    client = await studio.connect()
    await studio.enqueue(batch_of({"n": {"type": "test_fail", "text": "no luck"}}))
    await studio.wait_for(lambda: "invocation_error n" in studio.order(1))
    await client.disconnect()
    assert studio.order(1)[1:] == [
        "invocation_started n",
        "queue_item_status_changed failed",
        "invocation_error n",
    ]
    assert studio.told[-1][1]["error_message"] == "no luck"


async def test_a_cancel_is_told_at_once(studio: ServedStudio) -> None:
    client = await studio.connect()
    await studio.enqueue(batch_of({"w": {"type": "test_wait", "seconds": 600}}, runs=2))
    await studio.wait_for(lambda: "invocation_started w" in studio.order(2))
    answer = await studio.http.put("/api/v1/queue/default/i/1/cancel")
    assert answer.json()["status"] == "canceled"
    await studio.wait_for(lambda: "queue_item_status_changed canceled" in studio.order(1))
    await studio.http.put("/api/v1/queue/default/clear")
    await studio.wait_for(lambda: studio.told[-1][0] == "queue_cleared")
    await client.disconnect()
    assert studio.told[-1][1]["user_id"] is None
    status = (await studio.http.get("/api/v1/queue/default/status")).json()
    assert status["queue"]["total"] == 0
    assert status["processor"]["is_processing"] is False


async def test_only_subscribers_are_told(studio: ServedStudio) -> None:
    client = await studio.connect()
    await client.call("subscribe_queue", {"queue_id": "default"})
    await client.call("subscribe_queue", "nonsense")
    await client.call("subscribe_queue", {"queue_id": ["x"]})
    await client.call("unsubscribe_queue", {"queue_id": "never"})
    await studio.enqueue(batch_of({"n": {"type": "test_add"}}))
    await studio.wait_for(lambda: "queue_item_status_changed completed" in studio.order(1))
    told = len(studio.told)
    assert told == 5
    await client.call("unsubscribe_queue", {"queue_id": "default"})
    await studio.enqueue(batch_of({"n": {"type": "test_add"}}))
    answer = await studio.http.get("/api/v1/queue/default/i/2")
    while answer.json()["status"] != "completed":
        answer = await studio.http.get("/api/v1/queue/default/i/2")
    await client.disconnect()
    assert len(studio.told) == told


async def test_an_event_that_cannot_be_sent_does_not_end_the_channel(
    studio: ServedStudio, caplog: pytest.LogCaptureFixture
) -> None:
    client = await studio.connect(transports=["websocket"])
    events = studio.app.state.services.events
    members: dict[str, Any] = {"workflow_id": "w", "user_id": "u", "is_public": False}
    events.publish(WorkflowCreated.model_construct(**{**members, "workflow_id": object()}))
    events.publish(WorkflowCreated(**members))
    await studio.wait_for(lambda: "workflow_created" in dict(studio.told))
    await client.eio.disconnect(abort=True)
    assert [payload["workflow_id"] for _, payload in studio.told] == ["w"]
    assert "Event workflow_created was not sent" in caplog.text
