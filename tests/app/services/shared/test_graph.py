"""Graphs: what is refused, and in which order and with which values the rest runs."""

from typing import Any

import pytest
from pydantic import ValidationError

from invokeai.app.invocations import load_core_invocations
from invokeai.app.services.shared.errors import InvalidInput
from invokeai.app.services.shared.graph import Graph
from invokeai.app.services.shared.graph_execution import GraphRun
from invokeai.app.services.shared.graph_plan import GraphPlan
from invokeai.app.services.shared.graph_state import graph_as_json, progress_as_json
from tests.app.services.shared import graph_nodes as graph_nodes

load_core_invocations()


def edge(source: str, destination: str) -> dict[str, Any]:
    (a, b), (c, d) = source.split("."), destination.split(".")
    return {"source": {"node_id": a, "field": b}, "destination": {"node_id": c, "field": d}}


def graph(nodes: dict[str, dict[str, Any]], *edges: tuple[str, str]) -> Graph:
    return Graph.model_validate({"id": "g", "nodes": nodes, "edges": [edge(*e) for e in edges]})


def run_all(run: GraphRun) -> list[str]:
    """Run to the end, one node after the other; the source ids in order."""
    order = []
    queue = run.take_ready()
    while queue:
        prepared = queue.pop(0)
        order.append(prepared.source_id)
        run.complete(prepared, run.resolve(prepared).invoke(None))
        queue += run.take_ready()
    assert run.is_complete
    return order


def values_of(run: GraphRun, source: str) -> list[Any]:
    return [run.results[p.id].model_dump()["value"] for p in run.by_source[source]]


@pytest.mark.parametrize(
    ("nodes", "edges", "sentence"),
    [
        ({"n": {"type": "no_such"}}, [], "'no_such' .* expected tags: .*'test_add'"),
        ({"n": {"type": "test_add"}}, [("zz.value", "n.a")], "source node zz does not exist"),
        ({"n": {"type": "test_add"}}, [("n.value", "zz.a")], "destination node zz does not exist"),
        ({"n": {"type": "test_add"}, "m": {"type": "test_add"}}, [("n.nope", "m.a")], "field nope does not exist"),
        ({"n": {"type": "test_add"}, "m": {"type": "test_add"}}, [("n.value", "m.nope")], "field nope does not exist"),
        ({"s": {"type": "test_text"}, "n": {"type": "test_add"}}, [("s.value", "n.a")], r"\(s.value -> n.a\)"),
        (
            {"n": {"type": "test_add"}, "m": {"type": "test_add"}},
            [("n.value", "m.a"), ("m.value", "n.a")],
            "Graph contains cycles",
        ),
        ({"n": {"type": "test_add"}}, [("n.value", "n.a")], "Graph contains cycles"),
        (
            {"n": {"type": "test_add"}, "m": {"type": "test_add"}, "o": {"type": "test_add"}},
            [("n.value", "o.a"), ("m.value", "o.a")],
            "more than one connection",
        ),
        ({"n": {"type": "test_add"}, "i": {"type": "iterate"}}, [("n.value", "i.collection")], "do not match"),
        (
            {"n": {"type": "test_add"}, "s": {"type": "test_text"}, "c": {"type": "collect"}},
            [("n.value", "c.item"), ("s.value", "c.item")],
            "gathers values of different types",
        ),
        (
            {"s": {"type": "test_text"}, "c": {"type": "collect"}, "i": {"type": "iterate"}, "n": {"type": "test_add"}},
            [("s.value", "c.item"), ("c.collection", "i.collection"), ("i.item", "n.a")],
            r"\(i.item -> n.a\)",
        ),
        ({"n": {"type": "test_add", "a": "many"}}, [], "valid integer"),
        ({"n": {"type": "test_add", "id": "other"}}, [], "filed under"),
        ({"n": 7}, [], "A node must be an object"),
    ],
)
def test_refuses_what_can_never_run(nodes: dict[str, Any], edges: list[tuple[str, str]], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        graph(nodes, *edges)


def test_names_the_place_of_an_unknown_type() -> None:
    with pytest.raises(ValidationError) as caught:
        graph({"n": {"type": "no_such"}})
    (fault,) = caught.value.errors()
    assert fault["type"] == "union_tag_invalid"
    assert fault["loc"] == ("nodes", "n")


def test_required_input_may_be_missing_until_the_run() -> None:
    run = GraphRun(GraphPlan(graph({"n": {"type": "test_required"}})), "s")
    (prepared,) = run.take_ready()
    with pytest.raises(InvalidInput, match="number"):
        run.check(prepared, run.resolve(prepared))


def test_values_travel_along_edges() -> None:
    run = GraphRun(
        GraphPlan(
            graph({"a": {"type": "test_add", "a": 1, "b": 2}, "b": {"type": "test_add", "b": 10}}, ("a.value", "b.a"))
        ),
        "s",
    )
    assert run_all(run) == ["a", "b"]
    assert values_of(run, "b") == [13]


def test_batch_values_replace_and_are_checked() -> None:
    plan = GraphPlan(graph({"n": {"type": "test_add", "a": 1, "b": 1}}))
    run = GraphRun(plan, "s", [("n", "a", 40)])
    run_all(run)
    assert values_of(run, "n") == [41]
    assert graph_as_json(run)["nodes"]["n"]["a"] == 40
    assert plan.graph.nodes["n"].a == 1
    with pytest.raises(InvalidInput, match="zz"):
        GraphRun(plan, "s", [("zz", "a", 1)])
    with pytest.raises(InvalidInput, match="`a`"):
        GraphRun(plan, "s", [("n", "a", "x")])


ITERATION = {
    "r": {"type": "test_range", "size": 3},
    "i": {"type": "iterate"},
    "n": {"type": "test_add", "b": 5},
    "c": {"type": "collect"},
}
ITERATION_EDGES = [("r.collection", "i.collection"), ("i.item", "n.a"), ("n.value", "c.item")]


def test_iterate_and_collect_in_the_recorded_order() -> None:
    run = GraphRun(GraphPlan(graph(ITERATION, *ITERATION_EDGES)), "s")
    assert run_all(run) == ["r", "i", "i", "i", "n", "n", "n", "c"]
    assert values_of(run, "n") == [5, 6, 7]
    (collector,) = run.by_source["c"]
    assert run.results[collector.id].collection == [5, 6, 7]
    state = progress_as_json(run)
    assert [state["results"][p.id]["index"] for p in run.by_source["i"]] == [0, 1, 2]
    assert state["prepared_iteration_paths"][run.by_source["n"][2].id] == [2]
    assert state["source_prepared_mapping"]["n"] == [p.id for p in run.by_source["n"]]
    assert state["executed_history"] == ["r", "i", "n", "c"]


def test_items_are_collected_in_order_though_they_end_out_of_order() -> None:
    run = GraphRun(GraphPlan(graph(ITERATION, *ITERATION_EDGES)), "s")
    waiting = run.take_ready()
    while waiting:
        prepared = waiting.pop()
        run.complete(prepared, run.resolve(prepared).invoke(None))
        waiting += run.take_ready()
    (collector,) = run.by_source["c"]
    assert run.results[collector.id].collection == [5, 6, 7]


def test_prepared_ids_repeat_themselves() -> None:
    plan = GraphPlan(graph(ITERATION, *ITERATION_EDGES))
    runs = [GraphRun(plan, session) for session in ("s", "s", "t")]
    for run in runs:
        run_all(run)
    assert list(runs[0].prepared) == list(runs[1].prepared)
    assert not set(runs[0].prepared) & set(runs[2].prepared)


def test_nothing_to_iterate_gives_an_empty_collection() -> None:
    run = GraphRun(GraphPlan(graph({**ITERATION, "r": {"type": "test_range", "size": 0}}, *ITERATION_EDGES)), "s")
    assert run_all(run) == ["r", "c"]
    assert run.results[run.by_source["c"][0].id].collection == []
    assert set(run.executed) >= {"r", "i", "n", "c"}


def test_nested_iterations() -> None:
    nodes = {
        "r": {"type": "test_range", "size": 3},
        "i": {"type": "iterate"},
        "r2": {"type": "test_range"},
        "i2": {"type": "iterate"},
        "n": {"type": "test_add"},
        "c": {"type": "collect"},
    }
    edges = [
        ("r.collection", "i.collection"),
        ("i.item", "r2.size"),
        ("r2.collection", "i2.collection"),
        ("i.item", "n.a"),
        ("i2.item", "n.b"),
        ("n.value", "c.item"),
    ]
    run = GraphRun(GraphPlan(graph(nodes, *edges)), "s")
    run_all(run)
    assert [p.path for p in run.by_source["n"]] == [(1, 0), (2, 0), (2, 1)]
    assert run.results[run.by_source["c"][0].id].collection == [1, 2, 3]


def test_independent_iterators_multiply() -> None:
    nodes = {
        "r": {"type": "test_range", "size": 2},
        "i": {"type": "iterate"},
        "j": {"type": "iterate"},
        "n": {"type": "test_add"},
    }
    edges = [
        ("r.collection", "i.collection"),
        ("r.collection", "j.collection"),
        ("i.item", "n.a"),
        ("j.item", "n.b"),
    ]
    run = GraphRun(GraphPlan(graph(nodes, *edges)), "s")
    run_all(run)
    assert values_of(run, "n") == [0, 1, 1, 2]


def test_endless_iterations_are_refused() -> None:
    nodes = {"r": {"type": "test_range", "size": 1000}, "n": {"type": "test_add"}}
    edges = []
    for name in ("i", "j"):
        nodes[name] = {"type": "iterate"}
        edges += [("r.collection", f"{name}.collection"), (f"{name}.item", f"n.{'a' if name == 'i' else 'b'}")]
    run = GraphRun(GraphPlan(graph(nodes, *edges)), "s")
    with pytest.raises(InvalidInput, match="more than"):
        run_all(run)


def test_only_the_chosen_branch_runs() -> None:
    nodes = {
        "less": {"type": "test_less", "a": 1, "b": 2},
        "yes": {"type": "test_add", "a": 1},
        "no": {"type": "test_fail"},
        "before_no": {"type": "test_text"},
        "if": {"type": "if"},
    }
    edges = [
        ("less.value", "if.condition"),
        ("yes.value", "if.true_input"),
        ("before_no.value", "no.text"),
        ("no.value", "if.false_input"),
    ]
    run = GraphRun(GraphPlan(graph(nodes, *edges)), "s")
    assert run_all(run) == ["less", "yes", "if"]
    assert values_of(run, "if") == [1]


def test_a_branch_that_something_else_needs_runs_too() -> None:
    nodes = {
        "less": {"type": "test_less", "a": 1, "b": 2},
        "other": {"type": "test_add"},
        "if": {"type": "if"},
        "after": {"type": "test_add"},
    }
    edges = [("less.value", "if.condition"), ("other.value", "if.false_input"), ("other.value", "after.a")]
    run = GraphRun(GraphPlan(graph(nodes, *edges)), "s")
    assert sorted(run_all(run)) == ["after", "if", "less", "other"]
