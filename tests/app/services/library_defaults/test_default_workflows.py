"""The shipped workflows fit the nodes of this server: types, versions, fields and edges."""

import json
from typing import Any

import pytest

from invokeai.app.invocations import load_core_invocations
from invokeai.app.invocations.registry import InvocationRegistry
from invokeai.app.services.library_defaults.default_library import FOLDER
from invokeai.app.services.shared.graph import Graph
from invokeai.app.services.workflow_records.workflow_models import Workflow, WorkflowCategory

FILES = sorted((FOLDER / "workflows").glob("*.json"))


def graph_of(workflow: Workflow) -> dict[str, Any]:
    """The graph that the editor would send."""
    nodes = {}
    for node in workflow.nodes:
        data: Any = node["data"]
        values = {name: entry["value"] for name, entry in data["inputs"].items() if "value" in entry}
        if values.get("board") == "auto":
            del values["board"]
        nodes[data["id"]] = {"id": data["id"], "type": data["type"], **values}
    edges = [
        {
            "source": {"node_id": edge["source"], "field": edge["sourceHandle"]},
            "destination": {"node_id": edge["target"], "field": edge["targetHandle"]},
        }
        for edge in workflow.edges
    ]
    return {"id": workflow.id, "nodes": nodes, "edges": edges}


def test_there_are_some() -> None:
    assert len(FILES) >= 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_workflow_fits_the_nodes(path: Any) -> None:
    load_core_invocations()
    workflow = Workflow.model_validate(json.loads(path.read_text()))
    assert workflow.id == f"default_{path.stem}"
    assert workflow.meta.category is WorkflowCategory.Default
    inputs: dict[str, set[str]] = {}
    for node in workflow.nodes:
        data: Any = node["data"]
        known = InvocationRegistry.get_invocation(data["type"])
        assert known is not None
        assert data["version"] == known.UIConfig.version
        schema = known.model_json_schema()["properties"]
        hidden = {name for name, field in schema.items() if field.get("ui_hidden")}
        fields = schema.keys() - hidden - {"id", "is_intermediate", "use_cache", "type"}
        assert set(data["inputs"]) == fields, "the editor warns of inputs that it does not show"
        inputs[data["id"]] = set(fields)
    assert all(exposed.fieldName in inputs[exposed.nodeId] for exposed in workflow.exposedFields)
    graph = Graph.model_validate(graph_of(workflow))
    assert len(graph.nodes) == len(workflow.nodes)
