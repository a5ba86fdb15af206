"""What makes a graph impossible to run, said in one sentence about the first fault found."""

from __future__ import annotations

import typing
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from invokeai.app.services.shared.graph_types import compatible, element_type, field_type, same_kind

if TYPE_CHECKING:
    from invokeai.app.services.shared.graph import Edge, Graph

ITERATE, COLLECT, IF = "iterate", "collect", "if"
CALL_SAVED_WORKFLOW = "call_saved_workflow"
CALL_INPUT = "saved_workflow_input::"
"""Begins the name of an input that a call passes on to the workflow it calls."""
DIRECT = "direct"
MAX_NESTING = 8
"""Lists of lists deeper than this are not told apart."""


def node_type(node: Any) -> str:
    """The `type` of a node."""
    return str(node.get_type())


def check_graph(graph: Graph) -> None:
    """Refuse a graph that can never run.

    Raises:
        ValueError: naming the node or edge at fault.
    """
    for key, node in graph.nodes.items():
        if node.id != key:
            raise ValueError(f"Node {node.id} is filed under the id {key}; both must be the same")
    for edge in graph.edges:
        _check_ends(graph, edge)
    _check_single_inputs(graph)
    order = topological_order(graph.nodes, graph.edges)
    incoming = edges_by_destination(graph)
    types = _OutputTypes(graph, incoming, order)
    for edge in graph.edges:
        _check_types(graph, types, edge)
    for key, node in graph.nodes.items():
        if node_type(node) == COLLECT:
            _check_collect(types, incoming, key)


def edges_by_destination(graph: Graph) -> dict[str, list[Edge]]:
    """The edges that arrive at each node, in the order of the graph."""
    found: dict[str, list[Edge]] = {key: [] for key in graph.nodes}
    for edge in graph.edges:
        found[edge.destination.node_id].append(edge)
    return found


def topological_order(nodes: Iterable[str], edges: Iterable[Edge]) -> list[str]:
    """Node ids, each after all that it takes values from; otherwise in the order given.

    Raises:
        ValueError: there is a cycle.
    """
    waiting = dict.fromkeys(nodes, 0)
    after: dict[str, list[str]] = {key: [] for key in waiting}
    for edge in edges:
        waiting[edge.destination.node_id] += 1
        after[edge.source.node_id].append(edge.destination.node_id)
    free = deque(key for key, count in waiting.items() if count == 0)
    order: list[str] = []
    while free:
        key = free.popleft()
        order.append(key)
        for successor in after[key]:
            waiting[successor] -= 1
            if waiting[successor] == 0:
                free.append(successor)
    if len(order) < len(waiting):
        raise ValueError("Graph contains cycles")
    return order


def _check_ends(graph: Graph, edge: Edge) -> None:
    source, target = edge.source, edge.destination
    if source.node_id not in graph.nodes:
        raise ValueError(f"Edge source node {source.node_id} does not exist in the graph")
    if target.node_id not in graph.nodes:
        raise ValueError(f"Edge destination node {target.node_id} does not exist in the graph")
    giver, taker = graph.nodes[source.node_id], graph.nodes[target.node_id]
    if field_type(giver.get_output_annotation(), source.field) is None and not _takes_extra(
        giver.get_output_annotation()
    ):
        raise ValueError(f"Edge source field {source.field} does not exist in node {source.node_id}")
    passed_on = is_passed_on(node_type(taker), target.field)
    if field_type(type(taker), target.field) is None and not passed_on and not _takes_extra(type(taker)):
        raise ValueError(f"Edge destination field {target.field} does not exist in node {target.node_id}")
    if target.field in ("id", "type", "is_intermediate", "use_cache") or _input_kind(taker, target.field) == DIRECT:
        raise ValueError(f"Edge destination field {target.field} of node {target.node_id} takes no connection")


def _check_single_inputs(graph: Graph) -> None:
    seen: set[tuple[str, str]] = set()
    for edge in graph.edges:
        end = (edge.destination.node_id, edge.destination.field)
        gathers = node_type(graph.nodes[end[0]]) == COLLECT and end[1] == "item"
        if end in seen and not gathers:
            raise ValueError(f"Input {end[1]} of node {end[0]} has more than one connection")
        seen.add(end)


def is_passed_on(kind: str, field: str) -> bool:
    """Whether an input of a node of type `kind` is one of the workflow that it calls."""
    return kind == CALL_SAVED_WORKFLOW and field.startswith(CALL_INPUT)


class _OutputTypes:
    """The type that each output gives; for iterate and collect it follows from what goes in."""

    def __init__(self, graph: Graph, incoming: dict[str, list[Edge]], order: list[str]) -> None:
        self._graph = graph
        self._derived: dict[tuple[str, str], Any] = {}
        for key in order:
            kind = node_type(graph.nodes[key])
            if kind == ITERATE:
                self._derived[key, "item"] = self._element(incoming[key])
            elif kind == COLLECT:
                self._derived[key, "collection"] = self._collection(incoming[key])

    def of(self, node_id: str, field: str) -> Any:
        """The type of an output."""
        derived = self._derived.get((node_id, field))
        if derived is not None:
            return derived
        found = field_type(self._graph.nodes[node_id].get_output_annotation(), field)
        return Any if found is None else found

    def _element(self, edges: list[Edge]) -> Any:
        for edge in edges:
            if edge.destination.field == "collection":
                return element_type(self.of(edge.source.node_id, edge.source.field))
        return Any

    def _collection(self, edges: list[Edge]) -> Any:
        for edge in edges:
            found = self.of(edge.source.node_id, edge.source.field)
            if edge.destination.field == "collection":
                return found
            return list[found] if _depth(found) < MAX_NESTING else list[Any]  # type: ignore[valid-type]
        return list[Any]


def _depth(annotation: Any) -> int:
    depth = 0
    while typing.get_origin(annotation) is list and depth <= MAX_NESTING:
        annotation, depth = typing.get_args(annotation)[0], depth + 1
    return depth


def _check_types(graph: Graph, types: _OutputTypes, edge: Edge) -> None:
    target = edge.destination
    taker = graph.nodes[target.node_id]
    target_type = field_type(type(taker), target.field)
    if node_type(taker) == ITERATE and target.field == "collection":
        target_type = list[Any]
    if target_type is not None and not compatible(types.of(edge.source.node_id, edge.source.field), target_type):
        raise ValueError(f"Edge source and target types do not match ({edge})")


def _check_collect(types: _OutputTypes, incoming: dict[str, list[Edge]], key: str) -> None:
    first: Any = None
    for edge in incoming[key]:
        found = types.of(edge.source.node_id, edge.source.field)
        found = element_type(found) if edge.destination.field == "collection" else found
        if first is not None and not same_kind(found, first):
            raise ValueError(f"Collector {key} gathers values of different types ({edge})")
        first = found if first is None else first


def _input_kind(node: Any, field: str) -> str | None:
    info = type(node).__pydantic_fields__.get(field)
    extra = info.json_schema_extra if info is not None else None
    return extra.get("input") if isinstance(extra, dict) else None


def _takes_extra(model: type[Any]) -> bool:
    return bool(model.model_config.get("extra") == "allow")
