"""Which rows of two columns are compared, and what nulls, infinities and directions mean.

NaN is a null: the row is left out and counted. An infinity is a value: it ranks beyond every finite one (PSNR of an image
that equals its original ranks last, and all such images tie). Where a number is needed instead of a rank (PLCC, logistic
fit, RMSE), an infinity stands for the most extreme finite value of the same column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """Rows where both columns have a value.

    Args:
        x: float64 ``(n,)`` without NaN; may be infinite.
        y: float64 ``(n,)`` without NaN; may be infinite.
        dropped: rows that were left out.
    """

    x: Floats
    y: Floats
    dropped: int

    def __len__(self) -> int:
        return len(self.x)


def known_pairs(x: Floats, y: Floats) -> Bools:
    """Return the rows where both columns have a value, bool ``(rows,)``. The one place where nulls are dropped.

    Raises:
        ValueError: the columns are not one-dimensional or differ in length.
    """
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"Expected two columns of equal length, got the shapes {x.shape} and {y.shape}.")
    return ~(np.isnan(x) | np.isnan(y))


def paired(x: Floats, y: Floats) -> Pairs:
    """Drop the rows where either column is null, and count them.

    Args:
        x: float ``(rows,)``.
        y: float ``(rows,)``.

    >>> pairs = paired(np.array([1, np.nan, np.inf]), np.array([0.5, 0.6, 0.7]))
    >>> pairs.x.tolist(), pairs.y.tolist(), pairs.dropped
    ([1.0, inf], [0.5, 0.7], 1)
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    known = known_pairs(x, y)
    return Pairs(x[known], y[known], int(len(known) - known.sum()))


def bounded(values: Floats) -> Floats:
    """Replace +inf by the largest finite value and -inf by the smallest; all by 0 if there is no finite value. NaN stays.

    >>> bounded(np.array([20.0, np.inf, 35.0, -np.inf])).tolist()
    [20.0, 35.0, 35.0, 20.0]
    """
    finite = np.isfinite(values)
    if finite.all():
        return values
    if not finite.any():
        return np.where(np.isnan(values), values, 0.0)
    return np.clip(values, values[finite].min(), values[finite].max())


def oriented(values: Floats, lower_better: bool) -> Floats:
    """Return the values such that more means better: negated for a measure like LPIPS where less is better.

    >>> oriented(np.array([0.1, 0.4]), lower_better=True).tolist()
    [-0.1, -0.4]
    """
    values = np.asarray(values, np.float64)
    return -values if lower_better else values


def is_constant(values: Floats) -> bool:
    """Whether a column has fewer than two different values: no correlation is defined then."""
    return len(values) == 0 or bool(values.min() == values.max())
