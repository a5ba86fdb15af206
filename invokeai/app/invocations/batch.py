"""Batch nodes and generators. The web UI expands them before it submits a graph: they never run themselves."""

from typing import Literal

from invokeai.app.invocations.baseinvocation import Classification
from invokeai.invocation_api import (
    BaseInvocation,
    BaseInvocationOutput,
    FieldValue,
    FloatOutput,
    ImageField,
    ImageOutput,
    Input,
    InputField,
    IntegerOutput,
    InvalidInput,
    InvocationContext,
    OutputField,
    StringOutput,
    invocation,
    invocation_output,
)

BatchGroup = Literal["None", "Group 1", "Group 2", "Group 3", "Group 4", "Group 5"]


def _group() -> BatchGroup:
    field: BatchGroup = InputField(
        default="None",
        title="Batch Group",
        input=Input.Direct,
        description="Batches of one group advance together; batches of none combine with all.",
    )
    return field


def _never(node: BaseInvocation) -> InvalidInput:
    return InvalidInput(f"{node.get_title()} is expanded into a batch when a workflow is queued; it cannot run.")


@invocation(
    "image_batch",
    "Image Batch",
    ["primitives", "image", "batch", "special"],
    "batch",
    "1.0.0",
    classification=Classification.Special,
)
class ImageBatchInvocation(BaseInvocation):
    """Runs the workflow once for each picture."""

    batch_group_id: BatchGroup = _group()
    images: list[ImageField] = InputField(min_length=1, description="The pictures.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        """Always refuses."""
        raise _never(self)


@invocation(
    "string_batch",
    "String Batch",
    ["primitives", "string", "batch", "special"],
    "batch",
    "1.0.0",
    classification=Classification.Special,
)
class StringBatchInvocation(BaseInvocation):
    """Runs the workflow once for each text."""

    batch_group_id: BatchGroup = _group()
    strings: list[str] = InputField(min_length=1, description="The texts.")

    def invoke(self, context: InvocationContext) -> StringOutput:
        """Always refuses."""
        raise _never(self)


@invocation(
    "integer_batch",
    "Integer Batch",
    ["primitives", "integer", "number", "batch", "special"],
    "batch",
    "1.0.0",
    classification=Classification.Special,
)
class IntegerBatchInvocation(BaseInvocation):
    """Runs the workflow once for each whole number."""

    batch_group_id: BatchGroup = _group()
    integers: list[int] = InputField(min_length=1, description="The numbers.")

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        """Always refuses."""
        raise _never(self)


@invocation(
    "float_batch",
    "Float Batch",
    ["primitives", "float", "number", "batch", "special"],
    "batch",
    "1.0.0",
    classification=Classification.Special,
)
class FloatBatchInvocation(BaseInvocation):
    """Runs the workflow once for each number."""

    batch_group_id: BatchGroup = _group()
    floats: list[float] = InputField(min_length=1, description="The numbers.")

    def invoke(self, context: InvocationContext) -> FloatOutput:
        """Always refuses."""
        raise _never(self)


class FloatGeneratorField(FieldValue):
    """What the editor's number generator holds."""


class IntegerGeneratorField(FieldValue):
    """What the editor's whole number generator holds."""


class StringGeneratorField(FieldValue):
    """What the editor's text generator holds."""


class ImageGeneratorField(FieldValue):
    """What the editor's picture generator holds."""


@invocation_output("float_generator_output")
class FloatGeneratorOutput(BaseInvocationOutput):
    """The generated numbers."""

    floats: list[float] = OutputField(description="The numbers.")


@invocation_output("integer_generator_output")
class IntegerGeneratorOutput(BaseInvocationOutput):
    """The generated whole numbers."""

    integers: list[int] = OutputField(description="The numbers.")


@invocation_output("string_generator_output")
class StringGeneratorOutput(BaseInvocationOutput):
    """The generated texts."""

    strings: list[str] = OutputField(description="The texts.")


@invocation_output("image_generator_output")
class ImageGeneratorOutput(BaseInvocationOutput):
    """The chosen pictures."""

    images: list[ImageField] = OutputField(description="The pictures.")


@invocation(
    "float_generator",
    "Float Generator",
    ["primitives", "float", "number", "batch", "special"],
    "batch",
    "1.0.0",
    classification=Classification.Special,
)
class FloatGenerator(BaseInvocation):
    """Makes numbers for a batch."""

    generator: FloatGeneratorField = InputField(
        input=Input.Direct, title="Generator Type", description="How the numbers are made."
    )

    def invoke(self, context: InvocationContext) -> FloatGeneratorOutput:
        """Always refuses."""
        raise _never(self)


@invocation(
    "integer_generator",
    "Integer Generator",
    ["primitives", "int", "number", "batch", "special"],
    "batch",
    "1.0.0",
    classification=Classification.Special,
)
class IntegerGenerator(BaseInvocation):
    """Makes whole numbers for a batch."""

    generator: IntegerGeneratorField = InputField(
        input=Input.Direct, title="Generator Type", description="How the numbers are made."
    )

    def invoke(self, context: InvocationContext) -> IntegerGeneratorOutput:
        """Always refuses."""
        raise _never(self)


@invocation(
    "string_generator",
    "String Generator",
    ["primitives", "string", "number", "batch", "special"],
    "batch",
    "1.0.0",
    classification=Classification.Special,
)
class StringGenerator(BaseInvocation):
    """Makes texts for a batch."""

    generator: StringGeneratorField = InputField(
        input=Input.Direct, title="Generator Type", description="How the texts are made."
    )

    def invoke(self, context: InvocationContext) -> StringGeneratorOutput:
        """Always refuses."""
        raise _never(self)


@invocation(
    "image_generator",
    "Image Generator",
    ["primitives", "board", "image", "batch", "special"],
    "batch",
    "1.0.0",
    classification=Classification.Special,
)
class ImageGenerator(BaseInvocation):
    """Chooses pictures for a batch."""

    generator: ImageGeneratorField = InputField(
        input=Input.Direct, title="Generator Type", description="How the pictures are chosen."
    )

    def invoke(self, context: InvocationContext) -> ImageGeneratorOutput:
        """Always refuses."""
        raise _never(self)
