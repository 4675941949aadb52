"""Cluster bootstrap: statistics of many draws of whole source images, exact ranks included."""

from __future__ import annotations

from collections.abc import Mapping

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def draw_sources(sources: int, resamples: int, seed: int) -> Ints:
    """Draw ``sources`` sources with replacement, ``resamples`` times: int64 ``(resamples, sources)``, copies of each source."""
    return np.random.default_rng(seed).multinomial(sources, np.full(sources, 1 / sources), size=resamples)


def drawn_moments(columns: Mapping[str, Floats], source_of: Ints, draws: Ints) -> tuple[dict[str, Floats], Floats]:
    """Return the standard deviation of each column and the correlation of the first two, for every draw.

    Args:
        columns: float64 ``(rows,)`` each, without NaN.
        source_of: index of each row's source.
        draws: copies of each source, from :func:`draw_sources`.

    Returns:
        Population standard deviations by column, and Pearson's correlation (NaN where a column is constant), each
        ``(resamples,)``.
    """
    sources = draws.shape[1]
    n = draws @ np.bincount(source_of, minlength=sources)

    def mean(values: Floats) -> Floats:
        return np.asarray(draws @ np.bincount(source_of, values, sources) / n, np.float64)

    # Centred first: the differences of squares below then lose no digits.
    centred = {name: values - values.mean() for name, values in columns.items()}
    means = {name: mean(values) for name, values in centred.items()}
    variances = {name: np.maximum(mean(values**2) - means[name] ** 2, 0) for name, values in centred.items()}
    one, two = list(columns)[:2]
    covariance = mean(centred[one] * centred[two]) - means[one] * means[two]
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = covariance / np.sqrt(variances[one] * variances[two])
    return {name: np.sqrt(variance) for name, variance in variances.items()}, correlation


def drawn_spearman(a: Floats, b: Floats, source_of: Ints, draws: Ints) -> Floats:
    """Return Spearman's rank correlation of two columns for every draw, ``(resamples,)``.

    Ranks are those within the draw: a row drawn k times counts as k equal rows, and equal rows share their mean rank.
    NaN where a side is constant.
    """
    by_a = np.argsort(a, kind="stable")
    a, b, source_of = a[by_a], b[by_a], source_of[by_a]
    return np.asarray(_spearman(_groups(a), np.argsort(b, kind="stable"), _groups(np.sort(b)), source_of, draws), np.float64)


def _groups(ordered: Floats) -> Ints:
    """First index of each run of equal values, and the length at the end."""
    new = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    return np.concatenate([[0], new, [len(ordered)]]).astype(np.int64)


@numba.njit(cache=True, nogil=True)
def _spearman(groups_a: Ints, by_b: Ints, groups_b: Ints, source_of: Ints, draws: Ints) -> Floats:
    """Rows come in the order of a; ``by_b`` lists them in the order of b."""
    found = np.empty(len(draws))
    rank_b = np.empty(len(source_of))
    for index in range(len(draws)):
        draw = draws[index]
        n, square_b = 0.0, 0.0
        for group in range(len(groups_b) - 1):
            copies = 0.0
            for place in range(groups_b[group], groups_b[group + 1]):
                copies += draw[source_of[by_b[place]]]
            # Mean rank less one half: copies before the group and half of its own.
            rank = n + copies / 2
            for place in range(groups_b[group], groups_b[group + 1]):
                rank_b[by_b[place]] = rank
            n += copies
            square_b += copies * rank * rank
        before, square_a, product = 0.0, 0.0, 0.0
        for group in range(len(groups_a) - 1):
            copies, ranks = 0.0, 0.0
            for row in range(groups_a[group], groups_a[group + 1]):
                copies += draw[source_of[row]]
                ranks += draw[source_of[row]] * rank_b[row]
            rank = before + copies / 2
            before += copies
            square_a += copies * rank * rank
            product += rank * ranks
        # The mean of all ranks, less one half, is n / 2.
        offset = n * n * n / 4
        norm = (square_a - offset) * (square_b - offset)
        found[index] = (product - offset) / np.sqrt(norm) if norm > 0 else np.nan
    return found
