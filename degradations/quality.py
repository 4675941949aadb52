"""PSNR, and the choice of five severities out of twelve candidates by it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2

from degradations.errors import DegradationError
from degradations.inputs import Image, check_image

N_CANDIDATES = 12
"""Candidate parameter sets of a ranked distortion."""

SELECTED_RANKS = (1, 5, 8, 10, 12)
"""Ranks by falling PSNR that become severities 1..5."""

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Which candidates of a distortion are the five severities of one image.

    Attributes:
        distortion: name of the distortion.
        psnrs: PSNR of every candidate against the source in dB, in candidate order, infinite where a candidate changes nothing;
            empty for a distortion whose severities are fixed.
        selected: 1-based candidate indices of severities 1..5; of all severities, where they are fixed.
    """

    distortion: str
    psnrs: tuple[float, ...]
    selected: tuple[int, ...]


def psnr(a: Image, b: Image) -> float:
    """Return the peak signal-to-noise ratio of two images in dB: ``10 log10(255^2 / MSE)``, the MSE over all channels.

    Args:
        a: uint8 ``(height, width, 3)``.
        b: uint8 ``(height, width, 3)``.

    Returns:
        The PSNR, infinite for identical images.

    Raises:
        DegradationError: an argument is no image, or the sizes differ.
    """
    check_image(a, "a")
    check_image(b, "b")
    if a.shape != b.shape:
        raise DegradationError(f"PSNR needs two images of one size, got {a.shape} and {b.shape}")
    return unchecked_psnr(a, b)


def unchecked_psnr(a: Image, b: Image) -> float:
    """Return :func:`psnr` of two arrays that are known to be images of one size."""
    # The sum is an integer below 2^53; rounding removes the error of OpenCV builds that take a square root and square it again.
    squared_error = round(cv2.norm(a, b, cv2.NORM_L2SQR))
    return 10.0 * math.log10(65025.0 * a.size / squared_error) if squared_error else math.inf


def rank(distortion: str, psnrs: Sequence[float]) -> Ranking:
    """Order 12 candidates by falling PSNR (stable) and take ranks 1, 5, 8, 10 and 12 as severities 1..5.

    Raises:
        DegradationError: there are not 12 values, or one is not a number.
    """
    values = tuple(float(value) for value in psnrs)
    if len(values) != N_CANDIDATES or any(math.isnan(value) for value in values):
        raise DegradationError(f"PSNRs of {distortion}: expected {N_CANDIDATES} numbers in dB, got {list(values)}")
    order = sorted(range(N_CANDIDATES), key=lambda index: -values[index])
    first, second, third, fourth, fifth = (order[place - 1] + 1 for place in SELECTED_RANKS)
    return Ranking(distortion, values, (first, second, third, fourth, fifth))
