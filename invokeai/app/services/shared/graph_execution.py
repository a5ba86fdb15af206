"""One run of a graph: which copies of its nodes may run now, what goes into them, what came out.

Ids of prepared nodes follow from session, node and iteration alone, so a run that is repeated repeats itself exactly.
The run knows nothing of threads, events or databases; whoever drives it takes nodes and hands in results.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from invokeai.app.services.shared.errors import InvalidInput
from invokeai.app.services.shared.graph_plan import BRANCHES, GraphPlan
from invokeai.app.services.shared.graph_validation import COLLECT, IF, ITERATE, is_passed_on

PREPARED_NAMESPACE = uuid.UUID("0f3c6a52-51a4-5b1e-8a38-6f0f4f5f9b77")
MAX_PREPARED_NODES = 100_000
"""Most node copies of one session, so that nested iterations cannot fill the memory."""


@dataclass(slots=True)
class Input:
    """A value on its way: output `field` of the prepared node `giver` into the input `into`."""

    giver: str
    field: str
    into: str


@dataclass(slots=True)
class PreparedNode:
    """A copy of a submitted node for one iteration. `path` holds the indices of its open iterators, outermost first."""

    id: str
    source_id: str
    path: tuple[int, ...]
    node: Any
    inputs: list[Input]
    waits_for: int


class GraphRun:
    """The state of one session."""

    def __init__(self, plan: GraphPlan, session_id: str, values: Iterable[tuple[str, str, Any]] = ()) -> None:
        """`values` are (node id, input, value) that replace what the graph says.

        Raises:
            InvalidInput: a value does not fit its input.
        """
        self.plan = plan
        self.session_id = session_id
        self.nodes: dict[str, Any] = plan.graph.nodes
        self._set_values(values)
        self.prepared: dict[str, PreparedNode] = {}
        self.by_source: dict[str, list[PreparedNode]] = {}
        self.results: dict[str, Any] = {}
        self.errors: dict[str, str] = {}
        self.executed: list[str] = []
        self.history: list[str] = []
        self.shown: dict[str, dict[str, Any]] = {}
        """Prepared nodes as clients saw them, inputs filled in."""
        self._ready: deque[PreparedNode] = deque()
        self._takers: dict[str, list[PreparedNode]] = {}
        self._open_copies: dict[str, int] = {}
        self._wanted: set[str] = set(plan.eager)
        self._chosen: dict[str, set[bool]] = {}
        self._unprepared = [key for key in plan.order if key in self._wanted]
        self._prepare()

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to run."""
        return not self._unprepared and all(count == 0 for count in self._open_copies.values())

    def take_ready(self) -> list[PreparedNode]:
        """The nodes that may run now and were not taken before."""
        taken = list(self._ready)
        self._ready.clear()
        return taken

    def resolve(self, prepared: PreparedNode) -> Any:
        """A copy of the node with the values of its edges filled in.

        Raises:
            InvalidInput: a value does not fit its input.
        """
        node = prepared.node.model_copy()
        kind = self.plan.kinds[prepared.source_id]
        if kind == ITERATE:
            node.__dict__["collection"] = self._collection(prepared)
        elif kind == COLLECT:
            node.__dict__["collection"] = self._gathered(prepared)
        else:
            for wire in prepared.inputs:
                value = getattr(self.results[wire.giver], wire.field)
                if is_passed_on(kind, wire.into):
                    node.set_input("workflow_inputs", {**node.workflow_inputs, wire.into: to_jsonable_python(value)})
                else:
                    node.set_input(wire.into, value)
        self.shown[prepared.id] = _as_json(prepared.node if kind in (ITERATE, COLLECT) else node)
        return node

    def check(self, prepared: PreparedNode, node: Any) -> None:
        """Refuse to run a resolved node without a required input.

        Raises:
            InvalidInput: naming the input.
        """
        if self.plan.kinds[prepared.source_id] not in (ITERATE, COLLECT):
            node.check_inputs()

    def show(self, prepared: PreparedNode) -> None:
        """Show a node as it stands, when its inputs could not be filled in."""
        self.shown[prepared.id] = _as_json(prepared.node)

    def complete(self, prepared: PreparedNode, output: Any) -> None:
        """Take in a node's output; more nodes may become ready."""
        self.results[prepared.id] = output
        self.executed.append(prepared.id)
        for taker in self._takers.get(prepared.id, ()):
            taker.waits_for -= 1
            if taker.waits_for == 0:
                self._ready.append(taker)
        self._open_copies[prepared.source_id] -= 1
        if self._open_copies[prepared.source_id] == 0:
            self._finish_source(prepared.source_id)
            self._prepare()

    def fail(self, prepared: PreparedNode, message: str) -> None:
        """Note what went wrong in a node."""
        self.shown.setdefault(prepared.id, _as_json(prepared.node))
        self.errors[prepared.id] = message

    # Preparing

    def _set_values(self, values: Iterable[tuple[str, str, Any]]) -> None:
        changed: dict[str, Any] = {}
        for node_id, name, value in values:
            if node_id not in self.nodes:
                raise InvalidInput(f"Node {node_id} not found in graph")
            if node_id not in changed:
                changed[node_id] = self.nodes[node_id].model_copy()
            changed[node_id].set_input(name, value)
        if changed:
            self.nodes = {key: changed.get(key, node) for key, node in self.nodes.items()}

    def _prepare(self) -> None:
        """Make the copies of every wanted node whose number of copies is known by now."""
        before: list[str] | None = None
        while self._unprepared != before:
            before = self._unprepared
            for key in before:
                if self._is_known(key):
                    self._make_copies(key)
                    if not self.by_source[key]:
                        self._finish_source(key)
            self._unprepared = [key for key in self.plan.order if key in self._wanted and key not in self.by_source]

    def _is_known(self, key: str) -> bool:
        kind = self.plan.kinds[key]
        if kind == IF and key not in self._chosen and not self._choose_branches(key):
            return False
        for edge in self._edges(key):
            giver = edge.source.node_id
            if giver not in self.by_source or (kind == ITERATE and self._open_copies[giver]):
                return False
        return True

    def _edges(self, key: str) -> list[Any]:
        """The edges that count: without branches of an `if` node that nobody chose."""
        if self.plan.kinds[key] != IF:
            return self.plan.incoming[key]
        chosen = self._chosen.get(key, set())
        return [
            e for e in self.plan.incoming[key] if not self.plan.is_branch(e) or BRANCHES[e.destination.field] in chosen
        ]

    def _choose_branches(self, key: str) -> bool:
        """Whether the conditions of an `if` node are known; if so, want what its chosen branches need."""
        edge = next((e for e in self.plan.incoming[key] if e.destination.field == "condition"), None)
        if edge is None:
            chosen = {bool(getattr(self.nodes[key], "condition", False))}
        else:
            giver = edge.source.node_id
            if giver not in self.by_source or self._open_copies[giver]:
                return False
            copies = self.by_source[giver]
            chosen = {bool(getattr(self.results[copy.id], edge.source.field)) for copy in copies}
        self._chosen[key] = chosen
        self._wanted |= self.plan.needed_for(*(e.source.node_id for e in self._edges(key) if self.plan.is_branch(e)))
        return True

    def _make_copies(self, key: str) -> None:
        self.by_source[key] = []
        kind = self.plan.kinds[key]
        if kind == COLLECT:
            givers = [(e, copy) for e in self._edges(key) for copy in self.by_source[e.source.node_id]]
            wires = [Input(copy.id, e.source.field, e.destination.field) for e, copy in givers]
            self._add_copy(key, (), wires)
        else:
            for path, wires in self._combinations(key):
                for index in range(self._length(key, wires)) if kind == ITERATE else (None,):
                    self._add_copy(key, path if index is None else (*path, index), wires)
        self._open_copies[key] = len(self.by_source[key])

    def _combinations(self, key: str) -> list[tuple[tuple[int, ...], list[Input]]]:
        """Every matching of the givers' copies: those of the same iteration belong together."""
        found: list[tuple[dict[str, int], dict[str, str]]] = [({}, {})]
        bound: set[str] = set()
        for giver in dict.fromkeys(e.source.node_id for e in self._edges(key)):
            iterators = self.plan.open_iterators[giver]
            shared = [i for i, name in enumerate(iterators) if name in bound]
            index: dict[tuple[int, ...], list[PreparedNode]] = {}
            for copy in self.by_source[giver]:
                index.setdefault(tuple(copy.path[i] for i in shared), []).append(copy)
            found = [
                ({**place, **dict(zip(iterators, copy.path, strict=True))}, {**ids, giver: copy.id})
                for place, ids in found
                for copy in index.get(tuple(place[iterators[i]] for i in shared), ())
            ]
            bound.update(iterators)
            self._check_count(len(found))
        order = [name for name in self.plan.open_iterators[key] if name in bound]
        paths = [(tuple(place[name] for name in order), self._wires(key, ids)) for place, ids in found]
        return sorted(paths, key=lambda pair: pair[0])

    def _wires(self, key: str, ids: dict[str, str]) -> list[Input]:
        return [Input(ids[e.source.node_id], e.source.field, e.destination.field) for e in self._edges(key)]

    def _length(self, key: str, wires: Sequence[Input]) -> int:
        for wire in wires:
            if wire.into == "collection":
                return len(getattr(self.results[wire.giver], wire.field) or ())
        return len(self.nodes[key].collection or ())

    def _add_copy(self, key: str, path: tuple[int, ...], wires: list[Input]) -> None:
        self._check_count(1)
        prepared_id = str(uuid.uuid5(PREPARED_NAMESPACE, f"{self.session_id}:{key}:{','.join(map(str, path))}"))
        update: dict[str, Any] = {"id": prepared_id}
        if self.plan.kinds[key] == ITERATE:
            update["index"] = path[-1]
        givers = {wire.giver for wire in wires if wire.giver not in self.results}
        copy = PreparedNode(prepared_id, key, path, self.nodes[key].model_copy(update=update), wires, len(givers))
        for giver in givers:
            self._takers.setdefault(giver, []).append(copy)
        self.prepared[prepared_id] = copy
        self.by_source[key].append(copy)
        if not givers:
            self._ready.append(copy)

    def _check_count(self, more: int) -> None:
        if len(self.prepared) + more > MAX_PREPARED_NODES:
            raise InvalidInput(f"The iterations of this graph make more than {MAX_PREPARED_NODES:,} nodes.")

    def _finish_source(self, key: str) -> None:
        self.executed.append(key)
        self.history.append(key)

    # Values

    def _collection(self, prepared: PreparedNode) -> list[Any]:
        for wire in prepared.inputs:
            if wire.into == "collection":
                return list(getattr(self.results[wire.giver], wire.field) or ())
        return list(prepared.node.collection or ())

    def _gathered(self, prepared: PreparedNode) -> list[Any]:
        """What a collector gives: its own collection, then the items in the order of edges and iterations."""
        start = self._collection(prepared)
        return start + [getattr(self.results[w.giver], w.field) for w in prepared.inputs if w.into == "item"]


def _as_json(node: Any) -> dict[str, Any]:
    fields: dict[str, Any] = node.model_dump(mode="json", warnings=False)
    return fields
