"""From a saved workflow to the graph that the editor would submit for it.

Only nodes that run and edges that carry a value count: notes, collapsed edges and boards named by a word are left out,
connectors are followed to where their value comes from.
"""

from __future__ import annotations

from typing import Any

from invokeai.app.services.shared.errors import InvalidInput
from invokeai.app.services.shared.graph import Graph
from invokeai.app.services.shared.graph_validation import CALL_INPUT
from invokeai.app.services.workflow_records.workflow_models import WorkflowWithoutID


def graph_of(workflow: WorkflowWithoutID, inputs: dict[str, Any]) -> Graph:
    """The graph of `workflow`. Keys of `inputs` are `saved_workflow_input::<node id>::<input>`.

    Raises:
        InvalidInput: an input names a node that is not there, or the graph can never run.
    """
    nodes = {str(node["id"]): _node(node) for node in workflow.nodes if node.get("type") == "invocation"}
    edges = _edges(workflow, set(nodes))
    for key, value in inputs.items():
        node_id, _, name = key.removeprefix(CALL_INPUT).rpartition("::")
        if node_id not in nodes:
            raise InvalidInput(f"The called workflow {workflow.name!r} has no input {name!r} of node {node_id!r}.")
        nodes[node_id][name] = value
    for edge in edges:
        target = edge["destination"]
        nodes[target["node_id"]].pop(target["field"], None)
    try:
        return Graph.model_validate({"nodes": nodes, "edges": edges})
    except ValueError as error:
        raise InvalidInput(f"The called workflow {workflow.name!r} cannot run: {error}") from None


def _node(node: dict[str, Any]) -> dict[str, Any]:
    data = node["data"]
    values = {name: field.get("value") for name, field in data.get("inputs", {}).items() if isinstance(field, dict)}
    members: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    if data["type"] == "call_saved_workflow":
        called = {name: members.pop(name) for name in list(members) if name.startswith(CALL_INPUT)}
        members["workflow_inputs"] = {**members.get("workflow_inputs", {}), **called}
    if isinstance(members.get("board"), str):
        del members["board"]
    return {
        **members,
        "id": node["id"],
        "type": data["type"],
        "is_intermediate": data.get("isIntermediate", False),
        "use_cache": data.get("useCache", True),
    }


def _edges(workflow: WorkflowWithoutID, nodes: set[str]) -> list[dict[str, Any]]:
    into = {edge.get("target"): edge for edge in workflow.edges if edge.get("type") == "default"}
    connectors = {node["id"] for node in workflow.nodes if node.get("type") == "connector"}
    found: list[dict[str, Any]] = []
    for edge in workflow.edges:
        if edge.get("type") != "default" or edge.get("target") not in nodes:
            continue
        origin: dict[str, Any] | None = edge
        for _ in connectors:
            if origin and origin.get("source") in connectors:
                origin = into.get(origin["source"])
        if origin and origin.get("source") in nodes:
            joined = {
                "source": {"node_id": origin["source"], "field": origin.get("sourceHandle")},
                "destination": {"node_id": edge["target"], "field": edge.get("targetHandle")},
            }
            if joined not in found:
                found.append(joined)
    return found
