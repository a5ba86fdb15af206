"""Nodes that make control pictures without a model: edges, colour maps, shuffled content."""

from invokeai.app.invocations.image_access import load, save
from invokeai.invocation_api import (
    BaseInvocation,
    ImageField,
    ImageOutput,
    InputField,
    InvocationContext,
    WithBoard,
    WithMetadata,
    invocation,
)


@invocation(
    "canny_edge_detection",
    title="Canny Edge Detection",
    tags=["controlnet", "canny"],
    category="controlnet_preprocessors",
    version="1.0.0",
)
class CannyEdgeDetectionInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Draws the edges of a picture white on black."""

    image: ImageField = InputField(description="The picture to look at.")
    low_threshold: int = InputField(
        default=100, ge=0, le=255, description="Gradient of an edge that joins a strong one."
    )
    high_threshold: int = InputField(default=200, ge=0, le=255, description="Gradient of a strong edge.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.edges import canny

        return save(context, canny(load(context, self.image), self.low_threshold, self.high_threshold).convert("RGB"))


@invocation("color_map", title="Color Map", tags=["controlnet"], category="controlnet_preprocessors", version="1.0.0")
class ColorMapInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Reduces a picture to tiles of one colour each."""

    image: ImageField = InputField(description="The picture to reduce.")
    tile_size: int = InputField(default=64, ge=1, description="Side of a tile in pixels.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.control import colour_map

        return save(context, colour_map(load(context, self.image), self.tile_size))


@invocation(
    "content_shuffle",
    title="Content Shuffle",
    tags=["controlnet", "normal"],
    category="controlnet_preprocessors",
    version="1.0.0",
)
class ContentShuffleInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Stirs the content of a picture, keeping its colours and textures."""

    image: ImageField = InputField(description="The picture to stir.")
    scale_factor: int = InputField(default=256, ge=0, description="Size of the swirls in pixels.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.control import shuffle

        return save(context, shuffle(load(context, self.image), self.scale_factor))
