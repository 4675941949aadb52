"""The subsets of the degraded images that each figure is given for."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

ALL = "all"
MILD, SEVERE = (1, 2), (4, 5)
"""Severities, first and last: a row belongs where both its severities, in the ROI and in the background, lie between them."""


def subset_rows(labels: pa.Table) -> dict[str, NDArray[np.bool_]]:
    """Return which rows belong to each subset, by name.

    The names are ``all``, ``region=...``, ``mild``, ``severe``, ``category=...`` and ``distortion=...``; subsets without a row
    are left out.

    Args:
        labels: a row a degraded image, with region, roi_severity, bg_severity, category and distortion.

    Returns:
        bool ``(rows,)`` each.
    """
    subsets = {ALL: np.ones(labels.num_rows, np.bool_)}
    subsets |= _by_value(labels, "region")
    subsets |= {"mild": _between(labels, *MILD), "severe": _between(labels, *SEVERE)}
    subsets |= _by_value(labels, "category") | _by_value(labels, "distortion")
    return {name: rows for name, rows in subsets.items() if name == ALL or rows.any()}


def _by_value(labels: pa.Table, column: str) -> dict[str, NDArray[np.bool_]]:
    values = sorted(value for value in pc.unique(labels[column]).to_pylist() if value is not None)
    return {f"{column}={value}": _filled(pc.equal(labels[column], value)) for value in values}


def _between(labels: pa.Table, first: int, last: int) -> NDArray[np.bool_]:
    inside = np.ones(labels.num_rows, np.bool_)
    for column in ("roi_severity", "bg_severity"):
        inside &= _filled(pc.and_(pc.greater_equal(labels[column], first), pc.less_equal(labels[column], last)))
    return inside


def _filled(rows: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(pc.fill_null(rows, False).to_numpy(), np.bool_)
