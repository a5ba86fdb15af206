"""Connected regions of pixels, eight neighbours to a pixel, found by a front that grows one pixel a step."""

import numpy as np
from numpy.typing import NDArray

Region = NDArray[np.bool_]
"""True inside, shape (H, W)."""


def connected(allowed: Region, seeds: Region) -> Region:
    """The seeds and the pixels of `allowed` that a chain of allowed neighbours joins to a seed."""
    height, width = allowed.shape
    stride = width + 2
    free = np.pad(allowed, 1).ravel()
    found = np.zeros_like(free)
    front = np.flatnonzero(np.pad(seeds, 1))
    steps = np.array([dy * stride + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dx or dy])
    while front.size:
        free[front], found[front] = False, True
        near = (front[:, None] + steps).ravel()
        front = np.unique(near[free[near]])
    return found.reshape(height + 2, stride)[1:-1, 1:-1]
