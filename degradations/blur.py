"""Blurs without a direction: out of focus, through rough glass, Gaussian."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from degradations.candidates import CANDIDATES
from degradations.exact_filters import LARGEST_SUM, correlate, gaussian, pad, whole_weights
from degradations.inputs import Image
from degradations.registry import register


def disk_kernel(radius: float, alias: float) -> NDArray[np.float64]:
    """Return an antialiased disk: float64, 17x17 for ``radius <= 8``, else ``2 radius + 1`` wide.

    The disk is normalised before its edge is blurred, and the blur mirrors it at the edge of the grid; where the disk fills the
    grid (radius 7 and above) the result therefore sums to a little more than 1 and brightens the image, as published.

    Args:
        radius: of the disk, in pixels.
        alias: sigma of the antialiasing Gaussian, 3x3 for ``radius <= 8``, else 5x5.
    """
    reach, soft = (8.0, 1) if radius <= 8 else (radius, 2)
    grid = np.arange(-reach, reach + 1)
    disk = (grid[:, None] ** 2 + grid**2 <= radius**2).astype(np.float64)
    disk /= disk.sum()
    gaussian_row = np.exp(-0.5 * (np.arange(-soft, soft + 1) / alias) ** 2)
    gaussian_row /= gaussian_row.sum()
    # Written out, since cv2.GaussianBlur of floats differs between processors.
    for _ in range(2):
        mirrored = np.pad(disk, ((soft, soft), (0, 0)), mode="reflect")
        rows = np.lib.stride_tricks.sliding_window_view(mirrored, 2 * soft + 1, axis=0)
        disk = (rows * gaussian_row).sum(axis=-1).T
    return disk


@register(category="blur", candidates=CANDIDATES["defocus_blur"])
def defocus_blur(image: Image, radius: float, alias: float) -> Image:
    """Blur with a disk of ``radius`` pixels, the border mirrored without the edge pixel."""
    kernel = disk_kernel(radius, alias)
    # The weight of the centre is that of most of the disk: made whole, it leaves an error to the antialiased edge alone.
    plateau, total = kernel[len(kernel) // 2, len(kernel) // 2], round(kernel.sum(), 9)
    weights = whole_weights(kernel, math.floor(LARGEST_SUM * plateau / total) / plateau)
    reach = len(weights) // 2
    padded = pad(image, (reach, reach), (reach, reach), cv2.BORDER_REFLECT_101)
    sums = correlate(padded, weights, image.shape[:2])
    # A little more than float32's own error, so that truncation leaves flat areas as they are.
    sums *= np.float32(total / weights.sum() * (1 + 2.0**-21))
    return np.minimum(sums, np.float32(255), out=sums).astype(np.uint8)


@register(category="blur", candidates=CANDIDATES["glass_blur"])
def glass_blur(image: Image, sigma: float, max_delta: float, iterations: float, *, rng: np.random.Generator) -> Image:
    """Blur, let every pixel take the value of a random neighbour some times, blur again.

    Args:
        image: uint8 ``(height, width, 3)``.
        sigma: of both Gaussian blurs, in pixels.
        max_delta: truncated to an integer; displacements are drawn from ``[-max_delta, max_delta)`` in x and y.
        iterations: truncated to an integer; passes over the image.
        rng: draws the displacements.
    """
    blurred = gaussian(image, sigma)
    for _ in range(int(iterations)):
        blurred = _displace(blurred, int(max_delta), rng)
    return gaussian(blurred, sigma)


def _displace(image: Image, max_delta: int, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    down, right = rng.integers(-max_delta, max_delta, size=(2, height, width), dtype=np.int8).astype(np.int32)
    rows = np.clip(np.arange(height, dtype=np.int32)[:, None] + down, 0, height - 1)
    columns = np.clip(np.arange(width, dtype=np.int32) + right, 0, width - 1)
    return image.reshape(-1, 3).take(rows * width + columns, axis=0)


@register(category="blur", candidates=CANDIDATES["gaussian_blur"])
def gaussian_blur(image: Image, sigma: float) -> Image:
    """Blur with a Gaussian of ``sigma`` pixels."""
    return gaussian(image, sigma)
