"""Choosing, workflow results, and the nodes that refuse to run."""

from typing import Any

import pytest

from invokeai.invocation_api import InvalidInput, NotAvailableHere
from tests.app.invocations.run_node import context, run


def test_if_takes_the_branch_of_its_condition() -> None:
    assert run("if", condition=True, true_input=[1], false_input="b")["value"] == [1]
    assert run("if", condition=False, true_input=[1], false_input="b")["value"] == "b"
    assert run("if", condition=False)["value"] is None


def test_results_of_a_workflow_go_by_name() -> None:
    one = run("workflow_return_value", key=" total ", value={"a": 1})["value"]
    assert one == {"key": "total", "value": {"a": 1}}
    other = run("workflow_return_value", key="other", value=2)["value"]
    assert run("workflow_return", values=one)["values"] == {"total": {"a": 1}}
    values = run("workflow_return", values=[one, other])["values"]
    assert run("workflow_return_get", values=values, key="other")["value"] == 2
    with pytest.raises(InvalidInput, match="total"):
        run("workflow_return_get", values=values, key="nothing")
    with pytest.raises(InvalidInput, match="Two results"):
        run("workflow_return", values=[one, one])
    with pytest.raises(InvalidInput, match="name"):
        run("workflow_return_value", key=" ", value=1)


def test_calling_a_saved_workflow() -> None:
    called: list[Any] = []

    async def call(workflow_id: str, inputs: dict[str, Any]) -> dict[str, Any]:
        called.append((workflow_id, inputs))
        return {"total": 3}

    given = context(call_saved_workflow=call)
    assert run("call_saved_workflow", given, workflow_id="w", workflow_inputs={"a": 1})["values"] == {"total": 3}
    assert called == [("w", {"a": 1})]
    with pytest.raises(InvalidInput, match="Choose"):
        run("call_saved_workflow", given)
    with pytest.raises(NotAvailableHere):
        run("call_saved_workflow", workflow_id="w")


@pytest.mark.parametrize(
    "node_type, inputs",
    [
        ("video", {"video": {"video_name": "v"}}),
        ("video_frame_extract", {"video": {"video_name": "v"}}),
        ("extract_video_range", {"video": {"video_name": "v"}}),
        ("video_concat", {"videos": [{"video_name": "v"}] * 2}),
    ],
)
def test_video_nodes_say_that_there_is_no_video(node_type: str, inputs: dict[str, Any]) -> None:
    with pytest.raises(NotAvailableHere, match="Video is not available"):
        run(node_type, **inputs)


@pytest.mark.parametrize(
    "kind, values", [("image", [{"image_name": "a"}]), ("string", ["a"]), ("integer", [1]), ("float", [1])]
)
def test_batch_nodes_never_run(kind: str, values: list[Any]) -> None:
    with pytest.raises(InvalidInput, match="expanded into a batch"):
        run(f"{kind}_batch", **{f"{kind}s": values})
    with pytest.raises(InvalidInput, match="expanded into a batch"):
        run(f"{kind}_generator", generator={})


@pytest.mark.parametrize(
    "node_type, value",
    [("boolean", True), ("integer", 5), ("float", 1.5), ("string", "a"), ("integer_collection", [1, 2])],
)
def test_primitives_give_what_they_hold(node_type: str, value: Any) -> None:
    name = "collection" if isinstance(value, list) else "value"
    assert run(node_type, **{name: value})[name] == value


def test_colours_and_boxes() -> None:
    assert run("color")["color"] == {"r": 0, "g": 0, "b": 0, "a": 255}
    box = run("bounding_box", x_min=1, y_min=2, x_max=3, y_max=4)["bounding_box"]
    assert box == {"x_min": 1, "y_min": 2, "x_max": 3, "y_max": 4, "score": None}
    with pytest.raises(ValueError, match="x_min"):
        run("bounding_box", x_min=3, x_max=1)
