"""Levenberg-Marquardt descent of the four-parameter logistic curve, compiled: one pass over the rows an iteration."""

from __future__ import annotations

import numba
import numpy as np

from miqd_builder.correlation.pairs import Floats

TOLERANCE = 1e-10
"""Relative decrease of the squared error below which the descent has arrived."""
FARTHEST = 20.0
"""Bound of the curve's middle, in standard deviations of the measure."""
NARROWEST, WIDEST = np.log(1e-3), np.log(1e3)
"""Bounds of the logarithm of the curve's width, in standard deviations of the measure."""


@numba.njit(cache=True, nogil=True)
def descend(
    z: Floats, y: Floats, weights: Floats, start: Floats, steps: int
) -> tuple[Floats, float]:  # pragma: no cover - compiled
    """Return parameters of least squared error near ``start``, and that error (a mean).

    Args:
        z: standardised measure, ``(rows,)``.
        y: label, ``(rows,)``.
        weights: weight of each row, or one for all.
        start: b1, b2, b3 and the logarithm of b4.
        steps: most iterations.
    """
    parameters = start.copy()
    normal, gradient, error = _normal_equations(z, y, weights, parameters)
    damping = 1e-3
    for _ in range(steps):
        damped = normal.copy()
        for k in range(4):
            damped[k, k] += damping * normal[k, k] + 1e-15
        trial = parameters + np.linalg.solve(damped, gradient)
        trial[2] = min(max(trial[2], -FARTHEST), FARTHEST)
        trial[3] = min(max(trial[3], NARROWEST), WIDEST)
        trial_normal, trial_gradient, trial_error = _normal_equations(z, y, weights, trial)
        if trial_error < error:
            arrived = error - trial_error <= TOLERANCE * error
            parameters, normal, gradient, error = trial, trial_normal, trial_gradient, trial_error
            damping = max(damping / 10, 1e-12)
            if arrived:
                break
        else:
            damping *= 10
            if damping > 1e8:
                break
    return parameters, error


@numba.njit(cache=True, nogil=True)
def _normal_equations(
    z: Floats, y: Floats, weights: Floats, parameters: Floats
) -> tuple[Floats, Floats, float]:  # pragma: no cover - compiled
    """J'WJ, J'W(y - f) and the mean squared error. J is the Jacobian of f by b1, b2, b3 and log b4."""
    b1, b2, b3 = parameters[0], parameters[1], parameters[2]
    b4 = np.exp(parameters[3])
    normal = np.zeros((4, 4))
    gradient = np.zeros(4)
    error, total = 0.0, 0.0
    n00, n01, n11, n02, n03, n12, n13, n22, n23, n33 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    g0, g1, g2, g3 = 0.0, 0.0, 0.0, 0.0
    for row in range(len(z)):
        w = weights[row] if len(weights) > 1 else weights[0]
        t = (z[row] - b3) / b4
        s = 1 / (1 + np.exp(-t))
        r = y[row] - b2 - (b1 - b2) * s
        j1 = 1 - s
        j2 = -(b1 - b2) * s * j1 / b4
        j3 = j2 * t * b4
        total += w
        error += w * r * r
        n00 += w * s * s
        n01 += w * s * j1
        n11 += w * j1 * j1
        n02 += w * s * j2
        n03 += w * s * j3
        n12 += w * j1 * j2
        n13 += w * j1 * j3
        n22 += w * j2 * j2
        n23 += w * j2 * j3
        n33 += w * j3 * j3
        g0 += w * r * s
        g1 += w * r * j1
        g2 += w * r * j2
        g3 += w * r * j3
    normal[0] = np.array([n00, n01, n02, n03])
    normal[1] = np.array([n01, n11, n12, n13])
    normal[2] = np.array([n02, n12, n22, n23])
    normal[3] = np.array([n03, n13, n23, n33])
    gradient[:] = np.array([g0, g1, g2, g3])
    return normal / total, gradient / total, error / total
