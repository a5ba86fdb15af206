"""Two pictures on top of each other: blended layers, and a subject cut out of its backdrop."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps

from invokeai.backend.image.blending import blend_colours
from invokeai.backend.image.pixels import MAX_PIXELS, Floats, require_size, strips, to_floats
from invokeai.backend.image.regions import Region, connected


@dataclass(frozen=True, slots=True)
class Blend:
    """How two layers are mixed. `keep_chroma` and `steps` steer the gamut mapping of the Oklch space."""

    mode: str = "Normal"
    space: str = "RGB"
    opacity: float = 1.0
    keep_chroma: float = 0.0
    steps: int = 16


def fit(image: Image.Image, to: Image.Image, width: bool, height: bool, limit: int = MAX_PIXELS) -> Image.Image:
    """`image` scaled to `to`'s width or height with its shape kept, to both without, or as it is."""
    if not (width or height):
        return image
    size = (
        to.width if width else max(1, round(image.width * to.height / image.height)),
        to.height if height else max(1, round(image.height * to.width / image.width)),
    )
    return image if size == image.size else image.resize(require_size(*size, limit), Image.Resampling.LANCZOS)


def blend_layers(base: Image.Image, upper: Image.Image, mask: Image.Image | None, blend: Blend) -> Image.Image:
    """`upper`, centred, blended over `base`, RGBA of the base's size.

    `mask` (stretched to the base) is white where the base must stay as it is.
    """
    below = base.convert("RGBA")
    above = Image.new("RGBA", below.size)
    above.paste(upper.convert("RGBA"), ((below.width - upper.width) // 2, (below.height - upper.height) // 2))
    stencil = Image.new("L", below.size, 255)
    if mask is not None:
        stencil = ImageOps.invert(mask.convert("L").resize(below.size))
    result = Image.new("RGBA", below.size)
    for box in strips(below):
        strip = _blend_strip(
            to_floats(below.crop(box)), to_floats(above.crop(box)), to_floats(stencil.crop(box)), blend
        )
        result.paste(Image.fromarray((np.clip(strip, 0, 1) * 255 + 0.5).astype(np.uint8)), box)
    return result


def _blend_strip(below: Floats, above: Floats, stencil: Floats, blend: Blend) -> Floats:
    """Simple alpha compositing with the blended colour where both layers are (W3C, section 9.1.4)."""
    b, s = below[..., :3], above[..., :3]
    under = below[..., 3:]
    over = above[..., 3:] * stencil[..., None] * min(1.0, blend.opacity)
    mixed = blend_colours(b, s, blend.mode, blend.space, blend.keep_chroma, blend.steps)
    alpha = over + under * (1 - over)
    colour = over * (1 - under) * s + over * under * mixed + (1 - over) * under * b
    return np.concatenate([colour / np.maximum(alpha, 1e-6), alpha], axis=-1)


def cut_out(subject: Image.Image, key: str, threshold: int) -> Image.Image:
    """`subject`, RGBA, without its plain backdrop.

    Args:
        key: a CSS colour or `(r, g, b)`: every pixel near it goes. Empty: what joins a corner and is near its colour.
        threshold: largest sum of the channels' differences that counts as near.

    Raises:
        ValueError: `key` is no colour.
    """
    pixels = np.asarray(subject.convert("RGB"), dtype=np.int16)

    def near(colour: NDArray[np.int16]) -> Region:
        return np.asarray(np.abs(pixels - colour).sum(axis=-1) <= threshold)

    if key.strip():
        backdrop = near(np.array(parse_colour(key), dtype=np.int16))
    else:
        backdrop = np.zeros(pixels.shape[:2], dtype=np.bool_)
        for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
            seeds = np.zeros_like(backdrop)
            seeds[corner] = True
            if not backdrop[corner]:
                backdrop |= connected(near(pixels[corner]), seeds)
    result = np.array(subject.convert("RGBA"))
    result[backdrop, 3] = 0
    return Image.fromarray(result)


def parse_colour(text: str) -> tuple[int, int, int]:
    """Red, green and blue of a CSS colour, or of three numbers with commas.

    Raises:
        ValueError: it is neither.
    """
    parts = text.strip().strip("()[]").split(",")
    if len(parts) in (3, 4) and all(part.strip().isdigit() for part in parts):
        red, green, blue = (min(255, int(part.strip()[:4])) for part in parts[:3])
        return red, green, blue
    try:
        return ImageColor.getrgb(text.strip())[:3]
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no colour; give a CSS colour such as #00ff00 or (0, 255, 0).") from None


def put_on(background: Image.Image, subject: Image.Image, x: int, y: int) -> Image.Image:
    """`subject` over `background`, centred and then moved by (x, y), RGBA of the background's size."""
    layer = Image.new("RGBA", background.size)
    left, top = (background.width - subject.width) // 2 + x, (background.height - subject.height) // 2 + y
    layer.paste(subject.convert("RGBA"), (left, top))
    return Image.alpha_composite(background.convert("RGBA"), layer)
