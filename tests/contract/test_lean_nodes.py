"""Every node that needs no model weights is there, with the fields, defaults and versions of InvokeAI 6.14.2."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.invocations import load_core_invocations
from invokeai.app.invocations.node_schemas import NodeSchemas
from tests.contract.reduction import reduce_nodes

CONTRACT: dict[str, Any] = json.loads((Path(__file__).parent / "lean_nodes.json").read_text())


@cache
def ours() -> dict[str, Any]:
    load_core_invocations()
    return reduce_nodes({"components": {"schemas": NodeSchemas().schemas}})


@pytest.mark.parametrize("node_type", sorted(CONTRACT))
def test_a_node_is_as_saved_workflows_know_it(node_type: str) -> None:
    wanted, found = CONTRACT[node_type], ours().get(node_type)
    assert found is not None, "the node is missing"
    for name, facts in wanted["inputs"].items():
        assert found["inputs"].get(name) == facts, f"input {name}"
    extra = set(found["inputs"]) - set(wanted["inputs"])
    assert not any(found["inputs"][name].get("orig_required") for name in extra), "a required input of our own"
    for key in set(wanted) - {"inputs"}:
        assert found[key] == wanted[key], key
