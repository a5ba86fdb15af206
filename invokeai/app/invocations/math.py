"""Arithmetic on whole numbers and fractions. A result that is no number fails the node with a sentence."""

import math
import random
from collections.abc import Callable
from typing import Literal

from invokeai.invocation_api import (
    BaseInvocation,
    FloatOutput,
    InputField,
    IntegerOutput,
    InvalidInput,
    InvocationContext,
    invocation,
)

IntegerOperation = Literal["ADD", "SUB", "MUL", "DIV", "EXP", "MOD", "ABS", "MIN", "MAX"]
FloatOperation = Literal["ADD", "SUB", "MUL", "DIV", "EXP", "ABS", "SQRT", "MIN", "MAX"]
RoundingMethod = Literal["Nearest", "Floor", "Ceiling", "Truncate"]
_ROUNDING: dict[RoundingMethod, Callable[[float], int]] = {
    "Nearest": round,
    "Floor": math.floor,
    "Ceiling": math.ceil,
    "Truncate": math.trunc,
}
LARGEST_POWER_BITS = 4096
"""Powers whose result has more bits than this are refused before they eat the machine."""

INTEGER_LABELS = {
    "ADD": "Add A+B",
    "SUB": "Subtract A-B",
    "MUL": "Multiply A*B",
    "DIV": "Divide A/B",
    "EXP": "Exponentiate A^B",
    "MOD": "Modulus A%B",
    "ABS": "Absolute Value of A",
    "MIN": "Minimum(A,B)",
    "MAX": "Maximum(A,B)",
}
FLOAT_LABELS = {
    "ADD": "Add A+B",
    "SUB": "Subtract A-B",
    "MUL": "Multiply A*B",
    "DIV": "Divide A/B",
    "EXP": "Exponentiate A^B",
    "ABS": "Absolute Value of A",
    "SQRT": "Square Root of A",
    "MIN": "Minimum(A,B)",
    "MAX": "Maximum(A,B)",
}


def _divisor(value: float) -> float:
    if value == 0:
        raise InvalidInput("Division by zero.")
    return value


@invocation("add", "Add Integers", ["math", "add"], "math", "1.0.1")
class AddInvocation(BaseInvocation):
    """A + B."""

    a: int = InputField(default=0, description="First number.")
    b: int = InputField(default=0, description="Second number.")

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        """The sum."""
        return IntegerOutput(value=self.a + self.b)


@invocation("sub", "Subtract Integers", ["math", "subtract"], "math", "1.0.1")
class SubtractInvocation(BaseInvocation):
    """A - B."""

    a: int = InputField(default=0, description="First number.")
    b: int = InputField(default=0, description="Second number.")

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        """The difference."""
        return IntegerOutput(value=self.a - self.b)


@invocation("mul", "Multiply Integers", ["math", "multiply"], "math", "1.0.1")
class MultiplyInvocation(BaseInvocation):
    """A * B."""

    a: int = InputField(default=0, description="First number.")
    b: int = InputField(default=0, description="Second number.")

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        """The product."""
        return IntegerOutput(value=self.a * self.b)


@invocation("div", "Divide Integers", ["math", "divide"], "math", "1.0.1")
class DivideInvocation(BaseInvocation):
    """A / B, the fraction cut off."""

    a: int = InputField(default=0, description="Number to divide.")
    b: int = InputField(default=0, description="Number to divide by.")

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        """The quotient, cut towards zero. Raises InvalidInput for a zero divisor."""
        return IntegerOutput(value=_whole_quotient(self.a, self.b))


def _whole_quotient(a: int, b: int) -> int:
    """a / b cut towards zero, exact for numbers of any size."""
    _divisor(b)
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


@invocation("rand_int", "Random Integer", ["math", "random"], "math", "1.0.1", use_cache=False)
class RandomIntInvocation(BaseInvocation):
    """A random whole number. A session that runs again after a crash draws the same one."""

    low: int = InputField(default=0, description="Lowest number, inclusive.")
    high: int = InputField(default=2147483647, description="Highest number, exclusive.")

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        """A number. Raises InvalidInput for an empty range."""
        if self.high <= self.low:
            raise InvalidInput(f"No number lies between {self.low} and {self.high}.")
        return IntegerOutput(value=_dice(context).randrange(self.low, self.high))


@invocation("rand_float", "Random Float", ["math", "float", "random"], "math", "1.0.1", use_cache=False)
class RandomFloatInvocation(BaseInvocation):
    """A random number. A session that runs again after a crash draws the same one."""

    low: float = InputField(default=0.0, description="Lowest number, inclusive.")
    high: float = InputField(default=1.0, description="Highest number, exclusive.")
    decimals: int = InputField(default=2, description="Decimal places to keep.")

    def invoke(self, context: InvocationContext) -> FloatOutput:
        """A number."""
        return FloatOutput(value=round(_dice(context).uniform(self.low, self.high), self.decimals))


def _dice(context: InvocationContext) -> random.Random:
    """Random numbers that differ between sessions and nodes, and are the same at every run of one."""
    return random.Random(f"{context.session_id}:{context.node_id}")


@invocation("float_to_int", "Float To Integer", ["math", "round", "integer", "float", "convert"], "math", "1.0.1")
class FloatToIntegerInvocation(BaseInvocation):
    """The nearest whole number, or multiple of one."""

    value: float = InputField(default=0, description="Number to round.")
    multiple: int = InputField(default=1, ge=1, title="Multiple of", description="Round to multiples of this.")
    method: RoundingMethod = InputField(default="Nearest", description="Which way to round.")

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        """The rounded number."""
        steps = self.value / self.multiple
        whole = _ROUNDING[self.method](steps)
        return IntegerOutput(value=whole * self.multiple)


@invocation("round_float", "Round Float", ["math", "round"], "math", "1.0.1")
class RoundInvocation(BaseInvocation):
    """A number with fewer decimals."""

    value: float = InputField(default=0, description="Number to round.")
    decimals: int = InputField(default=0, description="Decimal places to keep.")

    def invoke(self, context: InvocationContext) -> FloatOutput:
        """The rounded number."""
        return FloatOutput(value=round(self.value, self.decimals))


@invocation(
    "integer_math",
    "Integer Math",
    ["math", "integer", "add", "subtract", "multiply", "divide", "modulus", "power", "absolute value", "min", "max"],
    "math",
    "1.0.1",
)
class IntegerMathInvocation(BaseInvocation):
    """One operation on whole numbers."""

    operation: IntegerOperation = InputField(
        default="ADD", description="What to do with A and B.", ui_choice_labels=INTEGER_LABELS
    )
    a: int = InputField(default=1, description="First number.")
    b: int = InputField(default=1, description="Second number.")

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        """The result, fractions cut off. Raises InvalidInput where there is none."""
        return IntegerOutput(value=_integer_result(self.operation, self.a, self.b))


def _integer_result(operation: IntegerOperation, a: int, b: int) -> int:
    match operation:
        case "ADD":
            return a + b
        case "SUB":
            return a - b
        case "MUL":
            return a * b
        case "DIV":
            return _whole_quotient(a, b)
        case "EXP":
            return _integer_power(a, b)
        case "MOD":
            return a % int(_divisor(b))
        case "ABS":
            return abs(a)
        case "MIN":
            return min(a, b)
        case "MAX":
            return max(a, b)


def _integer_power(a: int, b: int) -> int:
    if b < 0:
        _divisor(a)
        return a ** (-b % 2) if abs(a) == 1 else 0
    if abs(a) > 1 and a.bit_length() * b > LARGEST_POWER_BITS:
        raise InvalidInput(f"{a} to the power of {b} is too large.")
    return int(a**b)


@invocation(
    "float_math",
    "Float Math",
    ["math", "float", "add", "subtract", "multiply", "divide", "power", "root", "absolute value", "min", "max"],
    "math",
    "1.0.1",
)
class FloatMathInvocation(BaseInvocation):
    """One operation on numbers."""

    operation: FloatOperation = InputField(
        default="ADD", description="What to do with A and B.", ui_choice_labels=FLOAT_LABELS
    )
    a: float = InputField(default=1, description="First number.")
    b: float = InputField(default=1, description="Second number.")

    def invoke(self, context: InvocationContext) -> FloatOutput:
        """The result. Raises InvalidInput where there is no real number for it."""
        try:
            value = _float_result(self.operation, self.a, self.b)
        except (ArithmeticError, ValueError):
            raise InvalidInput(f"{FLOAT_LABELS[self.operation]} has no result for A={self.a}, B={self.b}.") from None
        return FloatOutput(value=value)


def _float_result(operation: FloatOperation, a: float, b: float) -> float:
    match operation:
        case "ADD":
            return a + b
        case "SUB":
            return a - b
        case "MUL":
            return a * b
        case "DIV":
            return a / b
        case "EXP":
            return math.pow(a, b)
        case "ABS":
            return abs(a)
        case "SQRT":
            return math.sqrt(a)
        case "MIN":
            return min(a, b)
        case "MAX":
            return max(a, b)
