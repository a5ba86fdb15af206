"""A run as clients and pictures see it: the members of `GraphExecutionState`, as plain JSON values."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from invokeai.app.services.shared.graph_execution import GraphRun, PreparedNode


def graph_as_json(run: GraphRun) -> dict[str, Any]:
    """The submitted graph with the run's values filled in."""
    graph = run.plan.graph
    return {
        "id": graph.id,
        "nodes": {key: node.model_dump(mode="json", warnings=False) for key, node in run.nodes.items()},
        "edges": [edge.model_dump() for edge in graph.edges],
    }


def graph_text(run: GraphRun) -> str:
    """The submitted graph as the JSON text that a picture carries."""
    return orjson.dumps(graph_as_json(run)).decode()


def progress_as_json(run: GraphRun) -> dict[str, Any]:
    """Everything of the session but its id and submitted graph: what is stored with an item."""
    prepared = run.prepared.values()
    return {
        "execution_graph": {
            "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run.session_id}:execution")),
            "nodes": {p.id: run.shown.get(p.id) or p.node.model_dump(mode="json", warnings=False) for p in prepared},
            "edges": [edge for p in prepared for edge in _edges(p)],
        },
        "executed": list(run.executed),
        "executed_history": list(run.history),
        "results": {key: result.model_dump(mode="json", warnings=False) for key, result in run.results.items()},
        "errors": dict(run.errors),
        **NO_WORKFLOW_CALLS,
        "prepared_source_mapping": {p.id: p.source_id for p in prepared},
        "source_prepared_mapping": {key: [p.id for p in copies] for key, copies in run.by_source.items() if copies},
        "prepared_iteration_paths": {p.id: list(p.path) for p in prepared},
        "ready_order": [],
        "indegree": {p.id: p.waits_for for p in prepared},
    }


def session_as_json(session_id: str, graph: dict[str, Any], progress: dict[str, Any] | None) -> dict[str, Any]:
    """A whole session; without `progress` it has not begun."""
    return {"id": session_id, "graph": graph, **(progress or not_begun(session_id))}


def not_begun(session_id: str) -> dict[str, Any]:
    """Progress of a session of which nothing ran."""
    return {
        "execution_graph": {
            "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{session_id}:execution")),
            "nodes": {},
            "edges": [],
        },
        "executed": [],
        "executed_history": [],
        "results": {},
        "errors": {},
        **NO_WORKFLOW_CALLS,
        "prepared_source_mapping": {},
        "source_prepared_mapping": {},
        "prepared_iteration_paths": {},
        "ready_order": [],
        "indegree": {},
    }


NO_WORKFLOW_CALLS: dict[str, Any] = {
    "workflow_call_stack": [],
    "workflow_call_history": [],
    "workflow_call_parent": None,
    "waiting_workflow_call": None,
    "waiting_workflow_call_execution": None,
    "waiting_workflow_call_child_session": None,
    "max_workflow_call_depth": 4,
}


def _edges(prepared: PreparedNode) -> list[dict[str, Any]]:
    return [
        {
            "source": {"node_id": wire.giver, "field": wire.field},
            "destination": {"node_id": prepared.id, "field": wire.into},
        }
        for wire in prepared.inputs
    ]
