"""Colour changes of a whole picture: hue, range, enhancement, thresholds, match to a reference. Alpha stays."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageOps

from invokeai.backend.image import colour_spaces
from invokeai.backend.image.okhsl import from_okhsl, from_okhsv, to_okhsl, to_okhsv
from invokeai.backend.image.pixels import Floats, from_floats, join_alpha, map_colours, split_alpha, strips, to_floats

Change = Callable[[Floats], Floats]


def convert_mode(image: Image.Image, mode: str) -> Image.Image:
    """`image` after a conversion to a PIL mode, as a picture that a PNG can hold.

    L, RGB and RGBA are kept. I and F become L. CMYK, YCbCr, LAB and HSV become RGB again, so what stays of the
    conversion is its loss: rounding, and no alpha.
    """
    if mode in ("L", "RGB", "RGBA"):
        return image.convert(mode)
    if mode in ("I", "F"):
        return image.convert("L")
    return image.convert("RGB").convert(mode).convert("RGB")


def lerp(image: Image.Image, low: int, high: int) -> Image.Image:
    """Values 0 to 255 squeezed into `low` to `high`."""
    return _by_table(image, lambda value: low + value / 255 * (high - low))


def inverse_lerp(image: Image.Image, low: int, high: int) -> Image.Image:
    """Values `low` to `high` stretched to 0 to 255, the rest clipped; equal bounds make a step."""
    span = high - low
    return _by_table(image, lambda value: (value - low) / span * 255 if span else 255 * (value > low))


def _by_table(image: Image.Image, change: Callable[[int], float]) -> Image.Image:
    table = [round(min(255.0, max(0.0, change(value)))) for value in range(256)]
    if image.mode == "L":
        return image.point(table)
    rgb, alpha = split_alpha(image)
    return join_alpha(rgb.point(table * 3), alpha)


def multiply(first: Image.Image, second: Image.Image) -> Image.Image:
    """Product of two pictures (white is 1), in the first one's mode and over the area that both cover."""
    return ImageChops.multiply(first, second.convert(first.mode))


def rotate_hue(image: Image.Image, degrees: float) -> Image.Image:
    """Hue turned in HSV."""
    turn = degrees / 360
    return map_colours(image, lambda rgb: colour_spaces.from_hsv(_turn_first(colour_spaces.to_hsv(rgb), turn)))


def rotate_hue_oklch(image: Image.Image, degrees: float, keep_chroma: float = 0, steps: int = 12) -> Image.Image:
    """Hue turned in Oklch; what leaves the gamut loses chroma, or with `keep_chroma` (0 up) partly lightness."""
    return map_colours(image, _turned(degrees, keep_chroma, steps))


def _turned(degrees: float, keep_chroma: float, steps: int) -> Change:
    def change(rgb: Floats) -> Floats:
        lch = colour_spaces.to_polar(colour_spaces.to_oklab(rgb))
        lch[..., 2] = (lch[..., 2] + degrees / 360) % 1
        return colour_spaces.from_oklab(colour_spaces.from_polar(show(lch, keep_chroma, steps)))

    return change


def show(lch: Floats, keep_chroma: float, steps: int = 12) -> Floats:
    """Oklch brought into the gamut. Larger `keep_chroma` moves lightness towards the middle before chroma is cut."""
    if keep_chroma <= 0:
        return colour_spaces.fit_gamut(lch, steps)
    cut = colour_spaces.fit_gamut(lch, steps)
    lost = (lch[..., 1] - cut[..., 1]) / np.maximum(lch[..., 1], 1e-6)
    towards = lost * keep_chroma / (1 + keep_chroma)
    moved = lch.copy()
    moved[..., 0] += (0.5 - moved[..., 0]) * towards
    return colour_spaces.fit_gamut(moved, steps)


def rotate_hue_in(
    image: Image.Image, space: str, degrees: float, keep_lightness: bool, keep_chroma: float, high_precision: bool
) -> Image.Image:
    """Hue turned in a named space, optionally with every pixel's CIELAB lightness as it was.

    Raises:
        ValueError: `space` is UPLab, whose colour profile is not part of this package, or unknown.
    """
    steps = 16 if high_precision else 8
    turn = degrees / 360
    changes: dict[str, Change] = {
        "HSV / HSL / RGB": lambda rgb: colour_spaces.from_hsv(_turn_first(colour_spaces.to_hsv(rgb), turn)),
        "Okhsl": lambda rgb: from_okhsl(_turn_first(to_okhsl(rgb), turn)),
        "Okhsv": lambda rgb: from_okhsv(_turn_first(to_okhsv(rgb), turn)),
        "*Oklch / Oklab": _turned(degrees, keep_chroma, steps),
        "*LCh / CIELab": lambda rgb: _turn_lab(rgb, turn),
    }
    if space not in changes:
        raise ValueError(f"The colour space {space} needs a colour profile that is not part of this package.")
    change = changes[space]
    return map_colours(image, (lambda rgb: _with_lightness(change(rgb), rgb)) if keep_lightness else change)


def _turn_first(values: Floats, turn: float) -> Floats:
    values[..., 0] = (values[..., 0] + turn) % 1
    return values


def _turn_lab(rgb: Floats, turn: float) -> Floats:
    lch = colour_spaces.to_polar(colour_spaces.to_cielab(rgb))
    lch[..., 2] = (lch[..., 2] + turn) % 1
    return colour_spaces.from_cielab(colour_spaces.from_polar(lch))


def _with_lightness(rgb: Floats, source: Floats) -> Floats:
    lab = colour_spaces.to_cielab(np.clip(rgb, 0, 1))
    lab[..., 0] = colour_spaces.to_cielab(source)[..., 0]
    return colour_spaces.from_cielab(lab)


def change_lightness(
    image: Image.Image, change: Callable[[Image.Image], Image.Image], oklab: bool = False
) -> Image.Image:
    """`change` applied to the CIELAB (or Oklab) lightness as an L picture. What it leaves alone stays exactly."""
    forth = colour_spaces.to_oklab if oklab else colour_spaces.to_cielab
    back = colour_spaces.from_oklab if oklab else colour_spaces.from_cielab
    full = 1.0 if oklab else 100.0
    rgb, alpha = split_alpha(image)
    before = map_colours(rgb, lambda part: forth(part)[..., 0] / full)
    after = change(before)
    result = Image.new("RGB", rgb.size)
    for box in strips(rgb):
        lab = forth(to_floats(rgb.crop(box)))
        lab[..., 0] += (to_floats(after.crop(box)) - to_floats(before.crop(box))) * full
        result.paste(from_floats(back(lab)), box)
    return join_alpha(result, alpha)


def achromatic_lightness(image: Image.Image) -> Image.Image:
    """How light each colour looks, strong colours lighter than their lightness says, as an L picture."""
    return map_colours(image, lambda rgb: colour_spaces.achromatic_lightness(rgb) / 100)


def enhance(
    image: Image.Image, invert: bool, color: float, contrast: float, brightness: float, sharpness: float
) -> Image.Image:
    """Inversion, then Pillow's enhancers; 1.0 leaves as it is, 0 takes everything away."""
    rgb, alpha = split_alpha(image)
    if invert:
        rgb = ImageOps.invert(rgb)
    for enhancer, factor in (
        (ImageEnhance.Color, color),
        (ImageEnhance.Contrast, contrast),
        (ImageEnhance.Brightness, brightness),
        (ImageEnhance.Sharpness, sharpness),
    ):
        if factor != 1.0:
            rgb = enhancer(rgb).enhance(factor)
    return join_alpha(rgb, alpha)


def clip_values(image: Image.Image, lower: float, upper: float, renormalize: bool, invert: bool) -> Image.Image:
    """Each channel 0 under `lower` and full from `upper` (both 0 to 1) on, what is between stays or is stretched."""
    span = upper - lower

    def change(value: int) -> float:
        part = value / 255
        if part >= upper:
            part = 1.0
        elif part < lower:
            part = 0.0
        elif renormalize and span > 0:
            part = (part - lower) / span
        return 255 * (1 - part if invert else part)

    return _by_table(image, change)


def match_colours(image: Image.Image, reference: Image.Image, mask: Image.Image | None, space: str) -> Image.Image:
    """`image` with the histogram of each channel matched to the reference's.

    `space`: RGB, YCbCr, or only its chroma (`YCbCr-Chroma`) or luma (`YCbCr-Luma`). Where `mask` is white the image
    stays; only pixels under the black of the mask, where there is one, count as the image's histogram. Transparent
    pixels never count.
    """
    mode = "RGB" if space == "RGB" else "YCbCr"
    rgb, alpha = split_alpha(image)
    ours, theirs = rgb.convert(mode), reference.convert(mode)
    stencil = ImageOps.invert(mask.convert("L").resize(image.size)) if mask is not None else None
    counted = _both(alpha, stencil)
    _, their_alpha = split_alpha(reference)
    bands = list(ours.split())
    chosen = {"YCbCr-Chroma": (1, 2), "YCbCr-Luma": (0,)}.get(space, (0, 1, 2))
    for index in chosen:
        source = bands[index].histogram(_binary(counted))
        target = theirs.getchannel(index).histogram(_binary(their_alpha))
        if sum(source) and sum(target):
            bands[index] = bands[index].point(_matching_table(source, target))
    matched = Image.merge(mode, bands).convert("RGB")
    if stencil is not None:
        matched = Image.composite(matched, rgb, stencil)
    return join_alpha(matched, alpha)


def _both(first: Image.Image | None, second: Image.Image | None) -> Image.Image | None:
    if first is None or second is None:
        return first or second
    return ImageChops.darker(first, second)


def _binary(mask: Image.Image | None) -> Image.Image | None:
    return mask.point([0] * 128 + [255] * 128) if mask is not None else None


def _matching_table(source: list[int], target: list[int]) -> list[int]:
    """For each value, the one with the same rank in `target`."""
    ranks = np.cumsum(source) / sum(source)
    wanted = np.cumsum(target) / sum(target)
    return [int(value) for value in np.minimum(np.searchsorted(wanted, ranks - 1e-9), 255)]
