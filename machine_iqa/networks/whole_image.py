"""Images of any shape for a network: made smaller as a whole, their central square, and a few patches of original pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

STEP = 32
"""Sides of the input are multiples of this."""

LONGEST = 4.0
"""Longest input side in proportion to the other; more extreme images are squeezed."""

SQUARE, SHARE = 224, 14 / 15
"""Side of the central square as a network sees it, and its share of the image's short side."""

GRID, PATCH = 3, 64
"""Patches of original pixels: rows and columns of them, and their side."""

BLOCK = 8
"""Patches begin at multiples of JPEG's blocks, so that blocking always falls on the same pixels."""


def input_size(height: int, width: int, area: int) -> tuple[int, int]:
    """Return height and width of the network's input: about ``area`` pixels, multiples of 32, nearly the image's proportions.

    >>> input_size(480, 640, 192 * 256), input_size(640, 480, 192 * 256), input_size(1, 5000, 192 * 256)
    ((192, 256), (256, 192), (96, 448))
    """
    proportion = min(LONGEST, max(1 / LONGEST, width / height))
    rows = round((area / proportion) ** 0.5 / STEP)
    columns = round((area * proportion) ** 0.5 / STEP)
    return max(1, rows) * STEP, max(1, columns) * STEP


def resized(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize a uint8 ``(H, W, 3)`` image: means over areas where it shrinks, bilinear where it grows."""
    smaller = min(height, image.shape[0]), min(width, image.shape[1])
    if smaller != image.shape[:2]:
        image = cv2.resize(image, smaller[::-1], interpolation=cv2.INTER_AREA)
    if smaller != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return image


def central_square(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what most classifiers see of a uint8 ``(height, width, 3)`` image: its central square, ``(224, 224, 3)``."""
    height, width = image.shape[:2]
    side = max(1, round(min(height, width) * SHARE))
    top, left = (height - side) // 2, (width - side) // 2
    return resized(image[top : top + side, left : left + side], SQUARE, SQUARE)


def native_patches(image: NDArray[np.uint8], rng: np.random.Generator | None = None) -> NDArray[np.uint8]:
    """Return 3x3 patches of original pixels, row by row, each around the middle of its ninth of the image.

    Args:
        image: uint8 ``(height, width, 3)``; sides below 64 are continued by reflection.
        rng: moves each patch by up to a quarter of its side; None for the fixed places.

    Returns:
        uint8 ``(9, 64, 64, 3)``.
    """
    down, right = max(0, PATCH - image.shape[0]), max(0, PATCH - image.shape[1])
    if down or right:
        image = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REFLECT)
    rows, columns = (_starts(side) for side in image.shape[:2])
    patches = []
    for top in rows:
        for left in columns:
            y, x = (_moved(start, side, rng) for start, side in ((top, image.shape[0]), (left, image.shape[1])))
            patches.append(image[y : y + PATCH, x : x + PATCH])
    return np.stack(patches)


def _starts(side: int) -> list[int]:
    """Return where the patches begin along a side of 64 or more pixels."""
    middles = [(2 * index + 1) * side / (2 * GRID) for index in range(GRID)]
    return [round(min(max(0.0, middle - PATCH / 2), side - PATCH)) // BLOCK * BLOCK for middle in middles]


def _moved(start: int, side: int, rng: np.random.Generator | None) -> int:
    steps = PATCH // 4 // BLOCK
    moved = start + (0 if rng is None else int(rng.integers(-steps, steps + 1)) * BLOCK)
    return start if moved < 0 or moved > side - PATCH else moved
