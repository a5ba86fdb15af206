"""Masks, and the pictures under them, as services want them. Ours are black where something new goes, white elsewhere.

A picture and its mask have the same size when they leave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

WHOLE = 0.98
"""The share of a rectangle that must be kept for it to count as whole: the edges of a mask may be soft."""
NOT_AN_EDGE = "it grows a picture outwards, so what is kept must be one rectangle with something new along its edges"


def white_mask(mask: Image, size: tuple[int, int]) -> Image:
    """Our mask as a service's that is white where something new goes; grey stays grey."""
    return mask.convert("L").resize(size).point([255 - level for level in range(256)])


@dataclass(frozen=True, slots=True)
class Growth:
    """A whole picture, and by how many pixels it is to grow on each side."""

    picture: Image
    left: int
    top: int
    right: int
    bottom: int

    @property
    def most(self) -> int:
        """The widest of the new edges."""
        return max(self.left, self.top, self.right, self.bottom)


def growth_of(picture: Image, mask: Image, size: tuple[int, int]) -> Growth | None:
    """What is kept of a picture of that size, and the new edges around it; None where the mask is anything else."""
    kept = mask.convert("L").resize(size).point([0] * 128 + [255] * 128)
    box = kept.getbbox()
    if box is None:
        return None
    left, top, right, bottom = box
    inside = kept.crop(box).histogram()[255] / ((right - left) * (bottom - top))
    growth = Growth(
        picture.convert("RGB").resize(size).crop(box), left, top, size[0] - right, size[1] - bottom
    )  # fmt: skip
    return growth if inside >= WHOLE and growth.most else None
