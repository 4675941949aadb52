"""Dense ranks of a column, made by one sort, from which the ranks within any subset of its rows follow without sorting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from miqd_builder.correlation.pairs import Floats

Codes = NDArray[np.int32]
Ints = NDArray[np.int64]

NULL = -1
"""Code of a null."""


@dataclass(frozen=True)
class DenseRanks:
    """Dense ranks: equal values share a code, the next larger value has the next code.

    Args:
        codes: int32 ``(rows,)`` in ``[0, levels)``; -1 for a null.
        levels: number of different values.
    """

    codes: Codes
    levels: int


def dense_ranks(values: Floats) -> DenseRanks:
    """Rank a column densely. Infinities are values and tie among themselves; -0 equals 0.

    >>> dense_ranks(np.array([3, np.inf, 1, np.nan, 3, np.inf])).codes.tolist()
    [1, 2, 0, -1, 1, 2]
    """
    values = np.asarray(values, np.float64)
    order = np.argsort(values)
    known = order[: len(values) - int(np.isnan(values).sum())]
    codes = np.full(len(values), NULL, np.int32)
    if not len(known):
        return DenseRanks(codes, 0)
    ordered = values[known]
    steps = np.concatenate([[0], np.cumsum(ordered[1:] != ordered[:-1])])
    codes[known] = steps
    return DenseRanks(codes, int(steps[-1]) + 1)


def compacted(codes: Codes, levels: int) -> DenseRanks:
    """Rank the rows of a subset densely again, from their codes in the whole column, without nulls and without sorting.

    >>> compacted(np.array([7, 2, 7], np.int32), 9).codes.tolist()
    [1, 0, 1]
    """
    held = np.zeros(levels, np.bool_)
    held[codes] = True
    dense = np.cumsum(held, dtype=np.int32) - np.int32(1)
    return DenseRanks(dense[codes], int(dense[-1]) + 1 if levels else 0)


def level_counts(codes: Codes, levels: int) -> Ints:
    """Return how many rows have each code, int64 ``(levels,)``; codes that a subset does not hold have 0."""
    return np.bincount(codes, minlength=levels).astype(np.int64, copy=False)


def average_ranks(counts: Ints) -> Floats:
    """Return the average rank (from 1) of the rows of each level, float64 ``(levels,)``.

    >>> average_ranks(np.array([1, 2, 0, 1])).tolist()
    [1.0, 2.5, 3.5, 4.0]
    """
    return np.cumsum(counts) - (counts - 1) / 2


def rank_bins(counts: Ints, most: int) -> tuple[Codes, int]:
    """Sort the levels into at most ``most`` bins of about equally many rows; a level is never split.

    Exact (a bin for each level that has rows) if there are no more than ``most`` of them.

    Args:
        counts: rows of each level.
        most: largest number of bins.

    Returns:
        Bin of each level, int32 ``(levels,)``, rising, and the number of bins. Every bin has rows.

    >>> rank_bins(np.array([5, 0, 1, 1, 1]), 2)
    (array([0, 1, 1, 1, 1], dtype=int32), 2)
    """
    held = counts > 0
    if held.sum() <= most:
        bins = np.cumsum(held) - 1
    else:
        middle = np.cumsum(counts) - counts / 2
        bins = np.minimum((middle * (most / counts.sum())).astype(np.int64), most - 1)
        used = np.zeros(most, np.bool_)
        used[bins[held]] = True
        bins = (np.cumsum(used) - 1)[bins]
    return np.maximum(bins, 0).astype(np.int32), int(bins[held].max()) + 1 if held.any() else 0
