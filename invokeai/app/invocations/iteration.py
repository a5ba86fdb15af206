"""The nodes that fan a graph out and in. Graph execution hands them what they need; see `graph_execution`.

An iterate node runs once for each item, with its `index`; a collect node runs once, with everything gathered.
"""

from typing import Any

from invokeai.app.invocations.baseinvocation import BaseInvocation, BaseInvocationOutput, invocation, invocation_output
from invokeai.app.invocations.fields import Input, InputField, OutputField, UIType
from invokeai.app.services.shared.invocation_context import InvocationContext


@invocation_output("iterate_output")
class IterateInvocationOutput(BaseInvocationOutput):
    """One item of a collection."""

    item: Any = OutputField(title="Collection Item", description="The item.", ui_type=UIType._CollectionItem)
    index: int = OutputField(title="Index", description="Its place in the collection, from 0.")
    total: int = OutputField(title="Total", description="How many items the collection has.")


@invocation("iterate", version="1.1.0", use_cache=False)
class IterateInvocation(BaseInvocation):
    """Runs what follows once for each item of a collection."""

    collection: list[Any] = InputField(default=[], description="The items.", ui_type=UIType._Collection)
    index: int = InputField(default=0, description="Place of the item that this copy gives.", ui_hidden=True)

    def invoke(self, context: InvocationContext) -> IterateInvocationOutput:
        """The item at `index`."""
        return IterateInvocationOutput(item=self.collection[self.index], index=self.index, total=len(self.collection))


@invocation_output("collect_output")
class CollectInvocationOutput(BaseInvocationOutput):
    """Everything that was gathered."""

    collection: list[Any] = OutputField(description="The items, in order.", ui_type=UIType._Collection)


@invocation("collect", version="1.1.0", use_cache=False)
class CollectInvocation(BaseInvocation):
    """Gathers the items of many nodes or iterations in one collection."""

    item: Any | None = InputField(
        default=None,
        title="Collection Item",
        description="An item; takes any number of connections.",
        input=Input.Connection,
        ui_type=UIType._CollectionItem,
    )
    collection: list[Any] = InputField(
        default=[], description="Items to begin with.", input=Input.Connection, ui_type=UIType._Collection
    )

    def invoke(self, context: InvocationContext) -> CollectInvocationOutput:
        """The collection as it was gathered."""
        return CollectInvocationOutput(collection=self.collection)
