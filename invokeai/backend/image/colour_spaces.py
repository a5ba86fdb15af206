"""Colour spaces on float arrays (…, 3): RGB is sRGB in 0 to 1, hues are turns in 0 to 1.

Sources: sRGB IEC 61966-2-1; CIELAB CIE 15:2004 with the D65 white; Oklab, B. Ottosson, "A perceptual color space for
image processing" (2020); equivalent achromatic lightness, High, Green and Nussbaum, "The Helmholtz-Kohlrausch effect"
(2021); HSL and HSV, A. R. Smith, "Color gamut transform pairs" (1978). Conversions do not clip; callers do.
"""

import numpy as np

from invokeai.backend.image.pixels import Floats

_SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = _SRGB_TO_XYZ.sum(axis=1)
_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_XYZ = np.linalg.inv(_SRGB_TO_XYZ)
_OKLAB_TO_LMS = np.linalg.inv(_LMS_TO_OKLAB)
_LMS_TO_RGB = np.linalg.inv(_RGB_TO_LMS)


def _times(values: Floats, matrix: Floats) -> Floats:
    return np.asarray(values @ matrix.T.astype(np.float32), dtype=np.float32)


def to_linear(rgb: Floats) -> Floats:
    """Light intensity of sRGB values; odd-symmetric, so that values out of gamut survive a round trip."""
    size = np.abs(rgb)
    light = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.copysign(light, rgb).astype(np.float32)


def from_linear(light: Floats) -> Floats:
    """sRGB values of light intensity; inverse of `to_linear`."""
    size = np.abs(light)
    rgb = np.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)
    return np.copysign(rgb, light).astype(np.float32)


def to_oklab(rgb: Floats) -> Floats:
    """L 0 to 1, a and b about -0.4 to 0.4."""
    return linear_to_oklab(to_linear(rgb))


def linear_to_oklab(light: Floats) -> Floats:
    """Oklab of linear RGB."""
    return _times(np.cbrt(_times(light, _RGB_TO_LMS)), _LMS_TO_OKLAB)


def oklab_to_linear(lab: Floats) -> Floats:
    """Linear RGB of Oklab, beyond 0 to 1 where the colour is out of gamut."""
    return _times(_times(lab, _OKLAB_TO_LMS) ** 3, _LMS_TO_RGB)


def from_oklab(lab: Floats) -> Floats:
    """sRGB of Oklab, not clipped."""
    return from_linear(oklab_to_linear(lab))


def to_cielab(rgb: Floats) -> Floats:
    """L 0 to 100, a and b about -128 to 127."""
    xyz = _times(to_linear(rgb), _SRGB_TO_XYZ) / _WHITE.astype(np.float32)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    lab = np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)
    return lab.astype(np.float32)


def from_cielab(lab: Floats) -> Floats:
    """sRGB of CIELAB, not clipped."""
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, (116 * f - 16) * 27 / 24389) * _WHITE
    return from_linear(_times(xyz.astype(np.float32), _FROM_XYZ))


def to_polar(lab: Floats) -> Floats:
    """(L, a, b) to (L, chroma, hue)."""
    hue = np.arctan2(lab[..., 2], lab[..., 1]) / (2 * np.pi) % 1
    return np.stack([lab[..., 0], np.hypot(lab[..., 1], lab[..., 2]), hue], axis=-1).astype(np.float32)


def from_polar(lch: Floats) -> Floats:
    """(L, chroma, hue) to (L, a, b)."""
    angle = lch[..., 2] * (2 * np.pi)
    return np.stack([lch[..., 0], lch[..., 1] * np.cos(angle), lch[..., 1] * np.sin(angle)], axis=-1).astype(np.float32)


def fit_gamut(lch: Floats, steps: int = 12) -> Floats:
    """Oklch with the chroma lowered, where needed, until the colour can be shown; lightness and hue stay."""
    lch = lch.copy()
    lch[..., 0] = np.clip(lch[..., 0], 0, 1)
    light = oklab_to_linear(from_polar(lch))
    outside = np.any((light < -8e-4) | (light > 1 + 8e-4), axis=-1)
    colours = lch[outside]
    low, high = np.zeros(len(colours), np.float32), colours[:, 1].copy()
    for _ in range(steps):
        middle = (low + high) / 2
        light = oklab_to_linear(from_polar(np.stack([colours[:, 0], middle, colours[:, 2]], axis=-1)))
        shown = np.all((light >= -8e-4) & (light <= 1 + 8e-4), axis=-1)
        low, high = np.where(shown, middle, low), np.where(shown, high, middle)
    colours[:, 1] = low
    lch[outside] = colours
    return lch


def achromatic_lightness(rgb: Floats) -> Floats:
    """How light a colour looks, 0 to 100 and a little over: CIELAB lightness plus what strong colours add by hue."""
    lch = to_polar(to_cielab(rgb))
    hue = lch[..., 2] * (2 * np.pi)
    blue_yellow = 0.1644 * np.abs(np.sin((hue - np.pi / 2) / 2)) + 0.0603
    red = np.where(np.cos(hue) >= 0, 0.1307 * np.abs(np.cos(hue)) + 0.0060, 0)
    return (lch[..., 0] + (blue_yellow + red) * lch[..., 1]).astype(np.float32)


def _hue_and_range(rgb: Floats) -> tuple[Floats, Floats, Floats]:
    high, low = rgb.max(axis=-1), rgb.min(axis=-1)
    spread = high - low
    safe = np.where(spread == 0, 1, spread)
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    sector = np.where(high == r, ((g - b) / safe) % 6, np.where(high == g, (b - r) / safe + 2, (r - g) / safe + 4))
    return (np.where(spread == 0, 0, sector / 6)).astype(np.float32), high, low


def _from_hue(hue: Floats, chroma: Floats, lowest: Floats) -> Floats:
    places = (hue[..., None] * 6 + np.array([0, 4, 2], np.float32)) % 6
    ramps = np.clip(np.abs(places - 3) - 1, 0, 1)
    return np.asarray(lowest[..., None] + chroma[..., None] * ramps, dtype=np.float32)


def to_hsv(rgb: Floats) -> Floats:
    """(hue, saturation, value), each 0 to 1."""
    hue, high, low = _hue_and_range(rgb)
    return np.stack([hue, (high - low) / np.where(high == 0, 1, high), high], axis=-1).astype(np.float32)


def from_hsv(hsv: Floats) -> Floats:
    """sRGB of (hue, saturation, value)."""
    chroma = hsv[..., 2] * hsv[..., 1]
    return _from_hue(hsv[..., 0], chroma, hsv[..., 2] - chroma)


def to_hsl(rgb: Floats) -> Floats:
    """(hue, saturation, lightness), each 0 to 1."""
    hue, high, low = _hue_and_range(rgb)
    lightness = (high + low) / 2
    room = 1 - np.abs(2 * lightness - 1)
    return np.stack([hue, (high - low) / np.where(room == 0, 1, room), lightness], axis=-1).astype(np.float32)


def from_hsl(hsl: Floats) -> Floats:
    """sRGB of (hue, saturation, lightness)."""
    chroma = (1 - np.abs(2 * hsl[..., 2] - 1)) * hsl[..., 1]
    return _from_hue(hsl[..., 0], chroma, hsl[..., 2] - chroma / 2)
