"""One channel of a picture: take it out, move it, scale it. Channels are 8-bit; values are clipped, hues wrap round."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops

from invokeai.backend.image.colour_spaces import from_cielab, to_cielab
from invokeai.backend.image.pixels import Floats, join_alpha, map_colours, split_alpha

CHANNELS: dict[str, tuple[str, int]] = {
    "Red (RGBA)": ("RGBA", 0),
    "Green (RGBA)": ("RGBA", 1),
    "Blue (RGBA)": ("RGBA", 2),
    "Alpha (RGBA)": ("RGBA", 3),
    "Cyan (CMYK)": ("CMYK", 0),
    "Magenta (CMYK)": ("CMYK", 1),
    "Yellow (CMYK)": ("CMYK", 2),
    "Black (CMYK)": ("CMYK", 3),
    "Hue (HSV)": ("HSV", 0),
    "Saturation (HSV)": ("HSV", 1),
    "Value (HSV)": ("HSV", 2),
    "Luminosity (LAB)": ("LAB", 0),
    "A (LAB)": ("LAB", 1),
    "B (LAB)": ("LAB", 2),
    "Y (YCbCr)": ("YCbCr", 0),
    "Cb (YCbCr)": ("YCbCr", 1),
    "Cr (YCbCr)": ("YCbCr", 2),
}
"""Name of a channel to its colour space and place there."""


def offset_channel(image: Image.Image, channel: str, offset: int) -> Image.Image:
    """`image` with `offset` (-255 to 255) added to a channel (a key of `CHANNELS`)."""
    if channel == "Hue (HSV)":
        return _change(image, channel, lambda value: (value + offset) % 256)
    return _change(image, channel, lambda value: value + offset)


def multiply_channel(image: Image.Image, channel: str, factor: float, invert: bool) -> Image.Image:
    """`image` with a channel (a key of `CHANNELS`) times `factor`, then turned to 255 minus itself for `invert`."""

    def scaled(value: int) -> int:
        result = min(255, round(value * factor))
        return 255 - result if invert else result

    return _change(image, channel, scaled)


def extract_channel(image: Image.Image, channel: str) -> Image.Image:
    """The channel R, G, B or A as an L picture."""
    return image.convert("RGBA").getchannel(channel)


def _change(image: Image.Image, channel: str, change: Callable[[int], int]) -> Image.Image:
    space, index = CHANNELS[channel]
    table = [min(255, max(0, change(value))) for value in range(256)]
    if space == "LAB":
        return map_colours(image, lambda rgb: _change_lab(rgb, index, table))
    if space == "RGBA":
        return _with_band(image.convert("RGBA"), index, table)
    rgb, alpha = split_alpha(image)
    source = _to_cmyk(rgb) if space == "CMYK" else rgb.convert(space)
    changed = _with_band(source, index, table)
    return join_alpha(_from_cmyk(changed) if space == "CMYK" else changed.convert("RGB"), alpha)


def _with_band(image: Image.Image, index: int, table: list[int]) -> Image.Image:
    bands = list(image.split())
    bands[index] = bands[index].point(table)
    return Image.merge(image.mode, bands)


def _to_cmyk(rgb: Image.Image) -> Image.Image:
    """CMYK with the black taken out of the inks, so that the black channel means something."""
    inks = [ImageChops.invert(band) for band in rgb.split()]
    black = ImageChops.darker(ImageChops.darker(inks[0], inks[1]), inks[2])
    return Image.merge("CMYK", [*(ImageChops.subtract(ink, black) for ink in inks), black])


def _from_cmyk(cmyk: Image.Image) -> Image.Image:
    *inks, black = cmyk.split()
    return Image.merge("RGB", [ImageChops.invert(ImageChops.add(ink, black)) for ink in inks])


def _change_lab(rgb: Floats, index: int, table: list[int]) -> Floats:
    """The table read between its entries, so that what does not change keeps its fractions."""
    lab = to_cielab(rgb)
    step, zero = (2.55, 0) if index == 0 else (1.0, 128)
    lab[..., index] = (np.interp(lab[..., index] * step + zero, np.arange(256), table) - zero) / step
    return from_cielab(lab)
