"""How image nodes reach pictures: read as L, RGB or RGBA, saved with the node's board and metadata.

Nothing here imports Pillow or numpy before a node runs.
"""

from typing import TYPE_CHECKING

from invokeai.invocation_api import ImageField, ImageOutput, InvocationContext

if TYPE_CHECKING:
    from PIL.Image import Image


def load(context: InvocationContext, field: ImageField) -> "Image":
    """The picture as L, RGB or RGBA. Raises NotFound."""
    from invokeai.backend.image.pixels import plain

    return plain(context.images.get_pil(field.image_name))


def load_optional(context: InvocationContext, field: ImageField | None) -> "Image | None":
    """The picture, or None where none is given. Raises NotFound."""
    return load(context, field) if field is not None else None


def save(context: InvocationContext, image: "Image") -> ImageOutput:
    """Store the node's result."""
    return ImageOutput.build(context.images.save(image))


def pixel_limit(context: InvocationContext) -> int:
    """Most pixels that a node may make."""
    return context.config.get().max_image_pixels
