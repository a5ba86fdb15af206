"""Pictures from patterns: colour, light and the modes text, image and mask, on top of `cppn` and `palettes`.

Everything follows from prompt, seed, style and size; no clock, no other chance. Sizes in pixels, images are PIL, RGB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

from invokeai.backend.cppn import Fields, Floats, Network, Style
from invokeai.backend.palettes import grey_palette, picture_palette, prompt_palette, words_of

LIVELY = {
    "storm",
    "energy",
    "electric",
    "chaos",
    "explosion",
    "fire",
    "city",
    "complex",
    "detailed",
    "intricate",
    "wild",
}
CALM = {"calm", "minimal", "simple", "quiet", "soft", "zen", "mist", "fog", "smooth", "peaceful", "lake"}
HALF_FROM = 384
"""From this side on fields are computed at half size and enlarged; they are smooth, so nothing is lost."""

LUMINANCE = np.array([0.3, 0.59, 0.11], np.float32)

StopCheck = Callable[[], bool]


class Sketch:
    """One picture to be: its pattern and its palette, ready to be drawn at any size."""

    def __init__(self, prompt: str, seed: int, style: Style, references: Sequence[Image.Image] = ()) -> None:
        digest = hashlib.sha256(f"{style}\n{seed}\n{prompt}".encode(errors="replace")).digest()
        rng = np.random.default_rng(np.frombuffer(digest, np.uint32))
        found = set(words_of(prompt))
        energy = 1.0 + 0.35 * bool(found & LIVELY) - 0.3 * bool(found & CALM)
        self.style = style
        self.network = Network(rng, style, energy)
        if references:
            self.palette = picture_palette(references)
        elif style == "mono":
            self.palette = grey_palette(rng)
        else:
            self.palette = prompt_palette(prompt, rng)
        angle = rng.uniform(0.15 * np.pi, 0.85 * np.pi)
        self.light = np.array([np.cos(angle), -np.sin(angle), 1.15], np.float32)
        self.light /= np.linalg.norm(self.light)
        self.reverse = bool(rng.random() < 0.3)
        self.strands = float(rng.uniform(30, 75))
        self.fineness = float(rng.uniform(0.010, 0.028)) * (0.5 if style == "mono" else 1.0)
        self.contours = float(rng.uniform(9, 16))

    def draw(self, width: int, height: int, should_stop: StopCheck = lambda: False) -> Image.Image:
        """The picture; sides are at least 2.

        Raises:
            Stopped: `should_stop` said so.
        """
        return Image.fromarray(self._paint(self._fields(width, height, should_stop)))

    def draw_over(
        self, image: Image.Image, size: tuple[int, int], strength: float, should_stop: StopCheck = lambda: False
    ) -> Image.Image:
        """The pattern drawn over `image`: at strength 0 the image itself, at 1 only its light and shade are left.

        `image` is scaled and cropped to `size`.
        """
        return self._guided(ImageOps.fit(_opaque(image), size, Image.Resampling.LANCZOS), strength, should_stop)

    def draw_into(
        self,
        image: Image.Image,
        mask: Image.Image,
        size: tuple[int, int],
        strength: float,
        should_stop: StopCheck = lambda: False,
    ) -> Image.Image:
        """`image` scaled to `size`, with the pattern where `mask` is black; soft edges lie inside the black area."""
        base = _opaque(image).resize(size, Image.Resampling.LANCZOS)
        painted = self._guided(base, strength, should_stop)
        open_area = ImageOps.invert(mask.convert("L").resize(size, Image.Resampling.BILINEAR))
        soft = open_area.filter(ImageFilter.GaussianBlur(max(1.0, min(size) / 128)))
        return Image.composite(painted, base, ImageChops.multiply(open_area, soft))

    def _guided(self, image: Image.Image, strength: float, should_stop: StopCheck) -> Image.Image:
        source = np.asarray(image, np.float32) / np.float32(255)
        height, width = source.shape[:2]
        fields = self._fields(width, height, should_stop)
        drift = np.float32(strength * 0.06 * min(width, height))
        moved = _displaced(source, (fields.relief - 0.5) * drift, (fields.accent - 0.5) * drift)
        shade = moved @ LUMINANCE
        soft_image = image.filter(ImageFilter.GaussianBlur(min(width, height) / 160))
        soft = np.asarray(soft_image, np.float32) @ (LUMINANCE / np.float32(255))
        guided = Fields(
            np.clip(0.62 * shade + 0.38 * fields.tone, 0, 1),
            np.clip(0.75 * fields.relief + 0.25 * soft, 0, 1),
            fields.accent,
        )
        painted = self._paint(guided).astype(np.float32) / np.float32(255)
        share = np.float32(np.clip(strength, 0, 1))
        return Image.fromarray(_bytes(moved * (1 - share) + painted * share))

    def _fields(self, width: int, height: int, should_stop: StopCheck) -> Fields:
        if min(width, height) < HALF_FROM:
            return self.network.fields(width, height, should_stop)
        small = self.network.fields((width + 1) // 2, (height + 1) // 2, should_stop)
        return Fields(*(_enlarged(f, width, height) for f in (small.tone, small.relief, small.accent)))

    def _paint(self, fields: Fields) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        height, width = fields.tone.shape
        strands = np.sin(fields.tone * np.float32(self.strands) + fields.accent * np.float32(9))
        relief = fields.relief + strands * (fields.accent * np.float32(self.fineness))
        light, gleam = self._lighting(relief)
        tone: Floats = np.float32(1) - fields.tone if self.reverse else fields.tone
        lit = tone * np.float32(0.86) + (light - np.float32(0.5)) * np.float32(0.34) + np.float32(0.06)
        tone = np.clip(lit, 0, 1, dtype=np.float32)
        if self.style == "mono":
            lines = np.abs(np.mod(fields.relief * np.float32(self.contours), 1) - np.float32(0.5))
            tone *= np.float32(0.35) + np.float32(0.65) * np.clip(lines * 9, 0, 1)
        colours = self.palette[(tone * 255).astype(np.uint8)]
        gloss = gleam * (np.float32(0.1) + np.float32(0.22) * fields.accent)
        colours += gloss[..., None]
        return _bytes(colours * _vignette(width, height)[..., None])

    def _lighting(self, relief: Floats) -> tuple[Floats, Floats]:
        """Diffuse light (0..1) and gleam (0..1) on the relief, as if it were a lit surface."""
        slope = np.float32(min(relief.shape) * 0.5 * 0.42)
        down = np.empty_like(relief)
        down[:-1], down[-1] = (relief[1:] - relief[:-1]) * slope, (relief[-1] - relief[-2]) * slope
        right = np.empty_like(relief)
        right[:, :-1], right[:, -1] = (relief[:, 1:] - relief[:, :-1]) * slope, (relief[:, -1] - relief[:, -2]) * slope
        facing = (self.light[2] - self.light[0] * right - self.light[1] * down) / np.sqrt(1 + right**2 + down**2)
        facing = np.clip(facing, 0, 1)
        gleam = facing * facing
        gleam *= gleam
        gleam *= gleam
        return facing, gleam * gleam


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _enlarged(field: Floats, width: int, height: int) -> Floats:
    large: Floats = np.asarray(Image.fromarray(field).resize((width, height), Image.Resampling.BICUBIC))
    inside: Floats = np.clip(large, 0, 1)
    return inside


def _displaced(source: Floats, right: Floats, down: Floats) -> Floats:
    height, width = source.shape[:2]
    ys = np.clip(np.arange(height, dtype=np.float32)[:, None] + down, 0, height - 1).astype(np.intp)
    xs = np.clip(np.arange(width, dtype=np.float32)[None, :] + right, 0, width - 1).astype(np.intp)
    moved: Floats = source[ys, xs]
    return moved


def _vignette(width: int, height: int) -> Floats:
    x = np.linspace(-1, 1, width, dtype=np.float32) ** 2
    y = np.linspace(-1, 1, height, dtype=np.float32) ** 2
    return np.float32(1.03) - np.float32(0.13) * (y[:, None] + x[None, :])


def _bytes(colours: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return (np.clip(colours, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
