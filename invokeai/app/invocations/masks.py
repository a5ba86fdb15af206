"""Nodes that make, change and apply masks kept as pictures. Black marks what is worked on unless said otherwise."""

from invokeai.app.invocations.image_access import load, save
from invokeai.invocation_api import (
    BaseInvocation,
    BoundingBoxField,
    BoundingBoxOutput,
    ColorField,
    ImageField,
    ImageOutput,
    InputField,
    InvocationContext,
    WithBoard,
    WithMetadata,
    invocation,
)


@invocation("tomask", title="Mask from Alpha", tags=["image", "mask"], category="mask", version="1.2.2")
class MaskFromAlphaInvocation(BaseInvocation, WithMetadata, WithBoard):
    """The transparency of a picture as a mask, white where opaque."""

    image: ImageField = InputField(description="The picture to look at.")
    invert: bool = InputField(default=False, description="White where transparent instead.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.masks import alpha_mask

        return save(context, alpha_mask(load(context, self.image), self.invert))


@invocation("mask_combine", title="Combine Masks", tags=["image", "mask", "multiply"], category="mask", version="1.2.2")
class MaskCombineInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Multiplies two masks: black where either is black."""

    mask1: ImageField = InputField(description="The first mask.")
    mask2: ImageField = InputField(description="The second mask.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.masks import combine_masks

        return save(context, combine_masks(load(context, self.mask1), load(context, self.mask2)))


@invocation("mask_edge", title="Mask Edge", tags=["image", "mask", "inpaint"], category="mask", version="1.2.2")
class MaskEdgeInvocation(BaseInvocation, WithMetadata, WithBoard):
    """A mask, black along the edges in a picture."""

    image: ImageField = InputField(description="The picture or mask whose edges are wanted.")
    edge_size: int = InputField(description="Width of an edge in pixels.")
    edge_blur: int = InputField(description="Softness of an edge in pixels.")
    low_threshold: int = InputField(description="Gradient of an edge that joins a strong one.")
    high_threshold: int = InputField(description="Gradient of a strong edge.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.masks import edge_mask

        image = load(context, self.image)
        return save(context, edge_mask(image, self.edge_size, self.edge_blur, self.low_threshold, self.high_threshold))


@invocation(
    "mask_from_id",
    title="Mask from Segmented Image",
    tags=["image", "mask", "id"],
    category="mask",
    version="1.0.1",
)
class MaskFromIDInvocation(BaseInvocation, WithMetadata, WithBoard):
    """A mask, white where a picture has a colour."""

    image: ImageField = InputField(description="The picture with one colour for each thing.")
    color: ColorField = InputField(description="The colour.")
    threshold: int = InputField(default=100, description="How far from the colour still counts.")
    invert: bool = InputField(default=False, description="Black where the colour is instead.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.masks import colour_mask

        return save(context, colour_mask(load(context, self.image), self.color.tuple(), self.threshold, self.invert))


@invocation(
    "get_image_mask_bounding_box",
    title="Get Image Mask Bounding Box",
    tags=["mask"],
    category="mask",
    version="1.0.0",
)
class GetMaskBoundingBoxInvocation(BaseInvocation):
    """The box around all pixels of one colour in a mask."""

    mask: ImageField = InputField(description="The mask.")
    margin: int = InputField(default=0, description="Pixels around the box.")
    mask_color: ColorField = InputField(
        default=ColorField(r=255, g=255, b=255, a=255), description="The colour that marks the area."
    )

    def invoke(self, context: InvocationContext) -> BoundingBoxOutput:
        from invokeai.backend.image.masks import colour_box

        left, top, right, bottom = colour_box(load(context, self.mask), self.mask_color.tuple(), self.margin)
        box = BoundingBoxField(x_min=left, y_min=top, x_max=right, y_max=bottom)
        return BoundingBoxOutput(bounding_box=box)


@invocation(
    "expand_mask_with_fade",
    title="Expand Mask with Fade",
    tags=["image", "mask"],
    category="mask",
    version="1.0.1",
)
class ExpandMaskWithFadeInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Lets the black of a mask grow and fade out."""

    mask: ImageField = InputField(description="The mask.")
    threshold: int = InputField(default=0, ge=0, le=255, description="Up to this value a pixel counts as black.")
    fade_size_px: int = InputField(default=32, ge=0, description="Width of the fade in pixels; 0 changes nothing.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.masks import expand_with_fade

        return save(context, expand_with_fade(load(context, self.mask), self.threshold, self.fade_size_px))


@invocation(
    "apply_mask_to_image",
    title="Apply Mask to Image",
    tags=["image", "mask", "blend"],
    category="mask",
    version="1.0.0",
)
class ApplyMaskToImageInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Makes a picture transparent where its mask is white."""

    image: ImageField = InputField(description="The picture.")
    mask: ImageField = InputField(description="Black where the picture stays.")
    invert_mask: bool = InputField(default=False, description="White where the picture stays instead.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from PIL import ImageOps

        from invokeai.backend.image.masks import keep_black

        mask = load(context, self.mask).convert("L")
        return save(context, keep_black(load(context, self.image), ImageOps.invert(mask) if self.invert_mask else mask))
