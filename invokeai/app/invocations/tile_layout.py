"""Nodes that lay tiles over a picture and take tiles apart."""

from invokeai.app.invocations.tile_values import (
    Tile,
    TileWithImage,
    grid_of,
    spans_evenly,
    spans_of_count,
    spans_with_overlap,
)
from invokeai.invocation_api import (
    BaseInvocation,
    BaseInvocationOutput,
    ImageField,
    InputField,
    InvocationContext,
    OutputField,
    invocation,
    invocation_output,
)


@invocation_output("calculate_image_tiles_output")
class CalculateImageTilesOutput(BaseInvocationOutput):
    """Tiles, row by row."""

    tiles: list[Tile] = OutputField(description="The tiles.")


@invocation("calculate_image_tiles", "Calculate Image Tiles", ["tiles"], "tiles", "1.0.1")
class CalculateImageTilesInvocation(BaseInvocation):
    """Tiles of a given size and overlap; the last of a row may share more."""

    image_width: int = InputField(ge=1, default=1024, description="Width of the picture in pixels.")
    image_height: int = InputField(ge=1, default=1024, description="Height of the picture in pixels.")
    tile_width: int = InputField(ge=1, default=576, description="Width of a tile in pixels.")
    tile_height: int = InputField(ge=1, default=576, description="Height of a tile in pixels.")
    overlap: int = InputField(ge=0, default=128, description="Pixels that neighbours share.")

    def invoke(self, context: InvocationContext) -> CalculateImageTilesOutput:
        """The tiles. Raises InvalidInput for an overlap as large as the tiles."""
        columns = spans_with_overlap(self.image_width, self.tile_width, self.overlap)
        rows = spans_with_overlap(self.image_height, self.tile_height, self.overlap)
        return CalculateImageTilesOutput(tiles=grid_of(columns, rows))


@invocation("calculate_image_tiles_even_split", "Calculate Image Tiles Even Split", ["tiles"], "tiles", "1.1.1")
class CalculateImageTilesEvenSplitInvocation(BaseInvocation):
    """A given number of equal tiles."""

    image_width: int = InputField(ge=1, default=1024, description="Width of the picture in pixels.")
    image_height: int = InputField(ge=1, default=1024, description="Height of the picture in pixels.")
    num_tiles_x: int = InputField(default=2, ge=1, description="Tiles in a row.")
    num_tiles_y: int = InputField(default=2, ge=1, description="Tiles in a column.")
    overlap: int = InputField(default=128, ge=0, multiple_of=8, description="Pixels that neighbours share.")

    def invoke(self, context: InvocationContext) -> CalculateImageTilesOutput:
        """The tiles. Raises InvalidInput where so many do not fit."""
        columns = spans_of_count(self.image_width, self.num_tiles_x, self.overlap)
        rows = spans_of_count(self.image_height, self.num_tiles_y, self.overlap)
        return CalculateImageTilesOutput(tiles=grid_of(columns, rows))


@invocation("calculate_image_tiles_min_overlap", "Calculate Image Tiles Minimum Overlap", ["tiles"], "tiles", "1.0.1")
class CalculateImageTilesMinimumOverlapInvocation(BaseInvocation):
    """As few tiles of a given size as share enough, spread evenly."""

    image_width: int = InputField(ge=1, default=1024, description="Width of the picture in pixels.")
    image_height: int = InputField(ge=1, default=1024, description="Height of the picture in pixels.")
    tile_width: int = InputField(ge=1, default=576, description="Width of a tile in pixels.")
    tile_height: int = InputField(ge=1, default=576, description="Height of a tile in pixels.")
    min_overlap: int = InputField(default=128, ge=0, description="Least pixels that neighbours share.")

    def invoke(self, context: InvocationContext) -> CalculateImageTilesOutput:
        """The tiles. Raises InvalidInput for an overlap as large as the tiles."""
        columns = spans_evenly(self.image_width, self.tile_width, self.min_overlap)
        rows = spans_evenly(self.image_height, self.tile_height, self.min_overlap)
        return CalculateImageTilesOutput(tiles=grid_of(columns, rows))


@invocation_output("tile_to_properties_output")
class TileToPropertiesOutput(BaseInvocationOutput):
    """A tile's numbers, all in pixels."""

    coords_left: int = OutputField(description="Left edge.")
    coords_right: int = OutputField(description="Right edge, exclusive.")
    coords_top: int = OutputField(description="Top edge.")
    coords_bottom: int = OutputField(description="Bottom edge, exclusive.")
    width: int = OutputField(description="Width.")
    height: int = OutputField(description="Height.")
    overlap_top: int = OutputField(description="Shared with the tile above.")
    overlap_bottom: int = OutputField(description="Shared with the tile below.")
    overlap_left: int = OutputField(description="Shared with the tile to the left.")
    overlap_right: int = OutputField(description="Shared with the tile to the right.")


@invocation("tile_to_properties", "Tile to Properties", ["tiles"], "tiles", "1.0.1")
class TileToPropertiesInvocation(BaseInvocation):
    """The numbers of a tile."""

    tile: Tile = InputField(description="The tile.")

    def invoke(self, context: InvocationContext) -> TileToPropertiesOutput:
        """Its edges, size and overlaps."""
        at, shared = self.tile.coords, self.tile.overlap
        return TileToPropertiesOutput(
            coords_left=at.left,
            coords_right=at.right,
            coords_top=at.top,
            coords_bottom=at.bottom,
            width=at.right - at.left,
            height=at.bottom - at.top,
            overlap_top=shared.top,
            overlap_bottom=shared.bottom,
            overlap_left=shared.left,
            overlap_right=shared.right,
        )


@invocation_output("pair_tile_image_output")
class PairTileImageOutput(BaseInvocationOutput):
    """A tile with its picture."""

    tile_with_image: TileWithImage = OutputField(description="The tile with its picture.")


@invocation("pair_tile_image", "Pair Tile with Image", ["tiles"], "tiles", "1.0.1")
class PairTileImageInvocation(BaseInvocation):
    """Puts a tile and a picture together."""

    image: ImageField = InputField(description="The tile's picture.")
    tile: Tile = InputField(description="The tile.")

    def invoke(self, context: InvocationContext) -> PairTileImageOutput:
        """Both in one."""
        return PairTileImageOutput(tile_with_image=TileWithImage(tile=self.tile, image=self.image))
