"""Draws of SRCC, KRCC, PLCC and RMSE: the statistic of every resample of whole source images.

Linear statistics (PLCC, RMSE) are exact: their sums are kept by source and added up for each draw. The fitted curve is not
fitted again: at the least squares solution the error doesn't change to first order with the parameters, so the refit
changes an interval by a term of second order.

Rank statistics are those of the draw itself (ranks and ties among the drawn rows), with each side sorted into at most 256
bins of equally many rows. They are exact where a side has no more values than that; else every draw is moved by the
difference of the exact and the binned statistic of the sample, and the rest is small beside the interval (tested).
"""

from __future__ import annotations

import numpy as np

from miqd_builder.correlation.draws import Draws
from miqd_builder.correlation.lanes import cells_of, drawn_sums, rank_block
from miqd_builder.correlation.pairs import Floats
from miqd_builder.correlation.ranks import Codes, DenseRanks, level_counts, rank_bins

BINS = 256
FLAT = 1e-12
"""Share of a column's variance below which a draw counts as constant."""


def drawn_rank_correlations(a: DenseRanks, b: DenseRanks, source_of: Codes, draws: Draws) -> tuple[Floats, Floats]:
    """Return SRCC and tau-b of every draw and, last, of the sample with the same bins: float64 ``(resamples + 1,)`` each.

    Args:
        a: ranks of one column, without nulls.
        b: ranks of the other.
        source_of: index of each row's source, int32 ``(rows,)``.
        draws: from :func:`miqd_builder.correlation.draws.draw`.
    """
    (bins_a, n_a), (bins_b, n_b) = (rank_bins(level_counts(side.codes, side.levels), BINS) for side in (a, b))
    starts, sources = cells_of(bins_a[a.codes], bins_b[b.codes], source_of, n_a, n_b)
    rows = np.bincount(source_of, minlength=draws.sources).astype(np.float64)[None]
    blocks = [rank_block(starts, sources, n_a, n_b, block, drawn_sums(rows, block)[0]) for block in draws.blocks]
    srcc, krcc = (np.concatenate(lanes)[: draws.resamples + 1] for lanes in zip(*blocks, strict=True))
    return srcc, krcc


def moved(drawn: Floats, exact: float) -> Floats:
    """Return the draws, moved by what the bins changed in the sample: its exact value less the last draw, which is dropped."""
    return np.asarray(np.clip(drawn[:-1] + (exact - drawn[-1]), -1, 1), np.float64)


def drawn_linear_statistics(
    x: Floats, y: Floats, fitted: Floats, source_of: Codes, draws: Draws
) -> tuple[Floats, Floats, Floats]:
    """Return for every draw: PLCC of ``fitted`` and ``y``, PLCC of ``x`` and ``y``, RMSE of ``fitted`` and ``y``.

    Args:
        x: the measure, finite float64 ``(rows,)``.
        y: the label.
        fitted: the fitted curve at ``x``.
        source_of: index of each row's source.
        draws: from :func:`miqd_builder.correlation.draws.draw`.
    """
    residual = (fitted - y) ** 2
    x, y, fitted = _standardised(x), _standardised(y), _standardised(fitted)
    sides = (x, y, fitted)
    columns = (None, *sides, *(side * side for side in sides), x * y, fitted * y, residual)
    by_source = np.array([np.bincount(source_of, column, draws.sources) for column in columns], np.float64)
    sums = np.concatenate([drawn_sums(by_source, block) for block in draws.blocks], axis=1)[:, : draws.resamples]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y, mean_f, xx, yy, ff, xy, fy, error = sums[1:] / sums[0]
        raw = _correlation(xy - mean_x * mean_y, xx - mean_x**2, yy - mean_y**2)
        plcc = _correlation(fy - mean_f * mean_y, ff - mean_f**2, yy - mean_y**2)
        return plcc, raw, np.sqrt(error)


def _standardised(values: Floats) -> Floats:
    # Squares of centred numbers lose no digits, and constants are recognised whatever their unit.
    centred = values - values.mean()
    spread = centred.std()
    return np.asarray(centred / spread if spread > 0 else centred, np.float64)


def _correlation(covariance: Floats, variance_a: Floats, variance_b: Floats) -> Floats:
    varies = (variance_a > FLAT) & (variance_b > FLAT)
    return np.where(varies, np.clip(covariance / np.sqrt(variance_a * variance_b), -1, 1), np.nan)
