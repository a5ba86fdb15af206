"""What can be known about a graph before it runs; made once for a batch, read by every run of it.

An iterator is open at a node while results differ between its iterations; a collector closes all that it gathers.
A node that serves nothing but branches of `if` nodes is deferred: it runs only when such a branch is chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from invokeai.app.services.shared.graph_validation import (
    COLLECT,
    IF,
    ITERATE,
    edges_by_destination,
    node_type,
    topological_order,
)

if TYPE_CHECKING:
    from invokeai.app.services.shared.graph import Edge, Graph

BRANCHES = {"true_input": True, "false_input": False}


class GraphPlan:
    """A graph's order, edges, iterators and branches. Never changes after it was made."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.order = topological_order(graph.nodes, graph.edges)
        self.incoming = edges_by_destination(graph)
        self.kinds = {key: node_type(node) for key, node in graph.nodes.items()}
        self.open_iterators = self._open_iterators()
        self.eager = self._eager()

    def is_branch(self, edge: Edge) -> bool:
        """Whether the edge feeds one of the two branches of an `if` node."""
        return self.kinds[edge.destination.node_id] == IF and edge.destination.field in BRANCHES

    def needed_for(self, *node_ids: str) -> set[str]:
        """The nodes and all that they need for certain: everything above them but the branches of `if` nodes."""
        found: set[str] = set()
        waiting = list(node_ids)
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting += [e.source.node_id for e in self.incoming[key] if not self.is_branch(e)]
        return found

    def _open_iterators(self) -> dict[str, tuple[str, ...]]:
        position = {key: index for index, key in enumerate(self.order)}
        found: dict[str, tuple[str, ...]] = {}
        for key in self.order:
            if self.kinds[key] == COLLECT:
                found[key] = ()
                continue
            iterators = {i for edge in self.incoming[key] for i in found[edge.source.node_id]}
            if self.kinds[key] == ITERATE:
                iterators.add(key)
            found[key] = tuple(sorted(iterators, key=position.__getitem__))
        return found

    def _eager(self) -> frozenset[str]:
        gives = {edge.source.node_id for edge in self.graph.edges}
        return frozenset(self.needed_for(*(key for key in self.graph.nodes if key not in gives)))
