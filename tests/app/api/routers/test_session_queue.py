"""The queue over HTTP: bad input is refused with a sentence and nothing stored; answers have the contract's members."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.api.served_studio import ServedStudio, served_studio
from tests.app.services.queue_studio import batch_of
from tests.app.services.shared import graph_nodes as graph_nodes

QUEUE = "/api/v1/queue/default"
ADD = {"n": {"type": "test_add", "a": 1, "b": 2}}


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[ServedStudio]:
    async with served_studio(tmp_path) as studio:
        yield studio


async def finished(studio: ServedStudio, item_id: int) -> dict[str, Any]:
    """The item, once it has ended."""
    while True:
        item: dict[str, Any] = (await studio.http.get(f"{QUEUE}/i/{item_id}")).json()
        if item["status"] in ("completed", "failed", "canceled"):
            return item


def datum(node: str, field: str, *items: Any) -> dict[str, Any]:
    return {"node_path": node, "field_name": field, "items": list(items)}


@pytest.mark.parametrize(
    ("batch", "where", "sentence"),
    [
        (batch_of({"n": {"type": "no_such_node"}}), ["batch", "graph", "nodes", "n"], "'no_such_node'"),
        (
            batch_of({"n": {"type": "test_add"}, "m": {"type": "test_add"}}, ("n.value", "m.a"), ("m.value", "n.a")),
            ["batch", "graph"],
            "Graph contains cycles",
        ),
        (
            batch_of({"s": {"type": "test_text"}, "n": {"type": "test_add"}}, ("s.value", "n.a")),
            ["batch", "graph"],
            "Edge source and target types do not match (s.value -> n.a)",
        ),
        (
            batch_of({"n": {"type": "test_add"}}, ("zz.value", "n.a")),
            ["batch", "graph"],
            "Edge source node zz does not exist in the graph",
        ),
        (batch_of(ADD, data=[[datum("zz", "a", 1)]]), ["batch"], "Node zz not found in graph"),
        (
            batch_of(ADD, data=[[datum("n", "a", 1, 2), datum("n", "b", 1)]]),
            ["batch", "data"],
            "Zipped batch items must all have the same length",
        ),
        (batch_of(ADD, runs=0), ["batch", "runs"], "greater than or equal to 1"),
        ({"runs": 1}, ["batch", "graph"], "Field required"),
    ],
)
async def test_wrong_batches_are_refused(
    studio: ServedStudio, batch: dict[str, Any], where: list[str], sentence: str
) -> None:
    answer = await studio.enqueue(batch)
    assert answer.status_code == 422
    (fault,) = answer.json()["detail"]
    assert fault["loc"] == ["body", *where]
    assert sentence in fault["msg"]
    assert (await studio.http.get(f"{QUEUE}/status")).json()["queue"]["total"] == 0


async def test_too_large_requests_are_refused(studio: ServedStudio) -> None:
    huge = await studio.enqueue(batch_of({"s": {"type": "string", "value": "x" * 10 * 2**20}}))
    assert huge.status_code == 413
    large = await studio.enqueue(batch_of({"s": {"type": "string", "value": "x" * 3 * 2**20}}))
    assert (large.status_code, "at most" in large.json()["detail"]) == (413, True)
    values = await studio.enqueue(batch_of({"s": {"type": "string"}}, data=[[datum("s", "value", "x" * 3 * 2**20)]]))
    assert values.status_code == 413
    billions = batch_of(ADD, data=[[datum("n", "a", *range(1000))], [datum("n", "b", *range(1000))]], runs=1000)
    result = (await studio.enqueue(billions)).json()
    assert (result["requested"], result["enqueued"]) == (10**9, studio.app.state.services.config.max_queue_size)
    assert (await studio.http.put(f"{QUEUE}/clear")).status_code == 200


@pytest.mark.parametrize(
    "value",
    [r'"\ud800"', "1" + "0" * 30, "[" * 300 + "]" * 300, "[" * 100_000, '{"a":' * 600 + "1" + "}" * 600],
    ids=["half a character", "huge number", "deep list", "endless list", "deep object"],
)
@pytest.mark.parametrize("place", ["node", "data", "workflow"])
async def test_values_that_cannot_be_stored_are_refused(studio: ServedStudio, value: str, place: str) -> None:
    node, data, workflow = '{"type": "collect"}', "", ""
    if place == "node":
        node = '{"type": "collect", "collection": [' + value + "]}"
    elif place == "data":
        data = '"data": [[{"node_path": "n", "field_name": "item", "items": [' + value + "]}]],"
    else:
        workflow = '"workflow": {"a": ' + value + "},"
    body = '{"batch": {' + data + workflow + '"runs": 1, "graph": {"nodes": {"n": ' + node + '}, "edges": []}}}'
    answer = await studio.http.post(
        f"{QUEUE}/enqueue_batch", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code in (400, 422), answer.text[:300]
    assert answer.json()["detail"]
    assert (await studio.http.get(f"{QUEUE}/status")).json()["queue"]["total"] == 0


async def test_half_a_character_in_an_id_is_refused_in_words(studio: ServedStudio) -> None:
    body = r'{"batch": {"runs": 1, "graph": {"nodes": {"\ud800": {"type": "no\ud800"}}, "edges": []}}}'
    headers = {"content-type": "application/json"}
    answer = await studio.http.post(f"{QUEUE}/enqueue_batch", content=body, headers=headers)
    assert answer.status_code == 422
    assert (await studio.http.get(f"{QUEUE}/b/%ED%A0%80/status")).status_code in (200, 422)


async def test_a_large_wrong_request_is_not_echoed(studio: ServedStudio) -> None:
    answer = await studio.enqueue(batch_of({"n": {"type": "test_add", "a": "x" * 1_000_000}}))
    assert answer.status_code == 422
    assert len(answer.content) < 10_000


@pytest.mark.parametrize("item_id", [2**63, 2**64, 10**30, -(10**30)])
async def test_ids_over_64_bits_are_refused(studio: ServedStudio, item_id: int) -> None:
    calls = [
        studio.http.get(f"{QUEUE}/i/{item_id}"),
        studio.http.put(f"{QUEUE}/i/{item_id}/cancel"),
        studio.http.delete(f"{QUEUE}/i/{item_id}"),
        *(
            studio.http.request(method, f"{QUEUE}/{path}", content=body, headers={"content-type": "application/json"})
            for method, path, body in (
                ("PUT", "retry_items_by_id", f"[{item_id}]"),
                ("POST", "items_by_ids", f'{{"item_ids": [{item_id}]}}'),
                ("POST", "item_summaries_by_ids", f'{{"item_ids": [{item_id}]}}'),
            )
        ),
    ]
    for call in calls:
        answer: httpx.Response = await call
        assert answer.status_code == 422


async def test_an_unknown_item_is_a_404_with_the_contracts_sentence(studio: ServedStudio) -> None:
    for call in (studio.http.get(f"{QUEUE}/i/999999"), studio.http.put(f"{QUEUE}/i/999999/cancel")):
        answer = await call
        assert answer.status_code == 404
        assert answer.json() == {"detail": "Queue item with id 999999 not found in queue default"}


async def test_an_item_from_enqueue_to_prune(studio: ServedStudio) -> None:
    result = (await studio.enqueue(batch_of(ADD, origin="o", destination="canvas:1", workflow=None))).json()
    assert list(result) == ["queue_id", "enqueued", "requested", "batch", "priority", "item_ids"]
    assert list(result["batch"]) == ["batch_id", "origin", "destination", "data", "graph", "workflow", "runs"]
    item = await finished(studio, 1)
    assert item["status"] == "completed"
    assert None not in item.values()
    (listed,) = (await studio.http.get(f"{QUEUE}/list_all", params={"destination": "canvas:1"})).json()
    assert listed["session"]["results"] and listed["workflow"] is None
    (summary,) = (await studio.http.post(f"{QUEUE}/item_summaries_by_ids", json={"item_ids": [1, 5]})).json()
    assert summary["status"] == "completed" and summary["field_values"] == []
    batch = (await studio.http.get(f"{QUEUE}/b/{result['batch']['batch_id']}/status")).json()
    assert (batch["completed"], batch["total"], batch["origin"]) == (1, 1, "o")
    counts = (await studio.http.get(f"{QUEUE}/counts_by_destination", params={"destination": "canvas:1"})).json()
    assert counts["completed"] == 1
    assert (await studio.http.get(f"{QUEUE}/item_ids?order_dir=DESC")).json() == {"item_ids": [1], "total_count": 1}
    assert (await studio.http.get(f"{QUEUE}/current")).json() is None
    assert (await studio.http.get(f"{QUEUE}/next")).json() is None
    assert (await studio.http.put(f"{QUEUE}/prune")).json() == {"deleted": 1}


async def test_pause_retry_and_bulk_cancel(studio: ServedStudio) -> None:
    assert (await studio.http.put(f"{QUEUE}/processor/pause")).json() == {"is_started": False, "is_processing": False}
    result = (await studio.enqueue(batch_of(ADD, runs=3))).json()
    ids = {"batch_ids": [result["batch"]["batch_id"]]}
    assert (await studio.http.put(f"{QUEUE}/cancel_by_batch_ids", json=ids)).json() == {"canceled": 3}
    retried = (await studio.http.put(f"{QUEUE}/retry_items_by_id", json=[2])).json()
    assert retried == {"queue_id": "default", "retried_item_ids": [2]}
    assert (await studio.http.put(f"{QUEUE}/processor/resume")).json()["is_started"] is True
    assert (await finished(studio, 4))["retried_from_item_id"] == 2


async def test_invocation_cache(studio: ServedStudio) -> None:
    for _ in range(2):
        await studio.enqueue(batch_of(ADD))
    await finished(studio, 1)
    await finished(studio, 2)
    status = (await studio.http.get("/api/v1/app/invocation_cache/status")).json()
    assert (status["size"], status["hits"] + status["misses"], status["enabled"]) == (1, 2, True)
    for method, path in (("PUT", "/disable"), ("DELETE", "")):
        answer = await studio.http.request(method, f"/api/v1/app/invocation_cache{path}")
        assert (answer.status_code, answer.json()) == (200, None)
    status = (await studio.http.get("/api/v1/app/invocation_cache/status")).json()
    assert (status["size"], status["enabled"]) == (0, False)
