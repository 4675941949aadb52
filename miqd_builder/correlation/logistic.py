"""The monotone four-parameter logistic curve that maps a measure onto a label before PLCC and RMSE.

``f(x) = (b1 - b2) / (1 + exp(-(x - b3) / |b4|)) + b2`` (VQEG, Final report from the Video Quality Experts Group on the
validation of objective models of video quality assessment, phase I, 2000). It rises if b1 > b2 and falls otherwise, so the
PLCC after it is not negative, whichever way the measure points: the direction is in SRCC and the raw PLCC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from miqd_builder.correlation.levenberg import descend
from miqd_builder.correlation.pairs import Floats, bounded, is_constant, paired
from miqd_builder.correlation.ranks import DenseRanks, dense_ranks, level_counts, rank_bins

FEWEST_ROWS = 5
"""Four parameters need more rows than that many of them."""
START_BINS = 2048
BIN_STEPS, ROW_STEPS = 100, 10
"""Most iterations on the bins, and on the rows from there."""
STARTS = 3
QUANTILES = np.array([0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98])
WIDTHS = np.array([0.03, 0.1, 0.3, 1.0, 3.0, 10.0])


@dataclass(frozen=True)
class Fit:
    """A curve from a measure to a label.

    Args:
        kind: ``logistic``, or ``line`` where no logistic curve can be fitted.
        parameters: b1, b2, b3, b4 (b4 > 0) of the logistic curve; intercept and slope of the line.
    """

    kind: Literal["logistic", "line"]
    parameters: tuple[float, ...]

    def __call__(self, x: Floats) -> Floats:
        """Return the curve at ``x``, float64 of the same shape; an infinity stands for the most extreme finite value."""
        x = bounded(np.asarray(x, np.float64))
        if self.kind == "line":
            intercept, slope = self.parameters
            return np.asarray(intercept + slope * x, np.float64)
        b1, b2, b3, b4 = self.parameters
        return (b1 - b2) * _sigmoid((x - b3) / b4) + b2


def fit_logistic(x: Floats, y: Floats) -> Fit:
    """Fit the logistic curve by least squares (Levenberg-Marquardt with the analytic Jacobian).

    The rows are first averaged in bins of equally many rows. Over a grid of places and widths, the best height and floor of
    the curve follow in closed form; the best three starts descend on the bins, and the best of them on the rows themselves.
    Deterministic; the number of iterations is bounded. Rows with a null are left out.

    Args:
        x: the measure, float ``(rows,)``.
        y: the label, float ``(rows,)``.

    Returns:
        The curve; a straight line by least squares if there are fewer than 5 rows or a constant side.

    >>> fit = fit_logistic(np.arange(9.0), 0.8 / (1 + np.exp(-(np.arange(9) - 4) / 1.5)) + 0.1)
    >>> fit.kind, [round(p, 5) for p in fit.parameters]
    ('logistic', [0.9, 0.1, 4.0, 1.5])
    """
    pairs = paired(x, y)
    return fit_ranked(bounded(pairs.x), bounded(pairs.y), dense_ranks(pairs.x))


def fit_ranked(x: Floats, y: Floats, ranks: DenseRanks) -> Fit:
    """As :func:`fit_logistic`, for columns without nulls and infinities, with the ranks of ``x`` given."""
    if len(x) < FEWEST_ROWS or is_constant(x) or is_constant(y):
        return _line(x, y)
    middle, spread = float(x.mean()), float(x.std())
    if not (np.isfinite(spread) and spread > 0):
        return _line(x, y)
    z = (x - middle) / spread
    bin_z, bin_y, weights = _binned(z, y, ranks)
    descents = [descend(bin_z, bin_y, weights, start, BIN_STEPS) for start in _starts(bin_z, bin_y, weights)]
    parameters, _ = min(descents, key=lambda descent: descent[1])
    if len(bin_z) < len(z):
        parameters, _ = descend(z, y, np.ones(1), parameters, ROW_STEPS)
    b1, b2, b3, log_b4 = (float(p) for p in parameters)
    return Fit("logistic", (b1, b2, b3 * spread + middle, float(np.exp(log_b4)) * spread))


def _line(x: Floats, y: Floats) -> Fit:
    if not len(x):
        return Fit("line", (float("nan"), 0.0))
    if is_constant(x):
        return Fit("line", (float(y.mean()), 0.0))
    centred = x - x.mean()
    slope = float(centred @ (y - y.mean()) / (centred @ centred))
    return Fit("line", (float(y.mean() - slope * x.mean()), slope))


def _binned(z: Floats, y: Floats, ranks: DenseRanks) -> tuple[Floats, Floats, Floats]:
    """Mean measure, mean label and share of the rows of each bin."""
    if len(z) <= START_BINS:
        return z, y, np.ones(1)
    bin_of, _ = rank_bins(level_counts(ranks.codes, ranks.levels), START_BINS)
    bins = bin_of[ranks.codes]
    counts = np.bincount(bins)
    mean_z, mean_y = (np.bincount(bins, column) / counts for column in (z, y))
    return mean_z, mean_y, counts / len(z)


def _starts(z: Floats, y: Floats, weights: Floats) -> list[Floats]:
    """The best places and widths of a grid, each with its best height and floor."""
    places, widths = (grid.ravel() for grid in np.meshgrid(np.quantile(z, QUANTILES), WIDTHS))
    curves = _sigmoid((z - places[:, None]) / widths[:, None])
    w = np.broadcast_to(weights, z.shape) / np.broadcast_to(weights, z.shape).sum()
    mean_y, means = w @ y, curves @ w
    variances = np.maximum((curves - means[:, None]) ** 2 @ w, 1e-12)
    heights = (curves - means[:, None]) @ (w * (y - mean_y)) / variances
    floors = mean_y - heights * means
    best = np.argsort(-(heights**2) * variances, kind="stable")[:STARTS]
    return [np.array([floors[i] + heights[i], floors[i], places[i], np.log(widths[i])]) for i in best]


def _sigmoid(t: Floats) -> Floats:
    # Beyond 700 exp overflows; the curve is flat to the last bit long before.
    return np.asarray(1 / (1 + np.exp(-np.clip(t, -700, 700))), np.float64)
