"""Nodes for masks kept as tensors: boolean arrays of shape (1, H, W), true where the mask applies."""

from typing import TYPE_CHECKING, Any

from invokeai.app.invocations.image_access import load, pixel_limit, save
from invokeai.invocation_api import (
    BaseInvocation,
    ImageField,
    ImageOutput,
    InputField,
    InvocationContext,
    MaskOutput,
    TensorField,
    WithBoard,
    WithMetadata,
    invocation,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _stored(context: InvocationContext, mask: "NDArray[Any]") -> MaskOutput:
    height, width = mask.shape[-2:]
    return MaskOutput(mask=TensorField(tensor_name=context.tensors.save(mask)), width=width, height=height)


@invocation("rectangle_mask", title="Create Rectangle Mask", tags=["conditioning"], category="mask", version="1.0.1")
class RectangleMaskInvocation(BaseInvocation, WithMetadata):
    """A mask that applies inside a rectangle."""

    width: int = InputField(description="Width of the whole mask.")
    height: int = InputField(description="Height of the whole mask.")
    x_left: int = InputField(description="Left edge of the rectangle.")
    y_top: int = InputField(description="Top edge of the rectangle.")
    rectangle_width: int = InputField(description="Width of the rectangle.")
    rectangle_height: int = InputField(description="Height of the rectangle.")

    def invoke(self, context: InvocationContext) -> MaskOutput:
        from invokeai.backend.image.masks import rectangle_tensor

        box = (self.x_left, self.y_top, self.rectangle_width, self.rectangle_height)
        return _stored(context, rectangle_tensor(self.width, self.height, *box, pixel_limit(context)))


@invocation(
    "alpha_mask_to_tensor", title="Alpha Mask to Tensor", tags=["conditioning"], category="mask", version="1.0.0"
)
class AlphaMaskToTensorInvocation(BaseInvocation):
    """A mask that applies where a picture is opaque."""

    image: ImageField = InputField(description="The picture.")
    invert: bool = InputField(default=False, description="Where it is transparent instead.")

    def invoke(self, context: InvocationContext) -> MaskOutput:
        from invokeai.backend.image.masks import alpha_tensor

        return _stored(context, alpha_tensor(load(context, self.image), self.invert))


@invocation("invert_tensor_mask", title="Invert Tensor Mask", tags=["conditioning"], category="mask", version="1.1.0")
class InvertTensorMaskInvocation(BaseInvocation):
    """A mask that applies where another does not."""

    mask: TensorField = InputField(description="The mask to invert.")

    def invoke(self, context: InvocationContext) -> MaskOutput:
        from invokeai.backend.image.masks import as_mask

        return _stored(context, ~as_mask(context.tensors.load(self.mask.tensor_name)))


@invocation(
    "image_mask_to_tensor", title="Image Mask to Tensor", tags=["conditioning"], category="mask", version="1.0.0"
)
class ImageMaskToTensorInvocation(BaseInvocation, WithMetadata):
    """A mask that applies where a picture is dark."""

    image: ImageField = InputField(description="The picture.")
    cutoff: int = InputField(ge=0, le=255, default=128, description="Under this value a pixel is dark.")
    invert: bool = InputField(default=False, description="Where it is light instead.")

    def invoke(self, context: InvocationContext) -> MaskOutput:
        from invokeai.backend.image.masks import grey_tensor

        return _stored(context, grey_tensor(load(context, self.image), self.cutoff, self.invert))


@invocation("tensor_mask_to_image", title="Tensor Mask to Image", tags=["mask"], category="mask", version="1.1.0")
class MaskTensorToImageInvocation(BaseInvocation, WithMetadata, WithBoard):
    """A mask as a picture, white where it applies."""

    mask: TensorField = InputField(description="The mask.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.masks import tensor_to_image

        return save(context, tensor_to_image(context.tensors.load(self.mask.tensor_name)))


@invocation(
    "apply_tensor_mask_to_image", title="Apply Tensor Mask to Image", tags=["mask"], category="mask", version="1.0.0"
)
class ApplyMaskTensorToImageInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Makes a picture transparent where a mask does not apply."""

    mask: TensorField = InputField(description="The mask.")
    image: ImageField = InputField(description="The picture.")
    invert: bool = InputField(default=False, description="Transparent where the mask applies instead.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.masks import apply_tensor

        mask = context.tensors.load(self.mask.tensor_name)
        return save(context, apply_tensor(load(context, self.image), mask, self.invert))
