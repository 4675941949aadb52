"""Comparison of two sets of labels of the same degraded images: correlations, errors, largest differences."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from miqd_builder.errors import StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import labelled_tasks, stored_labels

Array = NDArray[np.float64]

MEASURES = {"consistency": "consistency_weighted", "accuracy": "accuracy_weighted", "composite": "composite"}
ALL = "all"
"""In place of a distortion: over all rows."""

_KEYS = ["source_id", "degradation"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well two sets of labels agree; NaN where a side is constant or has no values.

    Attributes:
        measure: consistency, accuracy or composite.
        distortion: name of a distortion, or ``all``.
        n: rows in which both sides have the measure.
        srcc: Spearman's rank correlation.
        plcc: Pearson's linear correlation, of the labels as they are (no logistic fit).
        krcc: Kendall's rank correlation, tau-b.
        rmse: root of the mean squared difference.
    """

    measure: str
    distortion: str
    n: int
    srcc: float
    plcc: float
    krcc: float
    rmse: float


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One degraded image on whose label the two sides differ most: a, b of the measure."""

    source_id: str
    degradation: str
    measure: str
    a: float
    b: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Labels A against labels B of one task.

    Attributes:
        task: cls, det, ins or seg.
        joint: degraded images that both have.
        only_a, only_b: degraded images that one side alone has.
        agreements: for each measure, over all rows and by distortion.
        worst: the largest differences of the composite (of the consistency, where there is no composite), falling.
    """

    task: str
    joint: int
    only_a: int
    only_b: int
    agreements: tuple[Agreement, ...]
    worst: tuple[Disagreement, ...]


def common_tasks(a: RunFolder, b: RunFolder) -> list[str]:
    """Return the tasks that both run folders have labels of.

    Raises:
        StoreError: there is none.
    """
    of_a, of_b = labelled_tasks(a), labelled_tasks(b)
    common = [task for task in of_a if task in of_b]
    if not common:
        raise StoreError(
            f"No task has labels on both sides: '{a.url}' has {', '.join(of_a) or 'none'}, "
            f"'{b.url}' has {', '.join(of_b) or 'none'}."
        )
    return common


def compare(a: RunFolder, b: RunFolder, task: str, *, worst: int = 10) -> Comparison:
    """Compare the labels of one task over the degraded images that both sides have.

    Args:
        a: run folder with labels.
        b: another one.
        task: cls, det, ins or seg.
        worst: number of disagreements to list.

    Raises:
        StoreError: one side has no labels of the task, or they share no degraded image.
    """
    columns = [*_KEYS, *MEASURES.values()]
    one, other = stored_labels(a, task), stored_labels(b, task)
    joint = one.select([*columns, "distortion"]).join(
        other.select(columns), _KEYS, join_type="inner", left_suffix="_a", right_suffix="_b"
    )
    if not joint.num_rows:
        raise StoreError(
            f"The labels of task {task} share no degraded image: '{a.url}' has '{one['source_id'][0]}' and so on, "
            f"'{b.url}' has '{other['source_id'][0]}'."
        )
    joint = joint.sort_by([(key, "ascending") for key in _KEYS])
    groups = {ALL: np.ones(joint.num_rows, bool)}
    for distortion in sorted(joint["distortion"].unique().to_pylist()):
        groups[distortion] = pc.equal(joint["distortion"], distortion).to_numpy(zero_copy_only=False)
    pairs = {measure: _pair(joint, column) for measure, column in MEASURES.items()}
    return Comparison(
        task=task,
        joint=joint.num_rows,
        only_a=one.num_rows - joint.num_rows,
        only_b=other.num_rows - joint.num_rows,
        agreements=tuple(
            _agreement(measure, name, x[rows], y[rows]) for measure, (x, y) in pairs.items() for name, rows in groups.items()
        ),
        worst=_worst(joint, pairs, worst),
    )


def _pair(joint: pa.Table, column: str) -> tuple[Array, Array]:
    one, other = (joint[f"{column}_{side}"].to_numpy(zero_copy_only=False).astype(np.float64) for side in ("a", "b"))
    return one, other


def _agreement(measure: str, distortion: str, a: Array, b: Array) -> Agreement:
    from scipy import stats

    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    rmse = float(np.sqrt(np.mean((a - b) ** 2))) if len(a) else math.nan
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return Agreement(measure, distortion, len(a), math.nan, math.nan, math.nan, rmse)
    srcc, plcc, krcc = (
        float(correlation(a, b).statistic) for correlation in (stats.spearmanr, stats.pearsonr, stats.kendalltau)
    )
    return Agreement(measure, distortion, len(a), srcc, plcc, krcc, rmse)


def _worst(joint: pa.Table, pairs: dict[str, tuple[Array, Array]], count: int) -> tuple[Disagreement, ...]:
    """Rows of the largest difference, ties in the order of their keys; rows without a difference don't count."""
    measure = "composite" if np.isfinite(pairs["composite"][0] + pairs["composite"][1]).any() else "consistency"
    a, b = pairs[measure]
    difference = np.nan_to_num(np.abs(a - b), nan=0.0)
    rows = [int(row) for row in np.argsort(-difference, kind="stable")[:count] if difference[row] > 0]
    return tuple(
        Disagreement(joint["source_id"][row].as_py(), joint["degradation"][row].as_py(), measure, float(a[row]), float(b[row]))
        for row in rows
    )
