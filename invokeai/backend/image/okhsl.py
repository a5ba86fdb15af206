"""Okhsl and Okhsv on float arrays (…, 3), each channel 0 to 1; the whole cube lies in the sRGB gamut.

From the published description: B. Ottosson, "Okhsv and Okhsl: two new color spaces for color picking" (2021).
The cusp of a hue (most saturated colour) is found by bisection in place of the fitted polynomials, once for a
table of hues; what lies between two hues of the table is interpolated.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from invokeai.backend.image.colour_spaces import (
    from_linear,
    from_polar,
    linear_to_oklab,
    oklab_to_linear,
    to_linear,
    to_polar,
)
from invokeai.backend.image.pixels import Floats

_HUES = 4096
_K1, _K2 = 0.206, 0.03
_K3 = (1 + _K1) / (1 + _K2)
_TINY = np.float32(1e-6)
_DENT = 8e-4
"""How far below zero a channel may be: the gamut is dented near blue, and a bisection must step over the dent."""


def _toe(lightness: Floats) -> Floats:
    """Lightness with black expanded, close to CIELAB's."""
    x = _K3 * lightness - _K1
    return np.asarray(0.5 * (x + np.sqrt(x * x + 4 * _K2 * _K3 * lightness)), dtype=np.float32)


def _toe_inverse(lightness: Floats) -> Floats:
    return np.asarray((lightness**2 + _K1 * lightness) / (_K3 * (lightness + _K2)), dtype=np.float32)


def _halve(low: Floats, high: Floats, holds: Callable[[Floats], NDArray[np.bool_]]) -> tuple[Floats, Floats]:
    """Bounds so close that they are equal, `low` where it holds."""
    for _ in range(30):
        middle = (low + high) / 2
        held = holds(middle)
        low, high = np.where(held, middle, low), np.where(held, high, middle)
    return low, high


@cache
def _cusps() -> tuple[Floats, Floats]:
    """Lightness and chroma of the most saturated colour of each hue of the table (one more entry closes the circle)."""
    hues = np.arange(_HUES + 1, dtype=np.float32) / _HUES

    def lowest(saturation: Floats) -> Floats:
        colours = np.stack([np.ones_like(hues), saturation, hues], axis=-1)
        return np.asarray(oklab_to_linear(from_polar(colours)).min(axis=-1))

    low, high = _halve(np.zeros_like(hues), np.full_like(hues, 4), lambda middle: lowest(middle) >= -_DENT * 12)
    sharp = lowest(low * 0.97) >= 0  # away from the dent the edge is found exactly
    exact, _ = _halve(low * 0.97, high, lambda middle: lowest(middle) >= 0)
    low = np.where(sharp, exact, low)
    brightest = oklab_to_linear(from_polar(np.stack([np.ones_like(hues), low, hues], axis=-1))).max(axis=-1)
    lightness = np.cbrt(1 / brightest)
    return lightness.astype(np.float32), (lightness * low).astype(np.float32)


def _cusp(hue: Floats) -> tuple[Floats, Floats]:
    table_l, table_c = _cusps()
    place = (hue % 1) * _HUES
    index = np.minimum(place.astype(np.int32), _HUES - 1)
    part = place - index
    lightness = table_l[index] * (1 - part) + table_l[index + 1] * part
    chroma = table_c[index] * (1 - part) + table_c[index + 1] * part
    return lightness.astype(np.float32), chroma.astype(np.float32)


def _most_chroma(lightness: Floats, hue: Floats, steps: int = 14) -> Floats:
    """Largest chroma in gamut at a lightness and hue, by bisection."""
    low, high = np.zeros_like(lightness), np.full_like(lightness, 0.5)
    for _ in range(steps):
        middle = (low + high) / 2
        light = oklab_to_linear(from_polar(np.stack([lightness, middle, hue], axis=-1)))
        shown = np.all((light >= -_DENT) & (light <= 1 + _DENT), axis=-1)
        low, high = np.where(shown, middle, low), np.where(shown, high, middle)
    return np.maximum(low, _TINY)


def _middle_st(hue: Floats) -> tuple[Floats, Floats]:
    """Smooth stand-in for the cusp's two slopes; the coefficients are those of the published description."""
    angle = hue * (2 * np.pi)
    a, b = np.cos(angle), np.sin(angle)
    s_inner = -4.24894561 + 5.38770819 * b + 4.69891013 * a
    s_outer = -2.19557347 + 1.75198401 * b + a * (-2.13704948 - 10.02301043 * b + a * s_inner)
    s = 0.11516993 + 1 / (7.44778970 + 4.15901240 * b + a * s_outer)
    t_inner = 0.00299215 - 0.45399568 * b - 0.14661872 * a
    t_outer = 0.40370612 + 0.90148123 * b + a * (-0.27087943 + 0.61223990 * b + a * t_inner)
    t = 0.11239642 + 1 / (1.61320320 - 0.68124379 * b + a * t_outer)
    return s, t


def _chroma_marks(lightness: Floats, hue: Floats) -> tuple[Floats, Floats, Floats]:
    """Chroma at saturation 0 (its slope), 0.8 and 1."""
    cusp_l, cusp_c = _cusp(hue)
    most = _most_chroma(lightness, hue)
    rest = 1 - lightness
    scale = most / np.maximum(np.minimum(lightness * cusp_c / cusp_l, rest * cusp_c / (1 - cusp_l)), _TINY)
    s, t = _middle_st(hue)
    left, right = np.maximum(lightness * s, _TINY), np.maximum(rest * t, _TINY)
    middle = 0.9 * scale * np.sqrt(np.sqrt(1 / (1 / left**4 + 1 / right**4)))
    left, right = np.maximum(lightness * 0.4, _TINY), np.maximum(rest * 0.8, _TINY)
    return np.sqrt(1 / (1 / left**2 + 1 / right**2)), middle, most


def to_okhsl(rgb: Floats) -> Floats:
    """(hue, saturation, lightness) of sRGB."""
    lch = to_polar(linear_to_oklab(to_linear(rgb)))
    lightness, chroma, hue = lch[..., 0], lch[..., 1], lch[..., 2]
    start, middle, most = _chroma_marks(np.clip(lightness, 0, 1), hue)
    k1 = 0.8 * start
    k2 = 1 - k1 / middle
    dull = chroma / (k1 + k2 * chroma) * 0.8
    k1 = 0.2 * middle**2 * 1.25**2 / start
    k2 = 1 - k1 / np.maximum(most - middle, _TINY)
    strong = 0.8 + 0.2 * (chroma - middle) / (k1 + k2 * (chroma - middle))
    saturation = np.where(chroma < middle, dull, strong)
    saturation = np.where((lightness <= 1e-4) | (lightness >= 1 - 1e-4) | (chroma < 1e-5), 0, saturation)
    return np.stack([hue, np.clip(saturation, 0, 1), np.clip(_toe(lightness), 0, 1)], axis=-1).astype(np.float32)


def from_okhsl(hsl: Floats) -> Floats:
    """sRGB of (hue, saturation, lightness)."""
    hue, saturation = hsl[..., 0] % 1, np.clip(hsl[..., 1], 0, 1)
    lightness = _toe_inverse(np.clip(hsl[..., 2], 0, 1))
    start, middle, most = _chroma_marks(lightness, hue)
    t = 1.25 * saturation
    k1 = 0.8 * start
    dull = t * k1 / (1 - (1 - k1 / middle) * t)
    t = (saturation - 0.8) / 0.2
    k1 = 0.2 * middle**2 * 1.25**2 / start
    strong = middle + t * k1 / (1 - (1 - k1 / np.maximum(most - middle, _TINY)) * t)
    chroma = np.where(saturation < 0.8, dull, strong)
    chroma = np.where((lightness <= 1e-4) | (lightness >= 1 - 1e-4), 0, chroma)
    return from_linear(oklab_to_linear(from_polar(np.stack([lightness, chroma, hue], axis=-1))))


def _triangle_scale(lightness: Floats, chroma: Floats, hue: Floats) -> Floats:
    """By how much the rounded top of the gamut is stretched to the triangle's straight top."""
    light = oklab_to_linear(from_polar(np.stack([lightness, chroma, hue], axis=-1)))
    return np.asarray(np.cbrt(1 / np.maximum(light.max(axis=-1), _TINY)), dtype=np.float32)


def to_okhsv(rgb: Floats) -> Floats:
    """(hue, saturation, value) of sRGB."""
    lch = to_polar(linear_to_oklab(to_linear(rgb)))
    lightness, chroma, hue = np.maximum(lch[..., 0], _TINY), lch[..., 1], lch[..., 2]
    cusp_l, cusp_c = _cusp(hue)
    s_max, t_max = cusp_c / cusp_l, cusp_c / (1 - cusp_l)
    k = 1 - 0.5 / s_max
    t = t_max / (chroma + lightness * t_max)
    top_l, top_c = t * lightness, t * chroma
    inner_l = _toe_inverse(top_l)
    scale = _triangle_scale(inner_l, top_c * inner_l / top_l, hue)
    value = _toe(lightness / scale) / top_l
    saturation = (0.5 + t_max) * top_c / (t_max * 0.5 + t_max * k * top_c)
    saturation = np.where(chroma < 1e-5, 0, saturation)
    return np.stack([hue, np.clip(saturation, 0, 1), np.clip(value, 0, 1)], axis=-1).astype(np.float32)


def from_okhsv(hsv: Floats) -> Floats:
    """sRGB of (hue, saturation, value)."""
    hue, saturation, value = hsv[..., 0] % 1, np.clip(hsv[..., 1], 0, 1), np.clip(hsv[..., 2], 0, 1)
    cusp_l, cusp_c = _cusp(hue)
    s_max, t_max = cusp_c / cusp_l, cusp_c / (1 - cusp_l)
    k = 1 - 0.5 / s_max
    share = 0.5 + t_max - t_max * k * saturation
    top_l, top_c = 1 - saturation * 0.5 / share, saturation * t_max * 0.5 / share
    lightness, chroma = value * top_l, value * top_c
    inner_l = _toe_inverse(top_l)
    inner_c = top_c * inner_l / top_l
    toed = _toe_inverse(lightness)
    chroma = chroma * toed / np.maximum(lightness, _TINY)
    scale = _triangle_scale(inner_l, inner_c, hue)
    lab = from_polar(np.stack([toed * scale, chroma * scale, hue], axis=-1))
    return from_linear(oklab_to_linear(lab))
