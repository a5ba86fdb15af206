"""What the queue and the graph runner cost when the nodes themselves cost nothing."""

from collections.abc import Mapping
from typing import Any

from benchmarks.api import run_batch
from benchmarks.bench import Bench
from benchmarks.report import Figure
from benchmarks.servers import Running

OUR_ITEMS = 1000
# The peer does a few items a second: a thousand would take minutes and say the same.
PEER_ITEMS = 50
NOTES = (
    f"queue: one batch whose items are a graph of one `add` node, every item with a value of its own and without the "
    f"node cache; {OUR_ITEMS} items for ours, {PEER_ITEMS} for the peer; from the request to the last item's end.",
)


def addition_batch(items: int) -> dict[str, Any]:
    """A batch of `items` graphs of one `add` node, no two alike."""
    node = {"id": "sum", "type": "add", "a": 0, "b": 1, "use_cache": False, "is_intermediate": True}
    values = {"node_path": "sum", "field_name": "a", "items": list(range(items))}
    return {"graph": {"id": "addition", "nodes": {"sum": node}, "edges": []}, "data": [[values]], "runs": 1}


def measure(bench: Bench) -> list[Figure]:
    """Items a second."""
    rate = Figure("queue, trivial items", "items/s", more_is_better=True, budget=250)

    def once(server: Running) -> Mapping[Figure, float]:
        items = bench.count(OUR_ITEMS if server.contestant.is_ours else PEER_ITEMS)
        return {rate: items / run_batch(server, addition_batch(items), limit_s=300, poll_s=0.05)}

    with bench.all_started("queue") as servers:
        for server in servers:
            run_batch(server, addition_batch(2), limit_s=60, poll_s=0.05)
        bench.take_turns(servers, once)
    return [rate]
