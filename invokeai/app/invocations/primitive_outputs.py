"""Outputs that many nodes share: single values and collections of them."""

from typing import TYPE_CHECKING, Any

from invokeai.app.invocations.baseinvocation import BaseInvocationOutput, invocation_output
from invokeai.app.invocations.fields import (
    BoundingBoxField,
    ColorField,
    ImageField,
    OutputField,
    TensorField,
    VideoField,
)

if TYPE_CHECKING:
    from typing import Self


@invocation_output("boolean_output")
class BooleanOutput(BaseInvocationOutput):
    """A yes or no."""

    value: bool = OutputField(description="The value.")


@invocation_output("boolean_collection_output")
class BooleanCollectionOutput(BaseInvocationOutput):
    """Several yes-or-noes."""

    collection: list[bool] = OutputField(description="The values.")


@invocation_output("integer_output")
class IntegerOutput(BaseInvocationOutput):
    """A whole number."""

    value: int = OutputField(description="The value.")


@invocation_output("integer_collection_output")
class IntegerCollectionOutput(BaseInvocationOutput):
    """Several whole numbers."""

    collection: list[int] = OutputField(description="The values.")


@invocation_output("float_output")
class FloatOutput(BaseInvocationOutput):
    """A number."""

    value: float = OutputField(description="The value.")


@invocation_output("float_collection_output")
class FloatCollectionOutput(BaseInvocationOutput):
    """Several numbers."""

    collection: list[float] = OutputField(description="The values.")


@invocation_output("string_output")
class StringOutput(BaseInvocationOutput):
    """A text."""

    value: str = OutputField(description="The text.")


@invocation_output("string_collection_output")
class StringCollectionOutput(BaseInvocationOutput):
    """Several texts."""

    collection: list[str] = OutputField(description="The texts.")


@invocation_output("image_output")
class ImageOutput(BaseInvocationOutput):
    """A picture and its size in pixels."""

    image: ImageField = OutputField(description="The picture.")
    width: int = OutputField(description="Width in pixels.")
    height: int = OutputField(description="Height in pixels.")

    @classmethod
    def build(cls, image_dto: Any) -> "Self":
        """From what `context.images.save` answers."""
        return cls(image=ImageField(image_name=image_dto.image_name), width=image_dto.width, height=image_dto.height)


@invocation_output("image_collection_output")
class ImageCollectionOutput(BaseInvocationOutput):
    """Several pictures."""

    collection: list[ImageField] = OutputField(description="The pictures.")


@invocation_output("video_output")
class VideoOutput(BaseInvocationOutput):
    """A video and what is known of it."""

    video: VideoField = OutputField(description="The video.")
    width: int = OutputField(description="Width in pixels.")
    height: int = OutputField(description="Height in pixels.")
    num_frames: int = OutputField(description="Number of frames.")
    fps: float = OutputField(description="Frames per second.")
    duration: float = OutputField(description="Length in seconds.")


@invocation_output("color_output")
class ColorOutput(BaseInvocationOutput):
    """A colour."""

    color: ColorField = OutputField(description="The colour.")


@invocation_output("color_collection_output")
class ColorCollectionOutput(BaseInvocationOutput):
    """Several colours."""

    collection: list[ColorField] = OutputField(description="The colours.")


@invocation_output("mask_output")
class MaskOutput(BaseInvocationOutput):
    """A mask and its size in pixels."""

    mask: TensorField = OutputField(description="The mask.")
    width: int = OutputField(description="Width in pixels.")
    height: int = OutputField(description="Height in pixels.")


@invocation_output("bounding_box_output")
class BoundingBoxOutput(BaseInvocationOutput):
    """A box in pixels."""

    bounding_box: BoundingBoxField = OutputField(description="The box.")


@invocation_output("bounding_box_collection_output")
class BoundingBoxCollectionOutput(BaseInvocationOutput):
    """Several boxes."""

    collection: list[BoundingBoxField] = OutputField(description="The boxes.", title="Bounding Boxes")
