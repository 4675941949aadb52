"""Linear filters whose result is the same on every machine, bit for bit.

A float sum depends on the order of its terms and on fused multiply-add, so OpenCV's filters return slightly different values on
different processors, and truncation to 8 bits turns that into different pixels. Here kernels are whole numbers, small enough
for every partial sum over 8-bit pixels to be a whole number that the float type holds exactly: then neither order nor fusion
matters.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from degradations.inputs import Image
from degradations.planes import Plane

DIRECT_AREA = 49
"""Largest kernel area that OpenCV sums directly on any processor; from 50 or 130 on it takes the inexact way through a DFT."""


LARGEST_SUM = 2**24 // 255
"""Largest sum of whole weights over 8-bit pixels that float32 holds exactly."""


def whole_weights(kernel: NDArray[np.floating], scale: float) -> NDArray[np.float64]:
    """Multiply a kernel by ``scale`` and round it to whole numbers without losing its sum (largest remainders first).

    Args:
        kernel: non-negative weights.
        scale: the scaled sum, rounded, becomes the sum of the result.
    """
    scaled = np.asarray(kernel, np.float64) * scale
    weights = np.floor(scaled)
    missing = round(scaled.sum() - weights.sum())
    by_remainder = np.argsort((weights - scaled).ravel(), kind="stable")
    weights.ravel()[by_remainder[:missing]] += 1
    return weights


def pad(image: Image, before: tuple[int, int], after: tuple[int, int], border: int) -> Plane:
    """Return ``image`` as float32 with a border.

    Args:
        image: uint8 ``(height, width)`` or ``(height, width, channels)``.
        before: rows above and columns left.
        after: rows below and columns right.
        border: an OpenCV border type; it may be wider than the image.
    """
    padded = cv2.copyMakeBorder(image, before[0], after[0], before[1], after[1], border)
    return padded.astype(np.float32)


def correlate(padded: Plane, weights: NDArray[np.float64], shape: tuple[int, int]) -> Plane:
    """Return the sums of ``weights[j, i] * padded[y + j, x + i]`` for all ``(y, x)`` in ``shape``, exactly.

    Args:
        padded: float32 whole numbers, at least ``shape`` plus the kernel's size less one in height and width.
        weights: whole numbers; the sum of weights times the largest pixel must not exceed ``2^24``.
        shape: height and width of the result.
    """
    height, width = shape
    total = np.zeros((height, width, *padded.shape[2:]), np.float32)
    for top, left, part in _pieces(weights, 0, 0):
        window = padded[top : top + height + part.shape[0] - 1, left : left + width + part.shape[1] - 1]
        sums = cv2.filter2D(window, cv2.CV_32F, part.astype(np.float32), anchor=(0, 0))[:height, :width]
        total += sums
    return total


def _pieces(weights: NDArray[np.float64], top: int, left: int) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
    """Cut a kernel into parts of at most DIRECT_AREA, without empty margins; a line becomes few parts, not a rectangle."""
    rows, columns = np.flatnonzero(weights.any(axis=1)), np.flatnonzero(weights.any(axis=0))
    if not len(rows):
        return
    top, left = top + int(rows[0]), left + int(columns[0])
    weights = weights[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = weights.shape
    if weights.size <= DIRECT_AREA:
        yield top, left, weights
    elif height >= width:
        yield from _pieces(weights[: height // 2], top, left)
        yield from _pieces(weights[height // 2 :], top + height // 2, left)
    else:
        yield from _pieces(weights[:, : width // 2], top, left)
        yield from _pieces(weights[:, width // 2 :], top, left + width // 2)


_GAUSSIAN_BITS = 20


def gaussian(image: Image, sigma: float) -> Image:
    """Blur with a Gaussian cut off at 4 sigma, edge pixels repeated, and truncate to 8 bits (as ``skimage.filters.gaussian``).

    Args:
        image: uint8 ``(height, width, 3)``.
        sigma: standard deviation in pixels.
    """
    radius = int(4.0 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights = whole_weights(kernel / kernel.sum(), 2.0**_GAUSSIAN_BITS)
    # 8 bits of pixel and 20 of each pass stay below the 53 of float64.
    blurred = cv2.sepFilter2D(image, cv2.CV_64F, weights, weights, borderType=cv2.BORDER_REPLICATE)
    return np.multiply(blurred, 2.0 ** (-2 * _GAUSSIAN_BITS), out=blurred).astype(np.uint8)
