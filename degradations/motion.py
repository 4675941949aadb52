"""Motion blur as ImageMagick does it: a one-sided Gaussian along a line."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from degradations.candidates import CANDIDATES
from degradations.exact_filters import correlate, pad, whole_weights
from degradations.inputs import Image
from degradations.registry import register

_ONE = 2.0**16
# What is added before the fraction is cut off, in units of 2^-16: a half rounds to 8 bits. ImageMagick rounds to its 16-bit
# quantum, so if its result is then truncated to 8 bits, a value reaches the next level from 1/514 below it.
_TO_NEAREST = 32768.0
_QUANTUM_THEN_TRUNCATED = 127.0


def blur_along_line(image: Image, radius: float, sigma: float, angle: float, *, nearest: bool = False) -> Image:
    """Blur along a line that starts at each pixel, edge pixels repeated.

    Tap ``i`` of ``0 .. 2 ceil(radius)`` has the weight ``exp(-i^2 / (2 sigma^2))`` over the sum of the weights and lies
    ``(ceil(i cos a - 1/2), ceil(i sin a - 1/2))`` pixels away in x and y.

    Args:
        image: uint8 ``(height, width)`` or ``(height, width, 3)``.
        radius: half the length of the line in pixels.
        sigma: standard deviation along the line in pixels.
        angle: direction in degrees, 0 to the right, positive downwards.
        nearest: round to the nearest level, instead of truncating what ImageMagick has rounded to 16 bits.
    """
    taps = 2 * math.ceil(radius) + 1
    strengths = np.exp(-(np.arange(taps) ** 2) / (2.0 * sigma * sigma))
    kernel, (up, left) = _line_kernel(strengths / strengths.sum(), math.radians(angle))
    height, width = image.shape[:2]
    below, right = kernel.shape[0] - 1 - up, kernel.shape[1] - 1 - left
    padded = pad(image, (up, left), (below, right), cv2.BORDER_REPLICATE)
    sums = correlate(padded, whole_weights(kernel, _ONE), (height, width))
    sums += np.float32(_TO_NEAREST if nearest else _QUANTUM_THEN_TRUNCATED)
    sums *= np.float32(1 / _ONE)
    return sums.astype(np.uint8)


def _line_kernel(strengths: NDArray[np.float64], angle: float) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Return the smallest rectangle that holds the taps, and the row and column of the first one."""
    taps = len(strengths)
    # Scaled to the line's length and back, as ImageMagick does: exact ties of the rounding (at 30 degrees) depend on it.
    across, down = taps * math.cos(angle), taps * math.sin(angle)
    length = math.hypot(across, down)
    xs = np.array([math.ceil(i * across / length - 0.5) for i in range(taps)])
    ys = np.array([math.ceil(i * down / length - 0.5) for i in range(taps)])
    left, up = -int(xs.min()), -int(ys.min())
    kernel = np.zeros((int(ys.max()) + up + 1, int(xs.max()) + left + 1))
    np.add.at(kernel, (ys + up, xs + left), strengths)
    return kernel, (up, left)


@register(category="blur", candidates=CANDIDATES["motion_blur"])
def motion_blur(image: Image, radius: float, sigma: float, *, rng: np.random.Generator) -> Image:
    """Blur along a line of random direction, within 45 degrees of the horizontal (radius and sigma in pixels)."""
    return blur_along_line(image, radius, sigma, rng.uniform(-45.0, 45.0))
