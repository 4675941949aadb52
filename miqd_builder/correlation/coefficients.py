"""SRCC, PLCC, KRCC and RMSE of two columns.

Each drops the rows where either side is null (:func:`miqd_builder.correlation.pairs.paired`) and is NaN where it is not
defined: fewer than two rows, or a constant side. Equal to SciPy's spearmanr, pearsonr and kendalltau to 1e-9.
"""

from __future__ import annotations

import numpy as np

from miqd_builder.correlation.concordance import inversions, order_by_code, rank_products, tied_pairs
from miqd_builder.correlation.pairs import Floats, bounded, is_constant, paired
from miqd_builder.correlation.ranks import Codes, Ints, average_ranks, dense_ranks, level_counts


def srcc(x: Floats, y: Floats) -> float:
    """Return Spearman's rank correlation in ``[-1, 1]``: Pearson's of the ranks, equal values sharing their average rank.

    Args:
        x: float ``(rows,)``; NaN is a null, an infinity ranks beyond all finite values.
        y: the same.

    >>> round(srcc(np.array([1, 2, 2, np.inf]), np.array([0.1, 0.3, 0.2, 0.9])), 6)
    0.948683
    """
    return spearman_of(*_codes_and_counts(x, y))


def krcc(x: Floats, y: Floats) -> float:
    """Return Kendall's tau-b in ``[-1, 1]``: (concordant - discordant) / sqrt(pairs untied in x * pairs untied in y).

    In O(n log n) by Knight's method (Knight 1966, JASA 61, 436-439).

    Args:
        x: float ``(rows,)``; NaN is a null, an infinity ranks beyond all finite values.
        y: the same.

    >>> krcc(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])) == 4 / 6
    True
    """
    return kendall_of(*_codes_and_counts(x, y))


def plcc(x: Floats, y: Floats) -> float:
    """Return Pearson's linear correlation in ``[-1, 1]``; an infinity stands for the column's most extreme finite value.

    Args:
        x: float ``(rows,)``; NaN is a null.
        y: the same.

    >>> round(plcc(np.array([1, 2, np.inf]), np.array([0.0, 1, 1])), 6)
    1.0
    """
    pairs = paired(x, y)
    return pearson_of(bounded(pairs.x), bounded(pairs.y))


def rmse(x: Floats, y: Floats) -> float:
    """Return the root mean squared difference, at least 0; an infinity stands for the column's most extreme finite value.

    Args:
        x: predictions in the units of ``y`` (a fitted measure), float ``(rows,)``; NaN is a null.
        y: float ``(rows,)``.

    >>> rmse(np.array([1.0, 2, np.nan]), np.array([1.0, 4, 9])) == 2**0.5
    True
    """
    pairs = paired(x, y)
    if not (np.isfinite(pairs.x).any() and np.isfinite(pairs.y).any()):
        return float("nan")
    return float(np.sqrt(np.mean((bounded(pairs.x) - bounded(pairs.y)) ** 2)))


def pearson_of(x: Floats, y: Floats) -> float:
    """Return Pearson's correlation of two columns without nulls and infinities."""
    if is_constant(x) or is_constant(y):
        return float("nan")
    # Scaled first: squares of very large or very small numbers neither overflow nor vanish.
    a, b = _centred(x), _centred(y)
    return float(np.clip(_product(a, b) / np.sqrt(_product(a, a) * _product(b, b)), -1, 1))


def spearman_of(codes_a: Codes, counts_a: Ints, codes_b: Codes, counts_b: Ints) -> float:
    """Return Spearman's correlation of two columns of dense ranks without nulls.

    Args:
        codes_a: int32 ``(rows,)``.
        counts_a: rows of each level of a; levels without a row don't matter.
        codes_b: int32 ``(rows,)``.
        counts_b: rows of each level of b.
    """
    middle = (len(codes_a) + 1) / 2
    centred_a, centred_b = average_ranks(counts_a) - middle, average_ranks(counts_b) - middle
    norm = _product(counts_a, centred_a**2) * _product(counts_b, centred_b**2)
    if norm <= 0:
        return float("nan")
    return float(np.clip(rank_products(codes_a, codes_b, centred_a, centred_b) / np.sqrt(norm), -1, 1))


def kendall_of(codes_a: Codes, counts_a: Ints, codes_b: Codes, counts_b: Ints) -> float:
    """Return tau-b of two columns of dense ranks without nulls; arguments as in :func:`spearman_of`."""
    n = len(codes_a)
    pairs, tied_a, tied_b = n * (n - 1) // 2, _pairs_within(counts_a), _pairs_within(counts_b)
    if tied_a == pairs or tied_b == pairs:
        return float("nan")
    by_b = order_by_code(codes_b, counts_b)
    order = by_b[order_by_code(codes_a[by_b], counts_a)]
    ordered_b = codes_b[order]
    tied_both = tied_pairs(codes_a[order], ordered_b)
    discordant = inversions(ordered_b)
    difference = pairs - tied_a - tied_b + tied_both - 2 * discordant
    return float(np.clip(difference / np.sqrt(float(pairs - tied_a) * float(pairs - tied_b)), -1, 1))


def _codes_and_counts(x: Floats, y: Floats) -> tuple[Codes, Ints, Codes, Ints]:
    pairs = paired(x, y)
    a, b = dense_ranks(pairs.x), dense_ranks(pairs.y)
    return a.codes, level_counts(a.codes, a.levels), b.codes, level_counts(b.codes, b.levels)


def _product(a: Floats | Ints, b: Floats) -> float:
    """Sum of products, without BLAS: it would start threads beside those that compare, and wait for them on a busy machine."""
    return float((a * b).sum())


def _pairs_within(counts: Ints) -> int:
    return int((counts * (counts - 1) // 2).sum())


def _centred(values: Floats) -> Floats:
    scaled = values / np.abs(values).max()
    centred = scaled - scaled.mean()
    return np.asarray(centred / np.abs(centred).max(), np.float64)
