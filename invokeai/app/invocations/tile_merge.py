"""The node that puts tiles together again."""

from typing import TYPE_CHECKING, Literal

from invokeai.app.invocations.image_access import load, pixel_limit, save
from invokeai.app.invocations.tile_values import TileWithImage
from invokeai.invocation_api import (
    BaseInvocation,
    ImageOutput,
    Input,
    InputField,
    InvalidInput,
    InvocationContext,
    WithBoard,
    WithMetadata,
    invocation,
)

if TYPE_CHECKING:
    from invokeai.backend.image.tile_merge import PlacedTile


@invocation("merge_tiles_to_image", title="Merge Tiles to Image", tags=["tiles"], category="tiles", version="1.1.1")
class MergeTilesToImageInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Puts overlapping tiles together to one picture."""

    tiles_with_images: list[TileWithImage] = InputField(description="The tiles with their pictures.")
    blend_mode: Literal["Linear", "Seam"] = InputField(
        default="Seam",
        description="Tiles meet in the middle of their overlap, or where they differ least.",
        input=Input.Direct,
    )
    blend_amount: int = InputField(default=32, ge=0, description="Pixels over which one tile fades into the next.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.tile_merge import merge_tiles

        tiles = [_placed(context, tile) for tile in self.tiles_with_images]
        return save(context, merge_tiles(tiles, self.blend_amount, self.blend_mode == "Seam", pixel_limit(context)))


def _placed(context: InvocationContext, tile: TileWithImage) -> "PlacedTile":
    from invokeai.backend.image.tile_merge import PlacedTile

    image, coords, overlap = load(context, tile.image), tile.tile.coords, tile.tile.overlap
    size = (coords.right - coords.left, coords.bottom - coords.top)
    if image.size != size:
        raise InvalidInput(
            f"The picture {tile.image.image_name} is {image.width} × {image.height}, its tile {size[0]} × {size[1]}."
        )
    return PlacedTile(image, coords.left, coords.top, overlap.left, overlap.top)
