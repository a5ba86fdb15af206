"""Choosing between values. The runner evaluates only the branch that is taken."""

from typing import Any

from invokeai.invocation_api import (
    BaseInvocation,
    BaseInvocationOutput,
    InputField,
    InvocationContext,
    OutputField,
    UIType,
    invocation,
    invocation_output,
)


@invocation_output("if_output")
class IfInvocationOutput(BaseInvocationOutput):
    """The chosen value."""

    value: Any | None = OutputField(default=None, title="Output", description="The chosen value.", ui_type=UIType.Any)


@invocation("if", "If", ["logic", "conditional"], "math", "1.0.0")
class IfInvocation(BaseInvocation):
    """One of two values, by a condition."""

    condition: bool = InputField(default=False, description="Which value to take.")
    true_input: Any | None = InputField(default=None, ui_type=UIType.Any, description="Taken when the condition holds.")
    false_input: Any | None = InputField(default=None, ui_type=UIType.Any, description="Taken otherwise.")

    def invoke(self, context: InvocationContext) -> IfInvocationOutput:
        """The value of the branch that the condition names."""
        return IfInvocationOutput(value=self.true_input if self.condition else self.false_input)
