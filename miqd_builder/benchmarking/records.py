"""The benchmark of one task: what each measure knows about each label, in each subset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from miqd_builder.benchmarking.baselines import DEGRADATION_MEAN
from miqd_builder.benchmarking.ceilings import Ceilings, ceilings
from miqd_builder.benchmarking.directions import lower_better
from miqd_builder.benchmarking.joined import TaskTable
from miqd_builder.benchmarking.model_scores import score_matrices, voters
from miqd_builder.benchmarking.subsets import subset_rows
from miqd_builder.correlation.draws import RESAMPLES, draw
from miqd_builder.correlation.records import Record, column, correlate_all
from miqd_builder.store.folder import RunFolder

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class BenchmarkRecord:
    """What one measure knows about one label in one subset. Bounds are those of 95 % intervals; NaN is undefined.

    Attributes:
        task: cls, det, ins or seg.
        label: consistency, accuracy or composite.
        measure: its name, or ``degradation_mean``.
        subset: ``all``, ``mild``, ``severe``, ``region=...``, ``category=...`` or ``distortion=...``.
        n: degraded images compared.
        srcc: Spearman's rank correlation, in [-1, 1]; positive where the measure's order is the label's.
        srcc_low, srcc_high: its bounds.
        plcc: Pearson's correlation after the logistic fit, in [0, 1].
        plcc_raw: Pearson's correlation, in [-1, 1].
        krcc: Kendall's tau-b, in [-1, 1].
        rmse: root mean squared error after the fit, in units of the label.
        ceiling: noise ceiling of the label in the subset, see :mod:`miqd_builder.correlation.ceiling`.
        dropped: images left out because the measure or the label is null.
        plcc_low, plcc_high, krcc_low, krcc_high, rmse_low, rmse_high: bounds.
    """

    task: str
    label: str
    measure: str
    subset: str
    n: int
    srcc: float
    srcc_low: float
    srcc_high: float
    plcc: float
    plcc_raw: float
    krcc: float
    rmse: float
    ceiling: float
    dropped: int
    plcc_low: float
    plcc_high: float
    krcc_low: float
    krcc_high: float
    rmse_low: float
    rmse_high: float

    @property
    def of_ceiling(self) -> float:
        """SRCC as a fraction of the noise ceiling; NaN where that is not positive."""
        return self.srcc / self.ceiling if self.ceiling > 0 else NAN

    def to_json(self) -> dict[str, Any]:
        """Return the fields, null for NaN."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in values.items()}


def benchmark_task(
    folder: RunFolder, table: TaskTable, *, resamples: int = RESAMPLES, seed: int = 0, threads: int | None = None
) -> Iterator[BenchmarkRecord]:
    """Compare every measure of a task, and ``degradation_mean``, with every label in every subset.

    Args:
        folder: the run folder, for the models' scores, which the noise ceiling is made of.
        table: labels and measures of the sources that count.
        resamples: bootstrap draws of whole sources, the same for all comparisons.
        seed: of the draws, and of the halvings of the models.
        threads: comparisons at once; one for each core if None. The results don't depend on it.

    Yields:
        One record each, by label, then measure in the table's order with ``degradation_mean`` last, then subset.
    """
    yield from compare(table, task_ceilings(folder, table, seed=seed), resamples=resamples, seed=seed, threads=threads)


def compare(
    table: TaskTable, tops: Ceilings, *, resamples: int = RESAMPLES, seed: int = 0, threads: int | None = None
) -> Iterator[BenchmarkRecord]:
    """Compare measures with labels, see :func:`benchmark_task`, given the noise ceilings: for labels of several run folders."""
    source_of = table.source_of
    if not len(source_of):
        return
    draws = draw(int(source_of.max()) + 1, resamples=resamples, seed=seed)
    subsets = subset_rows(table.rows)
    measures = {name: column(values, lower_better=bool(lower_better(name))) for name, values in table.measures.items()}
    for label, values in table.labels.items():
        compared = measures | {DEGRADATION_MEAN: column(table.baselines[label])}
        for record in correlate_all(compared, {label: column(values)}, subsets, source_of, draws, threads=threads):
            yield _record(table.task, record, tops.get((label, record.subset), NAN))


def task_ceilings(folder: RunFolder, table: TaskTable, *, seed: int = 0) -> Ceilings:
    """Return the noise ceiling of every label in every subset; empty without the scores of two models."""
    models = voters(folder, table.task)
    if len(models.weights) < 2:
        return {}
    scores = score_matrices(folder, table.task, models.models, table.rows, ["consistency", "accuracy"])
    weights = np.array([models.weights[model] for model in models.models], np.float64)
    share = models.consistency_share
    return ceilings(scores["consistency"], scores["accuracy"], weights, share, subset_rows(table.rows), seed=seed)


def _record(task: str, record: Record, ceiling: float) -> BenchmarkRecord:
    found = record.correlation
    return BenchmarkRecord(
        task=task,
        label=record.label,
        measure=record.measure,
        subset=record.subset,
        n=found.n,
        srcc=found.srcc.value,
        srcc_low=found.srcc.low,
        srcc_high=found.srcc.high,
        plcc=found.plcc.value,
        plcc_raw=found.plcc_raw.value,
        krcc=found.krcc.value,
        rmse=found.rmse.value,
        ceiling=ceiling,
        dropped=found.dropped,
        plcc_low=found.plcc.low,
        plcc_high=found.plcc.high,
        krcc_low=found.krcc.low,
        krcc_high=found.krcc.high,
        rmse_low=found.rmse.low,
        rmse_high=found.rmse.high,
    )
