"""Nodes that the canvas runs, or that hand it a result."""

from invokeai.app.invocations.image_access import load, load_optional, save
from invokeai.invocation_api import (
    BaseInvocation,
    BaseInvocationOutput,
    Classification,
    ImageField,
    ImageOutput,
    InputField,
    InvocationContext,
    OutputField,
    WithBoard,
    WithMetadata,
    invocation,
    invocation_output,
)


@invocation(
    "canvas_output",
    title="Canvas Output",
    tags=["canvas", "output", "image"],
    category="canvas",
    version="1.0.0",
    use_cache=False,
)
class CanvasOutputInvocation(BaseInvocation):
    """Hands a picture to the staging area of the canvas, when the workflow was started from there."""

    image: ImageField = InputField(description="The picture.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        return ImageOutput.build(context.images.get_dto(self.image.image_name))


@invocation(
    "canvas_paste_back", title="Canvas Paste Back", tags=["image", "combine"], category="canvas", version="1.0.1"
)
class CanvasPasteBackInvocation(BaseInvocation, WithMetadata, WithBoard):
    """The target picture where the mask is black, the source picture where it is white."""

    source_image: ImageField = InputField(description="The picture that stays.")
    target_image: ImageField = InputField(description="The picture that was made anew.")
    mask: ImageField = InputField(description="Black where the new picture shows.")
    mask_blur: int = InputField(default=0, ge=0, description="Softness of the mask's edge in pixels.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.masks import paste_black

        source, target = load(context, self.source_image), load(context, self.target_image)
        return save(context, paste_black(target, source, load(context, self.mask), self.mask_blur))


@invocation(
    "canvas_v2_mask_and_crop",
    title="Canvas V2 Mask and Crop",
    tags=["image", "mask", "id"],
    category="canvas",
    version="1.0.0",
    classification=Classification.Deprecated,
)
class CanvasV2MaskAndCropInvocation(BaseInvocation, WithMetadata, WithBoard):
    """What was generated under the black of a mask: alone, or on its source picture."""

    source_image: ImageField | None = InputField(
        default=None, description="The picture below; without one the rest is transparent."
    )
    generated_image: ImageField = InputField(description="The picture that was made anew.")
    mask: ImageField = InputField(description="Black where the new picture shows.")
    mask_blur: int = InputField(default=0, ge=0, description="Softness of the mask's edge in pixels.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.masks import keep_black, paste_black

        generated, mask = load(context, self.generated_image), load(context, self.mask)
        source = load_optional(context, self.source_image)
        if source is None:
            return save(context, keep_black(generated, mask, self.mask_blur))
        return save(context, paste_black(generated, source, mask, self.mask_blur))


@invocation_output("image_panel_coordinate_output")
class ImagePanelCoordinateOutput(BaseInvocationOutput):
    """One panel of a grid."""

    x_left: int = OutputField(description="Left edge.")
    y_top: int = OutputField(description="Top edge.")
    width: int = OutputField(description="Width in pixels.")
    height: int = OutputField(description="Height in pixels.")


@invocation(
    "image_panel_layout",
    title="Image Panel Layout",
    tags=["image", "panel", "layout"],
    category="canvas",
    version="1.0.0",
    classification=Classification.Prototype,
)
class ImagePanelLayoutInvocation(BaseInvocation):
    """Where one panel of an even grid lies."""

    width: int = InputField(description="Width of the whole grid.")
    height: int = InputField(description="Height of the whole grid.")
    num_cols: int = InputField(ge=1, default=1, description="Number of columns.")
    num_rows: int = InputField(ge=1, default=1, description="Number of rows.")
    panel_col_idx: int = InputField(ge=0, default=0, description="Column of the panel, from 0.")
    panel_row_idx: int = InputField(ge=0, default=0, description="Row of the panel, from 0.")

    def invoke(self, context: InvocationContext) -> ImagePanelCoordinateOutput:
        from invokeai.backend.image.geometry import panel

        left, top, width, height = panel(
            self.width, self.height, self.num_cols, self.num_rows, self.panel_col_idx, self.panel_row_idx
        )
        return ImagePanelCoordinateOutput(x_left=left, y_top=top, width=width, height=height)
