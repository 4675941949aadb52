"""What is known without a look at the picture: the baseline that a measure has to beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from miqd_builder.correlation.pairs import Floats

DEGRADATION_MEAN = "degradation_mean"
DIGITS = 12
"""Means are rounded to so many decimals: sums in another order would else break ties of equal means."""


def degradation_mean(label: Floats, degradation_of: NDArray[np.integer]) -> Floats:
    """Return the mean label of each row's degradation over the other sources (leave one source out).

    Args:
        label: float64 ``(rows,)``, at most one row a source and degradation; NaN is a null and in no mean.
        degradation_of: code of each row's degradation, from 0, ``(rows,)``.

    Returns:
        float64 ``(rows,)``; NaN where no other source has a label.

    >>> degradation_mean(np.array([0.0, 0.5, 1.0, 0.25]), np.array([0, 0, 0, 1])).tolist()
    [0.75, 0.5, 0.25, nan]
    """
    known = ~np.isnan(label)
    own = np.where(known, label, 0.0)
    sums = np.bincount(degradation_of, own)
    counts = np.bincount(degradation_of, known)
    others = counts[degradation_of] - known
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (sums[degradation_of] - own) / others
    return np.where(others > 0, np.round(mean, DIGITS), np.nan)
