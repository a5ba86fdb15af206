"""Every node and output type that is loaded, by its `type` string.

A type belongs to the pack that brought it first: no pack can replace another's node. `revision` changes with every
change of the registry, so that what was derived from it (the OpenAPI document) knows when it is old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from invokeai.app.invocations.baseinvocation import BaseInvocation, BaseInvocationOutput


class InvocationRegistry:
    """The registry; all methods are class methods, for there is one per process."""

    revision: ClassVar[int] = 0
    _invocations: ClassVar[dict[str, type[BaseInvocation]]] = {}
    _outputs: ClassVar[dict[str, type[BaseInvocationOutput]]] = {}

    @classmethod
    def register_invocation(cls, invocation: type[BaseInvocation]) -> None:
        """Add a node class.

        Raises:
            ValueError: its type is taken by a node of another pack.
        """
        node_type = invocation.get_type()
        known = cls._invocations.get(node_type)
        if known is not None and known.UIConfig.node_pack != invocation.UIConfig.node_pack:
            raise ValueError(f"The node type {node_type} already comes with {known.UIConfig.node_pack}.")
        cls._invocations[node_type] = invocation
        cls.revision += 1

    @classmethod
    def register_output(cls, output: type[BaseInvocationOutput]) -> None:
        """Add an output class.

        Raises:
            ValueError: its type is taken by an output of another package.
        """
        known = cls._outputs.get(output.get_type())
        if known is not None and known.__module__.split(".")[0] != output.__module__.split(".")[0]:
            raise ValueError(f"The output type {output.get_type()} already comes with {known.__module__}.")
        cls._outputs[output.get_type()] = output
        cls.revision += 1

    @classmethod
    def forget_pack(cls, node_pack: str) -> None:
        """Drop all that a pack brought, as if it had never been loaded."""
        cls._invocations = {t: c for t, c in cls._invocations.items() if c.UIConfig.node_pack != node_pack}
        cls._outputs = {t: c for t, c in cls._outputs.items() if c.__module__.split(".")[0] != node_pack}
        cls.revision += 1

    @classmethod
    def get_invocation(cls, node_type: str) -> type[BaseInvocation] | None:
        """The node class of a type, or None."""
        return cls._invocations.get(node_type)

    get_invocation_for_type = get_invocation

    @classmethod
    def get_output(cls, output_type: str) -> type[BaseInvocationOutput] | None:
        """The output class of a type, or None."""
        return cls._outputs.get(output_type)

    @classmethod
    def get_invocation_classes(cls) -> list[type[BaseInvocation]]:
        """All node classes, in order of loading."""
        return list(cls._invocations.values())

    @classmethod
    def get_output_classes(cls) -> list[type[BaseInvocationOutput]]:
        """All output classes, in order of loading."""
        return list(cls._outputs.values())

    @classmethod
    def invocation_types(cls) -> list[str]:
        """All node types, sorted."""
        return sorted(cls._invocations)

    get_invocation_types = invocation_types

    @classmethod
    def output_types(cls) -> list[str]:
        """All output types, sorted."""
        return sorted(cls._outputs)

    get_output_types = output_types
