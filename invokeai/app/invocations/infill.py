"""Nodes that fill the transparent or masked parts of a picture."""

from invokeai.app.invocations.image_access import load, save
from invokeai.invocation_api import (
    BaseInvocation,
    ColorField,
    ImageField,
    ImageOutput,
    InputField,
    InvocationContext,
    WithBoard,
    WithMetadata,
    invocation,
)


@invocation("infill_rgba", title="Solid Color Infill", tags=["image", "inpaint"], category="inpaint", version="1.2.2")
class InfillColorInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Fills transparent parts with one colour."""

    image: ImageField = InputField(description="The picture to fill.")
    color: ColorField = InputField(default=ColorField(r=127, g=127, b=127, a=255), description="The colour.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.infill import fill_colour

        return save(context, fill_colour(load(context, self.image), self.color.tuple()))


@invocation("infill_tile", title="Tile Infill", tags=["image", "inpaint"], category="inpaint", version="1.2.3")
class InfillTileInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Fills transparent parts with tiles from elsewhere in the picture."""

    image: ImageField = InputField(description="The picture to fill.")
    tile_size: int = InputField(default=32, ge=1, description="Side of a tile in pixels.")
    seed: int = InputField(default=0, ge=0, le=4294967295, description="Seed that draws the tiles.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.infill import fill_tiles

        return save(context, fill_tiles(load(context, self.image), self.tile_size, self.seed))


@invocation("infill_cv2", title="CV2 Infill", tags=["image", "inpaint"], category="inpaint", version="1.2.2")
class CV2InfillInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Fills transparent parts smoothly from their surroundings."""

    image: ImageField = InputField(description="The picture to fill.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.infill import fill_smoothly

        return save(context, fill_smoothly(load(context, self.image)))


@invocation("cv_inpaint", title="OpenCV Inpaint", tags=["opencv", "inpaint"], category="inpaint", version="1.3.1")
class CvInpaintInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Fills the masked parts of a picture smoothly from their surroundings."""

    image: ImageField = InputField(description="The picture to fill.")
    mask: ImageField = InputField(description="Black where the picture is filled, white where it stays.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.infill import inpaint

        return save(context, inpaint(load(context, self.image), load(context, self.mask)))
