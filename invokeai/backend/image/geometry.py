"""Size and place: resize, crop, pad, paste. Pixels that come from nowhere are transparent.

Every function checks the size of its result before it makes it.
"""

from collections.abc import Sequence

from PIL import Image, ImageOps

from invokeai.backend.image.pixels import MAX_PIXELS, has_alpha, require_size

RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

KONTEXT_SIZES = (
    (672, 1568), (688, 1504), (720, 1456), (752, 1392), (800, 1328), (832, 1248), (880, 1184), (944, 1104),
    (1024, 1024),
    (1104, 944), (1184, 880), (1248, 832), (1328, 800), (1392, 752), (1456, 720), (1504, 688), (1568, 672),
)  # fmt: skip
"""Width and height that FLUX.1 Kontext was trained on, as Black Forest Labs publishes them."""


def blank(width: int, height: int, mode: str, color: tuple[int, int, int, int], limit: int = MAX_PIXELS) -> Image.Image:
    """One colour, RGBA given; an RGB picture leaves the alpha out."""
    require_size(width, height, limit)
    return Image.new(mode, (width, height), color if mode == "RGBA" else color[:3])


def resize(image: Image.Image, width: int, height: int, resample: str, limit: int = MAX_PIXELS) -> Image.Image:
    """`image` stretched to a size; `resample` is a key of `RESAMPLING`."""
    return image.resize(require_size(width, height, limit), RESAMPLING[resample])


def scale(image: Image.Image, factor: float, resample: str, limit: int = MAX_PIXELS) -> Image.Image:
    """`image` with both sides times `factor`, fractions of a pixel dropped, at least 1 × 1."""
    return resize(image, max(1, int(image.width * factor)), max(1, int(image.height * factor)), resample, limit)


def crop(image: Image.Image, x: int, y: int, width: int, height: int, limit: int = MAX_PIXELS) -> Image.Image:
    """A window of `image`. What lies outside of it is transparent, so the result is RGBA then."""
    require_size(width, height, limit)
    inside = x >= 0 and y >= 0 and x + width <= image.width and y + height <= image.height
    return (image if inside else image.convert("RGBA")).crop((x, y, x + width, y + height))


def pad_or_crop(
    image: Image.Image, left: int, right: int, top: int, bottom: int, limit: int = MAX_PIXELS
) -> Image.Image:
    """Each side moved outwards (positive, transparent) or inwards (negative)."""
    return crop(image, -left, -top, image.width + left + right, image.height + top + bottom, limit)


def crop_to_visible(image: Image.Image) -> Image.Image:
    """`image` without its fully transparent margins; as it is when nothing of it is visible."""
    box = image.convert("RGBA").getchannel("A").getbbox() if has_alpha(image) else None
    return image.crop(box) if box else image.copy()


def paste(
    base: Image.Image,
    image: Image.Image,
    mask: Image.Image | None,
    x: int,
    y: int,
    crop_to_base: bool,
    limit: int = MAX_PIXELS,
) -> Image.Image:
    """`image` laid over `base` with its corner at (x, y), RGBA.

    `mask` (of `image`'s size; stretched otherwise) is black where the image shows and white where it does not.
    Without `crop_to_base` the canvas grows to hold both.
    """
    left, top = min(0, x), min(0, y)
    right, bottom = max(base.width, x + image.width), max(base.height, y + image.height)
    if crop_to_base:
        left, top, right, bottom = 0, 0, base.width, base.height
    canvas = Image.new("RGBA", require_size(right - left, bottom - top, limit))
    canvas.paste(base.convert("RGBA"), (-left, -top))
    layer = image.convert("RGBA")
    if mask is not None:
        stencil = ImageOps.invert(mask.convert("L").resize(layer.size))
        canvas.paste(layer, (x - left, y - top), stencil)
        return canvas
    window = Image.new("RGBA", canvas.size)
    window.paste(layer, (x - left, y - top))
    return Image.alpha_composite(canvas, window)


def paste_into_box(source: Image.Image, target: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """A copy of `target` with `source` in `box` (left, top, right, bottom).

    Raises:
        ValueError: `source` is not of the box's size, or the box leaves the target.
    """
    left, top, right, bottom = box
    if source.size != (right - left, bottom - top):
        raise ValueError(
            f"The source image is {source.width} × {source.height} but the box is {right - left} × {bottom - top}."
        )
    if left < 0 or top < 0 or right > target.width or bottom > target.height:
        raise ValueError(f"The box {box} does not fit into the target image of {target.width} × {target.height}.")
    mode = "RGBA" if has_alpha(source) or has_alpha(target) else "RGB"
    result = target.convert(mode)
    result = result.copy() if result is target else result
    result.paste(source.convert(mode), (left, top))
    return result


def panel(width: int, height: int, columns: int, rows: int, column: int, row: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of one cell of an even grid; what does not divide is left over at right and bottom.

    Raises:
        ValueError: there is no such cell, or the cells would be empty.
    """
    if not (0 <= column < columns and 0 <= row < rows):
        raise ValueError(f"There is no panel ({column}, {row}) in a grid of {columns} columns and {rows} rows.")
    panel_width, panel_height = width // columns, height // rows
    if panel_width < 1 or panel_height < 1:
        raise ValueError(f"An image of {width} × {height} is too small for {columns} × {rows} panels.")
    return column * panel_width, row * panel_height, panel_width, panel_height


def join_for_kontext(images: Sequence[Image.Image], preferred_size: bool, limit: int = MAX_PIXELS) -> Image.Image:
    """Reference pictures side by side, RGB, all of the first one's height.

    With `preferred_size` the first becomes the nearest of `KONTEXT_SIZES` in aspect ratio.

    Raises:
        ValueError: no pictures.
    """
    if not images:
        raise ValueError("At least one image is needed.")
    first = images[0].convert("RGB")
    if preferred_size:
        ratio = first.width / first.height
        first = first.resize(min(KONTEXT_SIZES, key=lambda s: abs(s[0] / s[1] - ratio)), Image.Resampling.LANCZOS)
    widths = [max(1, round(image.width * first.height / image.height)) for image in images[1:]]
    canvas = Image.new("RGB", require_size(first.width + sum(widths), first.height, limit))
    canvas.paste(first, (0, 0))
    left = first.width
    for image, width in zip(images[1:], widths, strict=True):
        canvas.paste(image.convert("RGB").resize((width, first.height), Image.Resampling.LANCZOS), (left, 0))
        left += width
    return canvas
