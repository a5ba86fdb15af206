"""Runs a node without a studio: what it asks of its context is given as keyword `context`."""

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

from invokeai.app.invocations import load_core_invocations
from invokeai.invocation_api import InvocationRegistry

load_core_invocations()


def context(session_id: str = "session", node_id: str = "n", **interfaces: Any) -> SimpleNamespace:
    """A context of one session and node with only the interfaces given."""
    return SimpleNamespace(session_id=session_id, node_id=node_id, **interfaces)


def run(node_type: str, given: Any = None, /, **inputs: Any) -> dict[str, Any]:
    """The output of a node as JSON, without its type; `inputs` come as a graph brings them."""
    cls = InvocationRegistry.get_invocation(node_type)
    assert cls is not None, node_type
    node = cls.model_validate({"id": "n", "type": node_type, **inputs})
    node.check_inputs()
    result = node.invoke(given or context())
    if inspect.isawaitable(result):
        result = asyncio.run(_wait(result))
    return result.model_dump(mode="json", exclude={"type", "output_meta"})  # type: ignore[union-attr]


async def _wait(result: Any) -> Any:
    return await result
