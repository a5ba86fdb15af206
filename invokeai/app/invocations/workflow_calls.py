"""Workflows that call workflows: the call, what a called workflow gives back, and reading that."""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import Field
from pydantic_core import to_jsonable_python

from invokeai.app.invocations.baseinvocation import Classification
from invokeai.invocation_api import (
    AsyncInvocationContext,
    BaseInvocation,
    BaseInvocationOutput,
    FieldValue,
    Input,
    InputField,
    InvalidInput,
    InvocationContext,
    NotAvailableHere,
    OutputField,
    UIType,
    invocation,
    invocation_output,
)


class WorkflowReturnValueField(FieldValue):
    """One named result of a workflow."""

    key: str = Field(description="Its name.")
    value: Any = Field(default=None, description="The result.")


@invocation_output("workflow_return_value_output")
class WorkflowReturnValueOutput(BaseInvocationOutput):
    """One named result."""

    value: WorkflowReturnValueField = OutputField(
        title="Return Value", description="The result.", ui_type=UIType._CollectionItem
    )


@invocation_output("workflow_return_output")
class WorkflowReturnOutput(BaseInvocationOutput):
    """All results of a workflow, by name."""

    values: dict[str, Any] = OutputField(default={}, description="The results.", ui_type=UIType.Any)


@invocation_output("workflow_return_get_output")
class WorkflowReturnGetOutput(BaseInvocationOutput):
    """One result."""

    value: Any = OutputField(description="The result.", ui_type=UIType.Any)


@invocation(
    "workflow_return_value",
    "Workflow Return Value",
    ["workflow", "return", "output"],
    "workflow",
    "1.0.0",
    use_cache=False,
    classification=Classification.Beta,
)
class WorkflowReturnValueInvocation(BaseInvocation):
    """Names a result of this workflow."""

    key: str = InputField(default="", description="Name of the result.")
    value: Any | None = InputField(default=None, description="The result.", ui_type=UIType.Any)

    def invoke(self, context: InvocationContext) -> WorkflowReturnValueOutput:
        """The named result. Raises InvalidInput without a name."""
        if not self.key.strip():
            raise InvalidInput("A result of a workflow needs a name.")
        value = WorkflowReturnValueField(key=self.key.strip(), value=to_jsonable_python(self.value))
        return WorkflowReturnValueOutput(value=value)


@invocation(
    "workflow_return",
    "Workflow Return",
    ["workflow", "return", "output"],
    "workflow",
    "1.0.0",
    use_cache=False,
    classification=Classification.Beta,
)
class WorkflowReturnInvocation(BaseInvocation):
    """What this workflow gives to a workflow that calls it."""

    values: WorkflowReturnValueField | list[WorkflowReturnValueField] = InputField(
        default=[], description="The named results.", input=Input.Connection
    )

    def invoke(self, context: InvocationContext) -> WorkflowReturnOutput:
        """The results by name. Raises InvalidInput for a name that is used twice."""
        values = self.values if isinstance(self.values, list) else [self.values]
        named: dict[str, Any] = {}
        for item in values:
            if item.key in named:
                raise InvalidInput(f"Two results of the workflow are named {item.key!r}.")
            named[item.key] = item.value
        return WorkflowReturnOutput(values=named)


@invocation(
    "workflow_return_get",
    "Get Workflow Return Value",
    ["workflow", "return", "input"],
    "workflow",
    "1.0.0",
    use_cache=False,
    classification=Classification.Beta,
)
class WorkflowReturnGetInvocation(BaseInvocation):
    """One result of a called workflow."""

    values: dict[str, Any] = InputField(
        default={}, description="The results of the call.", input=Input.Connection, ui_type=UIType.Any
    )
    key: str = InputField(default="", description="Name of the result.")

    def invoke(self, context: InvocationContext) -> WorkflowReturnGetOutput:
        """The result. Raises InvalidInput for a name that the workflow does not give."""
        if self.key not in self.values:
            known = ", ".join(sorted(self.values)) or "none"
            raise InvalidInput(f"The called workflow gives no {self.key!r}; its results: {known}.")
        return WorkflowReturnGetOutput(value=self.values[self.key])


WorkflowCaller = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Runs a saved workflow by id, with values for its exposed inputs; gives its results by name."""


@invocation(
    "call_saved_workflow",
    "Call Saved Workflow",
    ["workflow", "saved", "library"],
    "workflow",
    "1.0.0",
    use_cache=False,
    classification=Classification.Beta,
)
class CallSavedWorkflowInvocation(BaseInvocation):
    """Runs a saved workflow and gives its results."""

    workflow_id: str = InputField(default="", description="The workflow.", ui_type=UIType.SavedWorkflow)
    workflow_inputs: dict[str, Any] = InputField(
        default={}, description="Values for the inputs that it exposes.", ui_hidden=True
    )

    async def invoke(self, context: AsyncInvocationContext) -> WorkflowReturnOutput:
        """The results. Raises InvalidInput without a workflow, NotFound for one that is gone."""
        if not self.workflow_id:
            raise InvalidInput("Choose the workflow to call.")
        call: WorkflowCaller | None = getattr(context, "call_saved_workflow", None)
        if call is None:
            raise NotAvailableHere("This server cannot run a workflow from within another one.")
        return WorkflowReturnOutput(values=await call(self.workflow_id, self.workflow_inputs))
