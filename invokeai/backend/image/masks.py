"""Masks are L pictures. In canvas masks black marks what is worked on, white what stays.

Tensor masks are boolean arrays of shape (1, H, W), true where the mask applies.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter, ImageOps

from invokeai.backend.image.edges import canny
from invokeai.backend.image.filters import dilate
from invokeai.backend.image.pixels import MAX_PIXELS, Floats, from_floats, require_size, strips

TensorMask = NDArray[np.bool_]


def alpha_mask(image: Image.Image, invert: bool) -> Image.Image:
    """The alpha channel: white where opaque, or the other way round."""
    alpha = image.convert("RGBA").getchannel("A")
    return ImageOps.invert(alpha) if invert else alpha


def combine_masks(first: Image.Image, second: Image.Image) -> Image.Image:
    """Product of two masks, over the area that both cover."""
    return ImageChops.multiply(first.convert("L"), second.convert("L"))


def edge_mask(image: Image.Image, width: int, blur: int, low: int, high: int) -> Image.Image:
    """Black along the edges in `image` (Canny with `low` and `high`), `width` pixels wide, softened by `blur`."""
    edges = canny(image.convert("L"), low, high)
    if width > 1:
        edges = dilate(edges, width // 2, width // 2)
    if blur > 0:
        edges = edges.filter(ImageFilter.GaussianBlur(blur))
    return ImageOps.invert(edges)


def colour_mask(image: Image.Image, color: tuple[int, int, int, int], threshold: int, invert: bool) -> Image.Image:
    """White where a pixel's RGBA is at most `threshold` (Euclidean, 0 to 510) away from `color`."""
    away = np.asarray(image.convert("RGBA"), dtype=np.int32) - np.asarray(color, dtype=np.int32)
    near = (away * away).sum(axis=-1) <= threshold * abs(threshold)
    return Image.fromarray((near ^ invert).astype(np.uint8) * 255)


def colour_box(image: Image.Image, color: tuple[int, int, int, int], margin: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the pixels of exactly `color`, `margin` wider but inside the picture.

    Raises:
        ValueError: no pixel has that colour, or a negative margin leaves nothing.
    """
    box = colour_mask(image, color, 0, False).getbbox()
    if box is None:
        raise ValueError(f"No pixel of the mask has the colour {color}.")
    left, top = max(0, box[0] - margin), max(0, box[1] - margin)
    right, bottom = min(image.width, box[2] + margin), min(image.height, box[3] + margin)
    if left >= right or top >= bottom:
        raise ValueError(f"A margin of {margin} leaves nothing of the masked area.")
    return left, top, right, bottom


def expand_with_fade(mask: Image.Image, threshold: int, fade: int) -> Image.Image:
    """The black area grown by `fade` pixels, going from black to white on the way; as it is for 0.

    A pixel is black where its value is at most `threshold`.
    """
    grey = mask.convert("L")
    if fade <= 0:
        return grey
    return from_distance(np.asarray(grey) <= threshold, fade)


def from_distance(area: NDArray[np.bool_], reach: int) -> Image.Image:
    """Euclidean distance of every pixel to `area`: 0 there, 255 from `reach` pixels away, as an L picture.

    Exact and separable (Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions", 2012): distance
    along columns first, then the lowest sum of squares along rows.
    """
    reach = min(reach, 60_000)
    column = np.where(area, np.uint16(0), np.uint16(reach))
    for line in range(1, len(column)):
        np.minimum(column[line], column[line - 1] + 1, out=column[line])
    for line in range(len(column) - 2, -1, -1):
        np.minimum(column[line], column[line + 1] + 1, out=column[line])
    result = Image.new("L", (area.shape[1], area.shape[0]))
    for box in strips(result):
        distance = np.sqrt(_lowest_sums(column[box[1] : box[3]].astype(np.float32) ** 2, reach))
        result.paste(from_floats(distance / reach), box)
    return result


def _lowest_sums(squares: Floats, reach: int) -> Floats:
    """Per row, at each place the least of `squares` anywhere plus the squared way to it, up to `reach` away."""
    best = squares.copy()
    for step in range(1, min(reach, squares.shape[1])):
        if step * step >= best.max():  # nothing can come nearer from further away
            break
        left, right = best[:, step:], best[:, :-step]
        np.minimum(left, squares[:, :-step] + step * step, out=left)
        np.minimum(right, squares[:, step:] + step * step, out=right)
    return best


def keep_black(image: Image.Image, mask: Image.Image, blur: int = 0) -> Image.Image:
    """`image`, RGBA, visible where `mask` (stretched to it) is black; `blur` softens the mask's edge in pixels."""
    shown = ImageOps.invert(soften(mask.convert("L").resize(image.size), blur))
    result = image.convert("RGBA").copy()
    result.putalpha(ImageChops.multiply(result.getchannel("A"), shown))
    return result


def paste_black(generated: Image.Image, source: Image.Image, mask: Image.Image, blur: int = 0) -> Image.Image:
    """`source` with `generated` (stretched to its size) where `mask` is black, RGBA."""
    size = source.size
    stencil = soften(mask.convert("L").resize(size), blur)
    layer = generated.convert("RGBA")
    layer = layer if layer.size == size else layer.resize(size, Image.Resampling.LANCZOS)
    return Image.composite(source.convert("RGBA"), layer, stencil)


def soften(mask: Image.Image, blur: int) -> Image.Image:
    """`mask` with a soft edge `blur` pixels to either side."""
    return mask.filter(ImageFilter.GaussianBlur(blur / 2)) if blur > 0 else mask


def alpha_tensor(image: Image.Image, invert: bool) -> TensorMask:
    """True where the picture is more than half opaque."""
    opaque = np.asarray(image.convert("RGBA").getchannel("A")) >= 128
    return (opaque ^ invert)[None]


def grey_tensor(image: Image.Image, cutoff: int, invert: bool) -> TensorMask:
    """True where the grey value is under `cutoff`."""
    return ((np.asarray(image.convert("L")) < cutoff) ^ invert)[None]


def rectangle_tensor(
    width: int, height: int, left: int, top: int, box_width: int, box_height: int, limit: int = MAX_PIXELS
) -> TensorMask:
    """True inside a rectangle; what of it lies outside of the mask is cut off."""
    require_size(width, height, limit)
    mask = np.zeros((1, height, width), dtype=np.bool_)
    mask[0, max(0, top) : max(0, top + box_height), max(0, left) : max(0, left + box_width)] = True
    return mask


def as_mask(tensor: NDArray[np.generic]) -> TensorMask:
    """A stored tensor as a mask, shape (1, H, W); numbers apply from over one half. Takes (H, W), too.

    Raises:
        ValueError: another shape.
    """
    plane = tensor[None] if tensor.ndim == 2 else tensor
    if plane.ndim != 3 or plane.shape[0] != 1:
        raise ValueError(f"A mask has the shape (1, H, W), not {tensor.shape}.")
    return np.asarray(plane if plane.dtype == np.bool_ else plane.astype(np.float32) > 0.5, dtype=np.bool_)


def tensor_to_image(mask: NDArray[np.generic]) -> Image.Image:
    """White where the mask applies, as an L picture. Raises ValueError for an array that is no mask."""
    return Image.fromarray(as_mask(mask)[0].astype(np.uint8) * 255)


def apply_tensor(image: Image.Image, mask: NDArray[np.generic], invert: bool) -> Image.Image:
    """`image`, RGBA, transparent where the mask (stretched to it) is false.

    Raises:
        ValueError: the array is no mask.
    """
    shown = tensor_to_image(mask).resize(image.size, Image.Resampling.NEAREST)
    result = image.convert("RGBA").copy()
    result.putalpha(ImageChops.multiply(result.getchannel("A"), ImageOps.invert(shown) if invert else shown))
    return result
