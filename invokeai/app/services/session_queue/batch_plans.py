"""Graphs of recent batches, checked and planned, so that the items of a batch share one.

Plans are never changed; the oldest go when there are too many.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import orjson

from invokeai.app.services.shared.graph import Graph
from invokeai.app.services.shared.graph_plan import GraphPlan

MAX_PLANS = 64


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A batch's graph ready to run, and its workflow as JSON text."""

    plan: GraphPlan
    workflow: str | None


class BatchPlans:
    """The plans, by batch id."""

    def __init__(self) -> None:
        self._plans: OrderedDict[str, BatchPlan] = OrderedDict()

    def known(self) -> list[str]:
        """Ids of the batches whose plans are here."""
        return list(self._plans)

    def get(self, batch_id: str) -> BatchPlan | None:
        """The plan of a batch, or None."""
        found = self._plans.get(batch_id)
        if found is not None:
            self._plans.move_to_end(batch_id)
        return found

    def put(self, batch_id: str, graph: Graph, workflow: str | None) -> BatchPlan:
        """Plan a batch."""
        plan = self._plans[batch_id] = BatchPlan(GraphPlan(graph), workflow)
        while len(self._plans) > MAX_PLANS:
            self._plans.popitem(last=False)
        return plan

    def put_stored(self, batch_id: str, graph: str, workflow: Any) -> BatchPlan:
        """Plan a batch from its record.

        Raises:
            ValueError: the graph does not fit the nodes that are loaded now.
        """
        return self.put(batch_id, Graph.model_validate(orjson.loads(graph)), workflow)
