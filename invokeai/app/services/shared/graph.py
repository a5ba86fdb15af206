"""Graphs as the editor submits them: nodes by id, and edges from an output field to an input field.

A `Graph` that was validated can be prepared: every node is an instance of its registered class, every edge joins
fields that exist and whose types go together, there is no cycle. A required input without a value is no fault here.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from invokeai.app.services.shared.graph_validation import check_graph


def parse_node(value: Any) -> Any:
    """A node as its registered class.

    Raises:
        PydanticCustomError: the value is no node, or its type is not known (the message names those that are).
        ValidationError: a value does not fit its field.
    """
    from invokeai.app.invocations.registry import InvocationRegistry

    if not isinstance(value, dict):
        if hasattr(value, "invoke"):
            return value
        raise PydanticCustomError("node_type", "A node must be an object with a `type`")
    node_type = value.get("type")
    cls = InvocationRegistry.get_invocation(node_type) if isinstance(node_type, str) else None
    if cls is None:
        known = ", ".join(f"'{name}'" for name in InvocationRegistry.invocation_types())
        raise PydanticCustomError(
            "union_tag_invalid",
            "Input tag '{tag}' found using {discriminator} does not match any of the expected tags: {expected_tags}",
            {"discriminator": "'type'", "tag": _printable(node_type), "expected_tags": known},
        )
    return cls.model_validate(value)


def _printable(value: Any) -> str:
    """As text that can be encoded; halves of characters become question marks."""
    return str(value).encode("utf-8", "replace").decode()


def _node_json(node: Any) -> dict[str, Any]:
    fields: dict[str, Any] = node.model_dump(mode="json", warnings=False)
    return fields


Node = Annotated[
    Any,
    BeforeValidator(parse_node),
    PlainSerializer(_node_json),
    WithJsonSchema({"type": "object", "additionalProperties": True}),
]
"""A node of any registered type."""


class EdgeConnection(BaseModel):
    """One end of an edge."""

    model_config = ConfigDict(frozen=True)

    node_id: str = Field(description="Id of the node.")
    field: str = Field(description="Name of its field.")


class Edge(BaseModel):
    """From an output field of one node to an input field of another."""

    model_config = ConfigDict(frozen=True)

    source: EdgeConnection = Field(description="The output that gives the value.")
    destination: EdgeConnection = Field(description="The input that takes it.")

    def __str__(self) -> str:
        return f"{self.source.node_id}.{self.source.field} -> {self.destination.node_id}.{self.destination.field}"


class Graph(BaseModel):
    """Nodes and edges."""

    id: str = Field(default_factory=lambda: str(uuid4()), description="Id of the graph.")
    nodes: dict[str, Node] = Field(default_factory=dict, description="The nodes, by id.")
    edges: list[Edge] = Field(default_factory=list, description="The edges.")

    @model_validator(mode="before")
    @classmethod
    def _name_nodes(cls, value: Any) -> Any:
        """A node without an id of its own takes the one that it is filed under."""
        if isinstance(value, dict) and isinstance(value.get("nodes"), dict):
            if any(_printable(key) != key for key in value["nodes"]):
                raise ValueError("The id of a node holds half a character")
            nodes = {
                key: {**node, "id": key} if isinstance(node, dict) and "id" not in node else node
                for key, node in value["nodes"].items()
            }
            return {**value, "nodes": nodes}
        return value

    @model_validator(mode="after")
    def _check(self) -> Graph:
        check_graph(self)
        return self


class GraphExecutionState(BaseModel):
    """One run of a graph, as clients see it. Prepared nodes are the copies that run, one for each iteration."""

    id: str = Field(description="Id of the session.")
    graph: Graph = Field(description="The graph that was submitted, batch values filled in.")
    execution_graph: Graph = Field(description="The prepared nodes and their edges.")
    executed: list[str] = Field(description="Ids of prepared and submitted nodes that are done.")
    executed_history: list[str] = Field(description="Ids of submitted nodes in the order in which they were done.")
    results: dict[str, dict[str, Any]] = Field(description="Output of each prepared node.")
    errors: dict[str, str] = Field(description="What went wrong, by prepared node.")
    workflow_call_stack: list[dict[str, Any]] = Field(description="Workflow calls around this session.")
    workflow_call_history: list[dict[str, Any]] = Field(description="Workflow calls that this session made.")
    workflow_call_parent: dict[str, Any] | None = Field(default=None, description="The call that made this session.")
    waiting_workflow_call: dict[str, Any] | None = Field(default=None, description="The call it waits for.")
    waiting_workflow_call_execution: dict[str, Any] | None = Field(default=None, description="Its execution.")
    waiting_workflow_call_child_session: dict[str, Any] | None = Field(default=None, description="Its session.")
    max_workflow_call_depth: int = Field(default=4, ge=1, description="How deep calls may nest.")
    prepared_source_mapping: dict[str, str] = Field(description="Submitted node of each prepared node.")
    source_prepared_mapping: dict[str, list[str]] = Field(description="Prepared nodes of each submitted node.")
    prepared_iteration_paths: dict[str, list[int]] = Field(default_factory=dict, description="Iteration indices.")
    ready_order: list[str] = Field(default_factory=list, description="Prepared nodes that may run now.")
    indegree: dict[str, int] = Field(default_factory=dict, description="Inputs that a prepared node waits for.")
