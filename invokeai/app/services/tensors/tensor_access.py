"""`context.tensors`: what one running node may do with tensors.

A name is made from session, node and a running index, so it is the same at every run of the node.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

from invokeai.app.services.images.generated_names import IMAGE_NAMESPACE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from invokeai.app.services.shared.invocation_scope import InvocationScope


class Tensors:
    """Arrays that travel between nodes by name, for nodes in worker threads."""

    def __init__(self, scope: InvocationScope) -> None:
        self._scope = scope
        self._named = 0

    def save(self, tensor: NDArray[Any]) -> str:
        """Keep a numpy array (masks: bool, shape (1, H, W)); the name to load it by."""
        key = f"{self._scope.item.session_id}:{self._scope.node_id}:tensor:{self._named}"
        self._named += 1
        name = str(uuid.uuid5(IMAGE_NAMESPACE, key))
        self._scope.services.tensors.save(name, tensor)
        return name

    def load(self, name: str) -> NDArray[Any]:
        """The array of that name. Raises NotFound."""
        return self._scope.services.tensors.load(name)


class AsyncTensors:
    """`Tensors` for nodes that are coroutines."""

    def __init__(self, scope: InvocationScope) -> None:
        self._tensors = Tensors(scope)

    async def save(self, tensor: NDArray[Any]) -> str:
        """Keep a numpy array; the name to load it by."""
        return await asyncio.to_thread(self._tensors.save, tensor)

    async def load(self, name: str) -> NDArray[Any]:
        """The array of that name. Raises NotFound."""
        return await asyncio.to_thread(self._tensors.load, name)
