"""A compositional pattern-producing network: random weights turn the place of a pixel into smooth, intricate fields.

The same generator state, style and proportions give the same pattern at any size; coordinates do not depend on pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Style: TypeAlias = Literal["flow", "mono", "symmetry"]
BLOCK_PIXELS = 32_768
"""Pixels evaluated at once: the activations of a block stay in the processor's cache."""
HIDDEN = 14


class Stopped(Exception):
    """The caller asked to stop."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Three fields of one size, each roughly in 0..1: what colour, how high (for light), how strong the accent."""

    tone: Floats
    relief: Floats
    accent: Floats


class Network:
    """One pattern: warp, folds and weights, drawn once from `rng`."""

    def __init__(self, rng: np.random.Generator, style: Style, energy: float = 1.0) -> None:
        self.style = style
        self.sectors = int(rng.choice([5, 6, 6, 7, 8, 8, 10, 12]))
        self.turn = float(rng.uniform(0, 2 * np.pi))
        self.twist = float(rng.uniform(-0.9, 0.9))
        self.centre = rng.uniform(-0.35, 0.35, 2).astype(np.float32)
        octaves = 4
        angle = rng.uniform(0, 2 * np.pi, octaves)
        pitch = energy * np.array([1.2, 2.2, 3.6, 6.0]) * rng.uniform(0.75, 1.3, octaves)
        self.warp_way = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
        self.warp_pitch = pitch.astype(np.float32)
        self.warp_phase = rng.uniform(0, 2 * np.pi, (octaves, 2)).astype(np.float32)
        self.warp_reach = (np.array([0.55, 0.34, 0.17, 0.07]) * rng.uniform(0.7, 1.25, octaves)).astype(np.float32)
        sizes = (9, HIDDEN, HIDDEN, 3)
        gains = (1.15 * energy, 1.0, 1.25)
        self.weights = [
            (rng.normal(0, gain / np.sqrt(a), (a, b)).astype(np.float32) * np.float32(1.6))
            for a, b, gain in zip(sizes, sizes[1:], gains, strict=False)
        ]
        self.biases = [rng.normal(0, 0.5, b).astype(np.float32) for b in sizes[1:]]
        self.bands = float(rng.uniform(1.1, 2.3))

    def fields(self, width: int, height: int, should_stop: Callable[[], bool] = lambda: False) -> Fields:
        """The pattern at `width` × `height`, normalised to the range it really has.

        Raises:
            Stopped: `should_stop` said so between two blocks.
        """
        out = np.empty((height * width, 3), np.float32)
        scale = np.float32(2 / min(width, height))
        xs = (np.arange(width, dtype=np.float32) - (width - 1) / 2) * scale
        ys = (np.arange(height, dtype=np.float32) - (height - 1) / 2) * scale
        rows = max(1, BLOCK_PIXELS // width)
        for top in range(0, height, rows):
            if should_stop():
                raise Stopped
            y, x = np.meshgrid(ys[top : top + rows], xs, indexing="ij")
            out[top * width : top * width + x.size] = self._evaluate(x.ravel(), y.ravel())
        tone, relief, accent = (_normal(out[:, i].reshape(height, width)) for i in range(3))
        return Fields(tone, relief, accent)

    def _evaluate(self, x: Floats, y: Floats) -> Floats:
        radius = np.hypot(x - self.centre[0], y - self.centre[1]) if self.style != "symmetry" else np.hypot(x, y)
        if self.style == "symmetry":
            x, y = self._fold(x, y, radius)
        x, y = self._warp(x, y)
        features = np.stack(
            [x, y, radius, np.sin(2.4 * x), np.sin(2.4 * y), np.sin(1.7 * (x + y)), np.cos(3.1 * radius), x * y,
             np.exp(-1.4 * radius * radius)],
            axis=1,
        )  # fmt: skip
        first = np.sin(features @ self.weights[0] + self.biases[0])
        second = np.tanh(first @ self.weights[1] + self.biases[1])
        result: Floats = second @ self.weights[2] + self.biases[2]
        result[:, 0] += np.float32(0.35) * np.sin(np.float32(self.bands) * 3 * result[:, 1])
        return result

    def _fold(self, x: Floats, y: Floats, radius: Floats) -> tuple[Floats, Floats]:
        sector = np.float32(2 * np.pi / self.sectors)
        angle = np.arctan2(y, x) + np.float32(self.turn) + np.float32(self.twist) * radius
        folded = (1 - np.cos(angle * np.float32(self.sectors))) * (sector / 4)  # a fold without a crease
        return radius * np.cos(folded) * np.float32(1.5), radius * np.sin(folded) * np.float32(1.5)

    def _warp(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        for way, pitch, phase, reach in zip(
            self.warp_way, self.warp_pitch, self.warp_phase, self.warp_reach, strict=True
        ):
            along = pitch * (way[0] * x + way[1] * y)
            across = pitch * (way[0] * y - way[1] * x)
            x, y = x + reach * np.sin(across + phase[0]), y + reach * np.sin(along + phase[1])
        return x, y


def _normal(field: Floats) -> Floats:
    """`field` stretched so that it lies in about 0..1, without hard ends."""
    sample = field.ravel()[:: max(1, field.size // 20_000)]
    low, high = np.quantile(sample, (0.01, 0.99))
    middle, half = np.float32((low + high) / 2), np.float32(max(high - low, 1e-6) / 2)
    result: Floats = np.float32(0.5) + np.float32(0.56) * np.tanh((field - middle) / half)
    return result
