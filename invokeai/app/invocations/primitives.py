"""Nodes that hold a value, and the outputs of them all (kept importable from here)."""

from typing import Any

from invokeai.app.invocations.baseinvocation import BaseInvocation, invocation
from invokeai.app.invocations.fields import (
    BoundingBoxField,
    ColorField,
    ImageField,
    Input,
    InputField,
    UIComponent,
    VideoField,
)
from invokeai.app.invocations.primitive_outputs import (
    BooleanCollectionOutput,
    BooleanOutput,
    BoundingBoxCollectionOutput,
    BoundingBoxOutput,
    ColorCollectionOutput,
    ColorOutput,
    FloatCollectionOutput,
    FloatOutput,
    ImageCollectionOutput,
    ImageOutput,
    IntegerCollectionOutput,
    IntegerOutput,
    MaskOutput,
    StringCollectionOutput,
    StringOutput,
    VideoOutput,
)
from invokeai.app.services.shared.errors import NotAvailableHere
from invokeai.app.services.shared.invocation_context import AsyncInvocationContext, InvocationContext

__all__ = [
    "BooleanCollectionOutput",
    "BooleanOutput",
    "BoundingBoxCollectionOutput",
    "BoundingBoxOutput",
    "ColorCollectionOutput",
    "ColorOutput",
    "FloatCollectionOutput",
    "FloatOutput",
    "ImageCollectionOutput",
    "ImageOutput",
    "IntegerCollectionOutput",
    "IntegerOutput",
    "MaskOutput",
    "StringCollectionOutput",
    "StringOutput",
    "VideoOutput",
]


@invocation("boolean", "Boolean Primitive", ["primitives", "boolean"], "primitives", "1.0.1")
class BooleanInvocation(BaseInvocation):
    """A yes or no."""

    value: bool = InputField(default=False, description="The value.")

    def invoke(self, context: InvocationContext) -> BooleanOutput:
        """The value."""
        return BooleanOutput(value=self.value)


@invocation(
    "boolean_collection",
    "Boolean Collection Primitive",
    ["primitives", "boolean", "collection"],
    "primitives",
    "1.0.2",
)
class BooleanCollectionInvocation(BaseInvocation):
    """Several yes-or-noes."""

    collection: list[bool] = InputField(default=[], description="The values.")

    def invoke(self, context: InvocationContext) -> BooleanCollectionOutput:
        """The values."""
        return BooleanCollectionOutput(collection=self.collection)


@invocation("integer", "Integer Primitive", ["primitives", "integer"], "primitives", "1.0.1")
class IntegerInvocation(BaseInvocation):
    """A whole number."""

    value: int = InputField(default=0, description="The value.")

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        """The value."""
        return IntegerOutput(value=self.value)


@invocation(
    "integer_collection",
    "Integer Collection Primitive",
    ["primitives", "integer", "collection"],
    "primitives",
    "1.0.2",
)
class IntegerCollectionInvocation(BaseInvocation):
    """Several whole numbers."""

    collection: list[int] = InputField(default=[], description="The values.")

    def invoke(self, context: InvocationContext) -> IntegerCollectionOutput:
        """The values."""
        return IntegerCollectionOutput(collection=self.collection)


@invocation("float", "Float Primitive", ["primitives", "float"], "primitives", "1.0.1")
class FloatInvocation(BaseInvocation):
    """A number."""

    value: float = InputField(default=0.0, description="The value.")

    def invoke(self, context: InvocationContext) -> FloatOutput:
        """The value."""
        return FloatOutput(value=self.value)


@invocation(
    "float_collection", "Float Collection Primitive", ["primitives", "float", "collection"], "primitives", "1.0.2"
)
class FloatCollectionInvocation(BaseInvocation):
    """Several numbers."""

    collection: list[float] = InputField(default=[], description="The values.")

    def invoke(self, context: InvocationContext) -> FloatCollectionOutput:
        """The values."""
        return FloatCollectionOutput(collection=self.collection)


@invocation("string", "String Primitive", ["primitives", "string"], "primitives", "1.0.1")
class StringInvocation(BaseInvocation):
    """A text."""

    value: str = InputField(default="", description="The text.", ui_component=UIComponent.Textarea)

    def invoke(self, context: InvocationContext) -> StringOutput:
        """The text."""
        return StringOutput(value=self.value)


@invocation(
    "string_collection", "String Collection Primitive", ["primitives", "string", "collection"], "primitives", "1.0.2"
)
class StringCollectionInvocation(BaseInvocation):
    """Several texts."""

    collection: list[str] = InputField(default=[], description="The texts.")

    def invoke(self, context: InvocationContext) -> StringCollectionOutput:
        """The texts."""
        return StringCollectionOutput(collection=self.collection)


@invocation("image", "Image Primitive", ["primitives", "image"], "primitives", "1.0.2")
class ImageInvocation(BaseInvocation):
    """A stored picture."""

    image: ImageField = InputField(description="The picture.")

    async def invoke(self, context: AsyncInvocationContext) -> ImageOutput:
        """The picture with its size. Raises NotFound for one that was deleted."""
        return ImageOutput.build(await context.images.get_dto(self.image.image_name))


@invocation(
    "image_collection", "Image Collection Primitive", ["primitives", "image", "collection"], "primitives", "1.0.2"
)
class ImageCollectionInvocation(BaseInvocation):
    """Several stored pictures: the wired ones, then the chosen ones."""

    collection: list[ImageField] | None = InputField(
        default=None, description="Pictures that arrive by a connection.", input=Input.Connection, ui_order=0
    )
    images: list[ImageField] | None = InputField(
        default=None, description="Pictures chosen here.", input=Input.Direct, ui_order=1
    )

    def invoke(self, context: InvocationContext) -> ImageCollectionOutput:
        """Wired and chosen pictures in one list."""
        return ImageCollectionOutput(collection=[*(self.collection or []), *(self.images or [])])


@invocation("video", "Video Primitive", ["primitives", "video"], "primitives", "1.0.0")
class VideoInvocation(BaseInvocation):
    """A stored video."""

    video: VideoField = InputField(description="The video.")

    def invoke(self, context: InvocationContext) -> VideoOutput:
        """Always refuses: this server keeps no videos."""
        raise NotAvailableHere("Video is not available on this server.")


@invocation("color", "Color Primitive", ["primitives", "color"], "primitives", "1.0.1")
class ColorInvocation(BaseInvocation):
    """A colour."""

    color: ColorField = InputField(default=ColorField(r=0, g=0, b=0, a=255), description="The colour.")

    def invoke(self, context: InvocationContext) -> ColorOutput:
        """The colour."""
        return ColorOutput(color=self.color)


@invocation(
    "bounding_box",
    "Bounding Box",
    ["primitives", "segmentation", "collection", "bounding box"],
    "primitives",
    "1.0.0",
)
class BoundingBoxInvocation(BaseInvocation):
    """A box in pixels."""

    x_min: int = InputField(default=0, description="Left edge.")
    y_min: int = InputField(default=0, description="Top edge.")
    x_max: int = InputField(default=0, description="Right edge, exclusive.")
    y_max: int = InputField(default=0, description="Bottom edge, exclusive.")

    def invoke(self, context: InvocationContext) -> BoundingBoxOutput:
        """The box. Raises ValueError where an edge lies beyond its opposite."""
        box = BoundingBoxField(x_min=self.x_min, x_max=self.x_max, y_min=self.y_min, y_max=self.y_max)
        return BoundingBoxOutput(bounding_box=box)


def __getattr__(name: str) -> Any:
    from invokeai.app.invocations.old_names import moved

    return moved(__name__, name)
