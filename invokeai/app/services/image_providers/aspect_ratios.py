"""Aspect ratios by name (`16:9`) and sizes in pixels, for services that are told one and make the other."""

from collections.abc import Iterable

NEAR = 0.03
"""How far a size may be from its aspect ratio; those with a name are 6 % apart or more."""


def ratio_near(names: Iterable[str], width: int, height: int) -> str | None:
    """The aspect ratio among `names` that the size has; None where the nearest one is too far off."""
    off, name = min((abs(_share(name) * height / width - 1), name) for name in names)
    return name if off <= NEAR else None


def size_in(ratio: str, side: int, step: int = 16) -> tuple[int, int]:
    """Width and height, multiples of `step`, with about as many pixels as a square of that side."""
    width = round(side * _share(ratio) ** 0.5 / step) * step
    return width, round(side * side / width / step) * step


def _share(ratio: str) -> float:
    across, _, down = ratio.partition(":")
    return int(across) / int(down)
