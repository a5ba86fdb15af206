"""Blend modes: base colour b under upper colour s, floats (…, 3) in 0 to 1.

Sources: W3C, "Compositing and Blending Level 1" (2024), for the modes it names; Adobe, "PDF Reference", 11.3.5, and the
usual definitions for linear and vivid light, burns and divide. The four modes that trade hue, saturation and lightness
follow the W3C in RGB; in a space that has these channels they simply exchange them.
"""

from collections.abc import Callable

import numpy as np

from invokeai.backend.image import colour_spaces as cs
from invokeai.backend.image.colours import show
from invokeai.backend.image.okhsl import from_okhsl, from_okhsv, to_okhsl, to_okhsv
from invokeai.backend.image.pixels import Floats

Mix = Callable[[Floats, Floats], Floats]
Turn = Callable[[Floats], Floats]
_LUMA = np.array([0.3, 0.59, 0.11], np.float32)
_TINY = 1e-6


def _dodge(b: Floats, s: Floats) -> Floats:
    return np.where(b <= 0, 0, np.where(s >= 1, 1, np.minimum(1, b / np.maximum(1 - s, _TINY))))


def _burn(b: Floats, s: Floats) -> Floats:
    return np.where(b >= 1, 1, np.where(s <= 0, 0, 1 - np.minimum(1, (1 - b) / np.maximum(s, _TINY))))


def _screen(b: Floats, s: Floats) -> Floats:
    return b + s - b * s


def _hard_light(b: Floats, s: Floats) -> Floats:
    return np.where(s <= 0.5, b * 2 * s, _screen(b, 2 * s - 1))


def _soft_light(b: Floats, s: Floats) -> Floats:
    curve = np.where(b <= 0.25, ((16 * b - 12) * b + 4) * b, np.sqrt(np.maximum(b, 0)))
    return np.where(s <= 0.5, b - (1 - 2 * s) * b * (1 - b), b + (2 * s - 1) * (curve - b))


def _vivid_light(b: Floats, s: Floats) -> Floats:
    return np.where(s <= 0.5, _burn(b, 2 * s), _dodge(b, 2 * s - 1))


SEPARABLE: dict[str, Mix] = {
    "Normal": lambda b, s: s,
    "Lighten Only": np.maximum,
    "Darken Only": np.minimum,
    "Linear Dodge (Add)": lambda b, s: b + s,
    "Subtract": lambda b, s: b - s,
    "Multiply": lambda b, s: b * s,
    "Divide": lambda b, s: np.where(b <= 0, 0, b / np.maximum(s, _TINY)),
    "Screen": _screen,
    "Overlay": lambda b, s: _hard_light(s, b),
    "Linear Burn": lambda b, s: b + s - 1,
    "Difference": lambda b, s: np.abs(b - s),
    "Hard Light": _hard_light,
    "Soft Light": _soft_light,
    "Vivid Light": _vivid_light,
    "Linear Light": lambda b, s: b + 2 * s - 1,
    "Color Burn": _burn,
    "Color Dodge": _dodge,
}
"""Modes that work on each channel by itself."""

EXCHANGES = {"Hue": (0,), "Saturation": (1,), "Color": (0, 1), "Luminosity": (2,)}
"""Modes that take from the upper colour: 0 hue, 1 saturation, 2 lightness."""


def _lum(c: Floats) -> Floats:
    return np.asarray((c * _LUMA).sum(axis=-1, keepdims=True))


def _set_lum(c: Floats, lum: Floats) -> Floats:
    c = c + (lum - _lum(c))
    mean, low, high = _lum(c), c.min(axis=-1, keepdims=True), c.max(axis=-1, keepdims=True)
    c = np.where(low < 0, mean + (c - mean) * mean / np.maximum(mean - low, _TINY), c)
    return np.where(high > 1, mean + (c - mean) * (1 - mean) / np.maximum(high - mean, _TINY), c)


def _set_sat(c: Floats, source: Floats) -> Floats:
    low, high = c.min(axis=-1, keepdims=True), c.max(axis=-1, keepdims=True)
    wanted = source.max(axis=-1, keepdims=True) - source.min(axis=-1, keepdims=True)
    return np.asarray((c - low) * wanted / np.maximum(high - low, _TINY))


def _exchange_rgb(b: Floats, s: Floats, mode: str) -> Floats:
    if mode == "Hue":
        return _set_lum(_set_sat(s, b), _lum(b))
    if mode == "Saturation":
        return _set_lum(_set_sat(b, s), _lum(b))
    return _set_lum(s, _lum(b)) if mode == "Color" else _set_lum(b, _lum(s))


def _by_lightness(b: Floats, s: Floats, mode: str) -> Floats:
    upper_is_lighter = cs.achromatic_lightness(s) >= cs.achromatic_lightness(b)
    take_upper = upper_is_lighter if mode.startswith("Lighten") else ~upper_is_lighter
    return np.where(take_upper[..., None], s, b)


def _cylinder(space: str, keep_chroma: float, steps: int) -> tuple[Turn, Turn] | None:
    """To and from (hue, saturation, lightness) of a space; None for RGB, which has no hue."""

    def from_oklch(hsl: Floats) -> Floats:
        return cs.from_oklab(cs.from_polar(show(hsl[..., ::-1], keep_chroma, steps)))

    def from_lch(hsl: Floats) -> Floats:
        lch = hsl[..., ::-1].copy()
        lch[..., 0] *= 100
        return cs.from_cielab(cs.from_polar(lch))

    def to_lch(rgb: Floats) -> Floats:
        lch = cs.to_polar(cs.to_cielab(rgb))
        lch[..., 0] /= 100
        return lch[..., ::-1]

    return {
        "HSL (RGB)": (cs.to_hsl, cs.from_hsl),
        "HSV (RGB)": (cs.to_hsv, cs.from_hsv),
        "Okhsl": (to_okhsl, from_okhsl),
        "Okhsv": (to_okhsv, from_okhsv),
        "Oklch (Oklab)": (lambda rgb: cs.to_polar(cs.to_oklab(rgb))[..., ::-1], from_oklch),
        "LCh (CIELab)": (to_lch, from_lch),
    }.get(space)


def blend_colours(b: Floats, s: Floats, mode: str, space: str, keep_chroma: float = 0, steps: int = 16) -> Floats:
    """The blended colour, 0 to 1, both layers taken as opaque.

    In a space with a hue, a mode of `SEPARABLE` other than Normal changes the base's lightness and nothing else.
    """
    if mode.endswith("(EAL)"):
        return _by_lightness(b, s, mode)
    if mode == "Normal":
        return s
    cylinder = _cylinder(space, keep_chroma, steps)
    if cylinder is None:
        linear = space == "Linear RGB"
        b, s = (cs.to_linear(b), cs.to_linear(s)) if linear else (b, s)
        mixed = _exchange_rgb(b, s, mode) if mode in EXCHANGES else SEPARABLE[mode](b, s)
        mixed = np.clip(mixed, 0, 1)
        return cs.from_linear(mixed) if linear else mixed
    forth, back = cylinder
    below, above = forth(b).copy(), forth(s)
    if mode in EXCHANGES:
        for index in EXCHANGES[mode]:
            below[..., index] = above[..., index]
    else:
        below[..., 2] = np.clip(SEPARABLE[mode](below[..., 2], above[..., 2]), 0, 1)
    return np.clip(back(below), 0, 1)
