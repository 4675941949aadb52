"""Filtering curves of a run: what each model reaches when the images that a measure scores lowest are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from miqd_builder.benchmarking.baselines import DEGRADATION_MEAN
from miqd_builder.benchmarking.directions import lower_better
from miqd_builder.benchmarking.joined import TaskTable
from miqd_builder.benchmarking.model_scores import score_matrices, voters
from miqd_builder.correlation.filtering import FilteringCurves, filtering_curves
from miqd_builder.correlation.pairs import Floats, oriented
from miqd_builder.store.folder import RunFolder

ORACLE, RANDOM = "oracle", "random"
REFERENCES = (ORACLE, DEGRADATION_MEAN)
"""Curves beside every measure's: filtering by the label itself, and by what is known without a look at the picture."""

OUTCOMES = {
    "cls": {"consistency": "consistency", "accuracy": "accuracy"},
    "det": {"consistency": "consistency_ap75", "accuracy": "accuracy_ap75"},
    "ins": {"consistency": "consistency_ap75", "accuracy": "accuracy_ap75"},
    "seg": {"consistency": "consistency", "accuracy": "accuracy"},
}
"""Column of ``scores`` that a model reaches, against its own prediction on the original and against the ground truth."""


@dataclass(frozen=True)
class Filtering:
    """Filtering curves of one task by one measure against one label.

    Attributes:
        task: cls, det, ins or seg.
        label: consistency (against the original) or accuracy (against the truth).
        measure: its name, ``oracle`` or ``degradation_mean``.
        models: names of the models, the columns of the curves.
        curves: what they reach.
    """

    task: str
    label: str
    measure: str
    models: tuple[str, ...]
    curves: FilteringCurves

    @property
    def mean(self) -> Floats:
        """Mean curve over the models that have one, float64 ``(shares,)``."""
        return _mean_over_models(self.curves.reached)

    @property
    def mean_random(self) -> float:
        """What dropping at random reaches, mean over the models."""
        return float(_mean_over_models(self.curves.random[None])[0])

    @property
    def mean_area(self) -> float:
        """Mean area between curve and random over the models, in units of outcome times share."""
        return float(_mean_over_models(self.curves.areas[None])[0])

    def to_json(self) -> Iterator[dict[str, Any]]:
        """Yield a record a model, null for NaN."""
        for index, model in enumerate(self.models):
            yield {
                "task": self.task,
                "label": self.label,
                "measure": self.measure,
                "model": model,
                "shares": [round(share, 12) for share in self.curves.shares.tolist()],
                "reached": [_number(value) for value in self.curves.reached[:, index]],
                "random": _number(self.curves.random[index]),
                "area": _number(self.curves.areas[index]),
                "n": self.curves.n,
                "dropped": self.curves.dropped,
            }


def filter_task(folder: RunFolder, table: TaskTable) -> list[Filtering]:
    """Return the curves of every measure and of the references, against the original and against the truth.

    All are over the images with a label; those without a value of a measure are in none of its curves, nor in its random one.
    Oracle and ``degradation_mean`` are of the label that the outcome belongs to. Empty without scores, as for imported labels.

    Args:
        folder: the run folder, for the scores.
        table: labels and measures of the sources that count.

    Raises:
        StoreError: a part is damaged.
    """
    models = voters(folder, table.task).models
    if not models:
        return []
    columns = OUTCOMES[table.task]
    return filter_scores(table, models, score_matrices(folder, table.task, models, table.rows, list(columns.values())))


def filter_scores(table: TaskTable, models: Sequence[str], outcomes: Mapping[str, np.ndarray]) -> list[Filtering]:
    """Return the curves of :func:`filter_task`, given the scores: for labels of several run folders.

    Args:
        table: labels and measures.
        models: names.
        outcomes: columns of ``scores`` by label row, float ``(rows, models)``.
    """
    columns = OUTCOMES[table.task]
    found = []
    for label, column in columns.items():
        labelled = ~np.isnan(table.labels[label])
        if labelled.any():
            curves = _curves_of(_orders(table, label), outcomes[column], labelled)
            found += [Filtering(table.task, label, name, tuple(models), one) for name, one in curves.items()]
    return found


def _orders(table: TaskTable, label: str) -> dict[str, Floats]:
    """What images are ordered by, more is better."""
    orders = {name: oriented(values, bool(lower_better(name))) for name, values in table.measures.items()}
    return orders | {DEGRADATION_MEAN: table.baselines[label], ORACLE: table.labels[label]}


def _curves_of(orders: Mapping[str, Floats], outcomes: np.ndarray, labelled: np.ndarray) -> dict[str, FilteringCurves]:
    return {name: filtering_curves(values[labelled], outcomes[labelled]) for name, values in orders.items()}


def _mean_over_models(values: Floats) -> Floats:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, values, 0).sum(axis=-1) / known.sum(axis=-1), np.float64)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
