"""Nodes that make lists of numbers. Lists beyond a million entries are refused."""

import random

from invokeai.invocation_api import (
    BaseInvocation,
    FloatCollectionOutput,
    InputField,
    IntegerCollectionOutput,
    InvalidInput,
    InvocationContext,
    invocation,
)

LARGEST_SEED = 2**32 - 1
MOST_ENTRIES = 1_000_000


def _within_reason(count: int) -> int:
    if count > MOST_ENTRIES:
        raise InvalidInput(f"A list of {count} numbers is too long; {MOST_ENTRIES} is the most.")
    return count


def _integers(start: int, stop: int, step: int) -> IntegerCollectionOutput:
    if step == 0:
        raise InvalidInput("The step of a range must not be 0.")
    numbers = range(start, stop, step)
    _within_reason(max(0, (stop - start) // step))
    return IntegerCollectionOutput(collection=list(numbers))


@invocation("range", "Integer Range", ["collection", "integer", "range"], "batch", "1.0.0")
class RangeInvocation(BaseInvocation):
    """Whole numbers from a start up to, not including, a stop."""

    start: int = InputField(default=0, description="First number.")
    stop: int = InputField(default=10, description="Where to stop, exclusive.")
    step: int = InputField(default=1, description="Distance between numbers; may be negative.")

    def invoke(self, context: InvocationContext) -> IntegerCollectionOutput:
        """The numbers; none where the stop lies the other way. Raises InvalidInput for a step of 0."""
        return _integers(self.start, self.stop, self.step)


@invocation("range_of_size", "Integer Range of Size", ["collection", "integer", "size", "range"], "batch", "1.0.0")
class RangeOfSizeInvocation(BaseInvocation):
    """A given number of whole numbers from a start."""

    start: int = InputField(default=0, description="First number.")
    size: int = InputField(default=1, gt=0, description="How many numbers.")
    step: int = InputField(default=1, description="Distance between numbers; may be negative.")

    def invoke(self, context: InvocationContext) -> IntegerCollectionOutput:
        """The numbers. Raises InvalidInput for a step of 0."""
        return _integers(self.start, self.start + self.size * self.step, self.step)


@invocation(
    "random_range", "Random Range", ["range", "integer", "random", "collection"], "batch", "1.0.1", use_cache=False
)
class RandomRangeInvocation(BaseInvocation):
    """Random whole numbers; the same for the same seed."""

    low: int = InputField(default=0, description="Lowest number, inclusive.")
    high: int = InputField(default=2147483647, description="Highest number, exclusive.")
    size: int = InputField(default=1, description="How many numbers.")
    seed: int = InputField(default=0, ge=0, le=LARGEST_SEED, description="Seed of the random numbers.")

    def invoke(self, context: InvocationContext) -> IntegerCollectionOutput:
        """The numbers. Raises InvalidInput for an empty range."""
        if self.high <= self.low:
            raise InvalidInput(f"No number lies between {self.low} and {self.high}.")
        dice = random.Random(self.seed)
        numbers = [dice.randrange(self.low, self.high) for _ in range(_within_reason(self.size))]
        return IntegerCollectionOutput(collection=numbers)


@invocation("float_range", "Float Range", ["math", "range"], "math", "1.0.1")
class FloatLinearRangeInvocation(BaseInvocation):
    """Evenly spaced numbers, both ends included."""

    start: float = InputField(default=5, description="First number.")
    stop: float = InputField(default=10, description="Last number.")
    steps: int = InputField(default=30, description="How many numbers.")

    def invoke(self, context: InvocationContext) -> FloatCollectionOutput:
        """The numbers; of one, the first."""
        last = _within_reason(self.steps) - 1
        distance = self.stop - self.start
        numbers = [self.start + distance * index / last for index in range(last)] + [self.stop] if last > 0 else []
        return FloatCollectionOutput(collection=numbers if last != 0 else [self.start])
