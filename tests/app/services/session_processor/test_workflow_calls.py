"""A node that runs a saved workflow: values in, results out, failures told, endless calls refused."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.api.served_studio import ServedStudio, served_studio
from tests.app.services.queue_studio import batch_of
from tests.app.services.shared import graph_nodes as graph_nodes


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[ServedStudio]:
    async with served_studio(tmp_path) as studio:
        yield studio


def node(node_id: str, node_type: str, **values: Any) -> dict[str, Any]:
    """A node as the editor saves it."""
    inputs = {name: {"name": name, "label": "", "value": value} for name, value in values.items()}
    data = {"id": node_id, "type": node_type, "inputs": inputs, "isIntermediate": True, "useCache": False}
    return {"id": node_id, "type": "invocation", "position": {"x": 0, "y": 0}, "data": data}


def edge(source: str, target: str) -> dict[str, Any]:
    """An edge as the editor saves it."""
    (a, b), (c, d) = source.split("."), target.split(".")
    return {
        "id": f"{source}-{target}",
        "type": "default",
        "source": a,
        "sourceHandle": b,
        "target": c,
        "targetHandle": d,
    }


async def save(studio: ServedStudio, nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> str:
    """Save a workflow; its id."""
    texts = dict.fromkeys(("author", "description", "version", "contact", "tags", "notes"), "")
    meta = {"version": "4.0.0", "category": "user"}
    workflow = {"name": "sum", **texts, "exposedFields": [], "meta": meta, "nodes": nodes, "edges": edges}
    answer = await studio.http.post("/api/v1/workflows/", json={"workflow": workflow})
    return str(answer.json()["workflow_id"])


async def ended(studio: ServedStudio) -> dict[str, Any]:
    while True:
        item: dict[str, Any] = (await studio.http.get("/api/v1/queue/default/i/1")).json()
        if item["status"] in ("completed", "failed"):
            return item


SUM = [
    node("add", "test_add", a=1, b=2),
    {"id": "via", "type": "connector", "position": {"x": 0, "y": 0}, "data": {"id": "via", "type": "connector"}},
    {"id": "note", "type": "notes", "position": {"x": 0, "y": 0}, "data": {"id": "note", "type": "notes"}},
    node("named", "workflow_return_value", key="total"),
    node("return", "workflow_return"),
]
SUM_EDGES = [
    edge("add.value", "via.in"),
    edge("via.out", "named.value"),
    edge("named.value", "return.values"),
]


async def test_results_come_back_for_typed_and_wired_inputs(studio: ServedStudio) -> None:
    workflow_id = await save(studio, SUM, SUM_EDGES)
    nodes = {
        "ten": {"type": "integer", "value": 10},
        "call": {
            "type": "call_saved_workflow",
            "workflow_id": workflow_id,
            "workflow_inputs": {"saved_workflow_input::add::b": 7},
        },
        "get": {"type": "workflow_return_get", "key": "total"},
    }
    edges = [("ten.value", "call.saved_workflow_input::add::a"), ("call.values", "get.values")]
    answer = await studio.enqueue(batch_of(nodes, *edges))
    assert answer.status_code == 200, answer.text
    item = await ended(studio)
    assert item["status"] == "completed", item.get("error_message")
    (got,) = item["session"]["source_prepared_mapping"]["get"]
    assert item["session"]["results"][got]["value"] == 17


async def test_a_failure_within_is_the_failure_of_the_call(studio: ServedStudio) -> None:
    nodes = [node("fail", "test_fail", text="no luck"), *SUM[3:]]
    edges = [edge("fail.value", "named.value"), edge("named.value", "return.values")]
    workflow_id = await save(studio, nodes, edges)
    await studio.enqueue(batch_of({"call": {"type": "call_saved_workflow", "workflow_id": workflow_id}}))
    item = await ended(studio)
    assert item["status"] == "failed"
    assert "'sum' failed: no luck" in item["error_message"]


async def test_endless_calls_are_refused(studio: ServedStudio) -> None:
    workflow_id = await save(studio, SUM, SUM_EDGES)
    nodes = [node("call", "call_saved_workflow", workflow_id=workflow_id), *SUM[3:]]
    edges = [edge("call.values", "named.value"), edge("named.value", "return.values")]
    body = {
        "workflow": {
            **(await studio.http.get(f"/api/v1/workflows/i/{workflow_id}")).json()["workflow"],
            "nodes": nodes,
            "edges": edges,
        }
    }
    assert (await studio.http.patch(f"/api/v1/workflows/i/{workflow_id}", json=body)).status_code == 200
    await studio.enqueue(batch_of({"call": {"type": "call_saved_workflow", "workflow_id": workflow_id}}))
    assert "cannot call itself" in (await ended(studio))["error_message"]


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [({"saved_workflow_input::zz::a": 1}, "no input 'a' of node 'zz'"), ({"saved_workflow_input::add::a": "x"}, "run")],
)
async def test_wrong_inputs_fail_with_a_sentence(studio: ServedStudio, inputs: dict[str, Any], sentence: str) -> None:
    workflow_id = await save(studio, SUM, SUM_EDGES)
    call = {"type": "call_saved_workflow", "workflow_id": workflow_id, "workflow_inputs": inputs}
    await studio.enqueue(batch_of({"call": call}))
    assert sentence in (await ended(studio))["error_message"]


async def test_a_workflow_without_a_return_cannot_be_called(studio: ServedStudio) -> None:
    workflow_id = await save(studio, SUM[:1], [])
    await studio.enqueue(batch_of({"call": {"type": "call_saved_workflow", "workflow_id": workflow_id}}))
    assert "cannot be called" in (await ended(studio))["error_message"]
