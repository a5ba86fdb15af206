"""Arithmetic nodes, ranges and random numbers."""

import itertools
from typing import Any

import pytest

from invokeai.invocation_api import InvalidInput
from tests.app.invocations.run_node import context, run


@pytest.mark.parametrize(
    "node_type, inputs, value",
    [
        ("add", {"a": 2, "b": 3}, 5),
        ("sub", {"a": 2, "b": 3}, -1),
        ("mul", {"a": 4, "b": -3}, -12),
        ("div", {"a": 7, "b": 2}, 3),
        ("div", {"a": -7, "b": 2}, -3),
        ("div", {"a": 10**30, "b": 3}, 10**30 // 3),
        ("round_float", {"value": 2.345, "decimals": 1}, 2.3),
        ("float_to_int", {"value": 13, "multiple": 8}, 16),
        ("float_to_int", {"value": 13, "multiple": 8, "method": "Floor"}, 8),
        ("float_to_int", {"value": 9, "multiple": 8, "method": "Ceiling"}, 16),
        ("float_to_int", {"value": -1.5, "method": "Truncate"}, -1),
    ],
)
def test_simple_arithmetic(node_type: str, inputs: dict[str, Any], value: float) -> None:
    assert run(node_type, **inputs)["value"] == value


@pytest.mark.parametrize(
    "operation, a, b, value",
    [
        ("ADD", 7, 2, 9),
        ("SUB", 7, 2, 5),
        ("MUL", 7, 2, 14),
        ("DIV", 7, 2, 3),
        ("EXP", 7, 2, 49),
        ("EXP", 2, -2, 0),
        ("EXP", -1, -3, -1),
        ("EXP", 1, 10**9, 1),
        ("MOD", 7, 2, 1),
        ("ABS", -7, 2, 7),
        ("MIN", 7, 2, 2),
        ("MAX", 7, 2, 7),
    ],
)
def test_integer_math(operation: str, a: int, b: int, value: int) -> None:
    assert run("integer_math", operation=operation, a=a, b=b)["value"] == value


@pytest.mark.parametrize(
    "operation, a, b, value",
    [
        ("ADD", 1.5, 2, 3.5),
        ("SUB", 1.5, 2, -0.5),
        ("MUL", 1.5, 2, 3),
        ("DIV", 1.5, 2, 0.75),
        ("EXP", 4, 0.5, 2),
        ("ABS", -4, 0, 4),
        ("SQRT", 9, 0, 3),
        ("MIN", 1.5, 2, 1.5),
        ("MAX", 1.5, 2, 2),
    ],
)
def test_float_math(operation: str, a: float, b: float, value: float) -> None:
    assert run("float_math", operation=operation, a=a, b=b)["value"] == pytest.approx(value)


@pytest.mark.parametrize(
    "node_type, inputs",
    [
        ("div", {"a": 1, "b": 0}),
        ("integer_math", {"operation": "MOD", "a": 1, "b": 0}),
        ("integer_math", {"operation": "EXP", "a": 0, "b": -1}),
        ("integer_math", {"operation": "EXP", "a": 10, "b": 10**9}),
        ("float_math", {"operation": "DIV", "a": 1, "b": 0}),
        ("float_math", {"operation": "SQRT", "a": -1}),
        ("float_math", {"operation": "EXP", "a": 1e300, "b": 9}),
        ("rand_int", {"low": 5, "high": 5}),
        ("random_range", {"low": 5, "high": 4}),
        ("random_range", {"size": 10**9}),
        ("range", {"step": 0}),
        ("range", {"stop": 10**12}),
    ],
)
def test_what_has_no_result_is_refused_with_a_sentence(node_type: str, inputs: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"\.$"):
        run(node_type, **inputs)


def test_random_numbers_differ_between_sessions_and_nodes_and_repeat_within_one() -> None:
    places = list(itertools.product(("s1", "s2"), ("n1", "n2")))
    first = [run("rand_int", context(*place))["value"] for place in places]
    assert len(set(first)) == len(places)
    assert [run("rand_int", context(*place))["value"] for place in places] == first
    value = run("rand_float", low=2, high=3, decimals=4)["value"]
    assert 2 <= value <= 3 and round(value, 4) == value


def test_ranges() -> None:
    assert run("range", start=1, stop=8, step=3)["collection"] == [1, 4, 7]
    assert run("range", start=3, stop=0, step=-1)["collection"] == [3, 2, 1]
    assert run("range", start=3, stop=0)["collection"] == []
    assert run("range_of_size", start=5, size=3, step=-2)["collection"] == [5, 3, 1]
    assert run("float_range", start=0, stop=1, steps=5)["collection"] == [0, 0.25, 0.5, 0.75, 1]
    assert run("float_range", start=2, stop=1, steps=1)["collection"] == [2]
    assert run("float_range", steps=0)["collection"] == []


def test_a_random_range_repeats_with_its_seed() -> None:
    first = run("random_range", low=10, high=20, size=50, seed=7)["collection"]
    assert run("random_range", low=10, high=20, size=50, seed=7)["collection"] == first
    assert run("random_range", low=10, high=20, size=50, seed=8)["collection"] != first
    assert len(first) == 50 and set(first) <= set(range(10, 20))
