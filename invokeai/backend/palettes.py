"""Colour ramps: from the words of a prompt, from pictures, or by chance from a seed.

A palette is a (256, 3) float32 table of sRGB colours in 0..1, made in OKLab so that steps look even.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Floats: TypeAlias = NDArray[np.float32]
STEPS = 256

HUES: dict[str, tuple[float, ...]] = {
    "red": (28,), "crimson": (20,), "scarlet": (30,), "ruby": (18,), "rose": (5,), "blood": (26,), "cherry": (15,),
    "orange": (55,), "amber": (75,), "copper": (48, 65), "rust": (42,), "pumpkin": (58,), "autumn": (32, 58, 85),
    "yellow": (105,), "gold": (88, 70), "golden": (88, 70), "lemon": (108,), "honey": (82,), "sand": (85,),
    "desert": (62, 85, 40), "sun": (75, 95), "sunny": (95, 230), "sunrise": (50, 85, 350), "sunset": (22, 58, 320),
    "dawn": (40, 340, 260), "dusk": (300, 20, 265), "green": (145,), "emerald": (160,), "jade": (165,),
    "mint": (170,), "lime": (125,), "olive": (115,), "forest": (145, 120, 165), "jungle": (140, 115, 170),
    "moss": (125,), "grass": (130,), "meadow": (130, 105, 20), "spring": (130, 350, 100), "teal": (190,),
    "turquoise": (190,), "cyan": (200,), "aqua": (195,), "lagoon": (190, 170), "ocean": (225, 200, 250),
    "sea": (220, 195), "wave": (225, 200), "waves": (225, 200), "water": (230, 205), "river": (220, 180),
    "lake": (225, 190), "blue": (255,), "sky": (235, 225), "azure": (240,), "navy": (262,), "sapphire": (262,),
    "ice": (225, 240), "winter": (235, 260), "snow": (235, 250), "arctic": (220, 240, 180), "indigo": (278,),
    "violet": (300,), "purple": (308,), "lavender": (300, 290), "lilac": (310,), "amethyst": (305,),
    "magenta": (330,), "pink": (355,), "fuchsia": (335,), "coral": (30, 15), "peach": (50,), "salmon": (30,),
    "flamingo": (5, 350), "brown": (55,), "chocolate": (45,), "coffee": (55,), "wood": (60,), "earth": (60, 120),
    "fire": (30, 55, 90), "flame": (30, 60, 95), "lava": (25, 45, 80), "volcano": (25, 50, 75), "ember": (28, 50),
    "galaxy": (290, 330, 250), "nebula": (320, 275, 210), "space": (280, 255, 320), "cosmic": (300, 260, 350),
    "aurora": (160, 190, 300), "northern": (165, 300), "peacock": (195, 250, 150), "flower": (350, 320, 130),
    "flowers": (350, 100, 130), "garden": (140, 350, 95), "cat": (60, 50, 85), "fox": (50, 40), "lion": (75, 60),
    "tiger": (58, 45), "bird": (215, 100), "city": (250, 60), "neon": (330, 200, 290), "cyberpunk": (330, 200, 285),
    "mountain": (250, 220, 300), "mountains": (250, 220, 300), "moon": (265, 285), "night": (270, 250),
    "storm": (250, 215), "rainbow": (25, 95, 150, 250, 320), "candy": (350, 190, 100), "wine": (10, 355),
    "marble": (60, 250),
}  # fmt: skip
"""Word to OKLCH hues in degrees, the strongest first."""

DARK = {
    "dark",
    "night",
    "midnight",
    "black",
    "shadow",
    "shadows",
    "gothic",
    "noir",
    "moody",
    "space",
    "galaxy",
    "abyss",
}
LIGHT = {
    "bright",
    "light",
    "pastel",
    "soft",
    "snow",
    "white",
    "airy",
    "day",
    "morning",
    "cloud",
    "clouds",
    "winter",
    "ice",
}
VIVID = {
    "neon",
    "vivid",
    "vibrant",
    "electric",
    "cyberpunk",
    "rainbow",
    "psychedelic",
    "candy",
    "saturated",
    "colorful",
}
MUTED = {"muted", "pastel", "soft", "grey", "gray", "silver", "fog", "mist", "dusty", "vintage", "marble", "calm"}
GREY = {"grey", "gray", "silver", "black", "white", "monochrome", "ink", "charcoal"}
SCHEMES = ((0, 25, 55), (0, 40, 200), (0, 150, 30), (0, -30, 175), (0, 60, 120), (0, 180, 215), (0, -50, -95))
"""Hue steps of harmonies that work: neighbours, near-complements, thirds."""


def words_of(prompt: str) -> list[str]:
    """The prompt's words in lower case."""
    return re.findall(r"[a-z]+", prompt.lower())


def prompt_palette(prompt: str, rng: np.random.Generator) -> Floats:
    """The palette that a prompt's words call for; without colour words one that the seed chooses."""
    words = words_of(prompt)
    named = [HUES[word] for word in words if word in HUES]
    hues = [hue for rank in zip_longest(*named) for hue in rank if hue is not None][:5]
    found = set(words)
    if not hues:
        if found & GREY:
            return grey_palette(rng)
        first, scheme = float(rng.uniform(0, 360)), SCHEMES[int(rng.integers(len(SCHEMES)))]
        hues = [first + step for step in scheme]
    elif len(hues) == 1:
        hues = [hues[0], hues[0] + float(rng.choice([-38, 30, 45])), hues[0] + float(rng.uniform(-12, 12))]
    if len(hues) > 2:
        hues[0], hues[1] = hues[1], hues[0]  # the strongest word's hue belongs where chroma is full, not in the dark
    chroma = 1.0 + 0.35 * bool(found & VIVID) - 0.4 * bool(found & MUTED)
    low, high = 0.15, 0.94
    if found & DARK and not found & LIGHT:
        low, high = 0.08, 0.82
    elif found & LIGHT and not found & DARK:
        low, high = 0.38, 0.98
    return ramp(hues, rng, chroma=chroma, low=low, high=high)


def ramp(hues: Sequence[float], rng: np.random.Generator, *, chroma: float, low: float, high: float) -> Floats:
    """Dark to light through `hues`; chroma is fullest a little above the middle."""
    lightness = np.linspace(low, high, 6)
    lightness[1:-1] += rng.uniform(-0.03, 0.03, 4)
    strength = np.array([0.06, 0.125, 0.165, 0.165, 0.115, 0.035]) * chroma
    where = np.linspace(0, len(hues) - 1, 6)
    angles = np.radians(np.interp(where, np.arange(len(hues)), np.unwrap(hues, period=360)))
    stops = np.stack([lightness, strength * np.cos(angles), strength * np.sin(angles)], axis=1)
    return _table(stops)


def grey_palette(rng: np.random.Generator) -> Floats:
    """Ink to paper with a breath of colour."""
    warm = float(rng.uniform(40, 110))
    angle = np.radians([warm + 180, warm + 180, warm, warm])
    lightness, chroma = np.array([0.12, 0.38, 0.74, 0.97]), np.array([0.02, 0.018, 0.014, 0.012])
    return _table(np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=1))


def picture_palette(pictures: Sequence[Image]) -> Floats:
    """The colours of pictures, dark to light, spread so that the whole range of lightness is used."""
    stops: list[NDArray[np.float64]] = []
    for picture in pictures:
        small = picture.convert("RGB").resize((64, 64)).quantize(7)
        table = np.asarray((small.getpalette() or [])[: 7 * 3], dtype=np.float64).reshape(-1, 3) / 255
        counts = small.getcolors() or []
        stops.extend(table[index] for count, index in counts if isinstance(index, int) and count > 20)
    if not stops:
        stops = [np.zeros(3), np.ones(3)]
    lab = _oklab(np.stack(stops))
    lab = lab[np.argsort(lab[:, 0])]
    if len(lab) == 1:
        lab = np.repeat(lab, 2, axis=0)
    first, last = lab[0, 0], lab[-1, 0]
    wanted = np.linspace(min(first, 0.25), max(last, 0.85), len(lab))
    lab[:, 0] = 0.6 * lab[:, 0] + 0.4 * wanted
    return _table(lab)


def _table(stops: NDArray[np.float64]) -> Floats:
    where = np.linspace(0, len(stops) - 1, STEPS)
    lab = np.stack([np.interp(where, np.arange(len(stops)), stops[:, i]) for i in range(3)], axis=1)
    kernel = np.hanning(23)
    padded = np.pad(lab, ((11, 11), (0, 0)), mode="edge")
    smooth = np.stack([np.convolve(padded[:, i], kernel / kernel.sum(), "valid") for i in range(3)], axis=1)
    return _srgb(smooth).astype(np.float32)


_TO_LMS = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                    [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
_TO_LAB = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                    [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip


def _oklab(srgb: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    lab: NDArray[np.float64] = np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T
    return lab


def _srgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.clip((lab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_LMS).T, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
