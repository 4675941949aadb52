"""Plasma fractals by the diamond-square algorithm on a torus: the shape of fog."""

from __future__ import annotations

import numpy as np

from degradations.planes import Plane


def plasma_fractal(side: int, decay: float, rng: np.random.Generator) -> Plane:
    """Return a random height map that repeats seamlessly, scaled to 0..1.

    Every step halves the grid: the centre of each square becomes the mean of its corners plus a random number, then the middle
    of each edge the mean of its four neighbours (which the centres belong to) plus one. The random numbers are uniform in
    ``[-w^2, w^2)``, and ``w`` falls from 100 by the factor ``decay`` a step.

    Args:
        side: length of both sides, a power of two of at least 2.
        decay: above 1; small values are rough.
        rng: draws the random numbers.

    Returns:
        float32 ``(side, side)``.
    """
    heights = np.zeros((side, side), np.float32)
    step, wobble = side, 100.0
    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        centres = _with_next(_with_next(corners, axis=0), axis=1)
        heights[half::step, half::step] = _wobbled(centres, wobble, rng)
        centres = heights[half::step, half::step]
        above_and_below = _with_previous(centres, axis=0) + _with_next(corners, axis=1)
        heights[::step, half::step] = _wobbled(above_and_below, wobble, rng)
        left_and_right = _with_previous(centres, axis=1) + _with_next(corners, axis=0)
        heights[half::step, ::step] = _wobbled(left_and_right, wobble, rng)
        step, wobble = half, wobble / decay
    heights -= heights.min()
    heights /= heights.max()
    return heights


def _with_next(grid: Plane, axis: int) -> Plane:
    return grid + np.roll(grid, -1, axis=axis)


def _with_previous(grid: Plane, axis: int) -> Plane:
    return grid + np.roll(grid, 1, axis=axis)


def _wobbled(sums_of_four: Plane, wobble: float, rng: np.random.Generator) -> Plane:
    """Return a quarter of each sum plus its random number."""
    noise = rng.random(sums_of_four.shape, dtype=np.float32)
    noise -= np.float32(0.5)
    noise *= np.float32(2 * wobble * wobble)
    noise += sums_of_four * np.float32(0.25)
    return noise
