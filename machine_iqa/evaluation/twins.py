"""Twins: two degradations with the same pair of severities swapped between ROI and background. Who knows where damage hurts?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from miqd_builder.auditing.bootstrap import draw_sources
from miqd_builder.benchmarking.baselines import DEGRADATION_MEAN
from miqd_builder.benchmarking.directions import lower_better
from miqd_builder.benchmarking.joined import TaskTable
from miqd_builder.correlation.draws import RESAMPLES, interval
from miqd_builder.correlation.pairs import Floats, oriented

LEAST_DIFFERENCE = 0.2
"""Labels of twins that differ by less are in no order."""

Pairs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TwinRecord:
    """How often a measure puts twins into the order of their labels.

    Attributes:
        task, label, measure: what is compared.
        n: pairs whose labels differ by more than 0.2, and that the measure has values of.
        share: of them in the right order, in [0, 1]; equal values count half. NaN without a pair.
        low, high: its 95 % interval, of a bootstrap over source images.
    """

    task: str
    label: str
    measure: str
    n: int
    share: float
    low: float
    high: float


def twin_pairs(table: TaskTable) -> Pairs:
    """Return the rows of twins, int64 ``(pairs, 2)``: first the one that is stronger in the ROI, then the other."""
    columns = ("source_id", "distortion", "roi_severity", "bg_severity")
    keys = list(zip(*(table.rows[name].to_pylist() for name in columns), strict=True))
    row_of = {key: row for row, key in enumerate(keys)}
    pairs = [
        (row, other)
        for (source_id, distortion, roi, background), row in row_of.items()
        if roi > background and (other := row_of.get((source_id, distortion, background, roi))) is not None
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def twin_records(table: TaskTable, *, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[TwinRecord]:
    """Yield a record for each label and measure, ``degradation_mean`` last.

    Args:
        table: labels and measures.
        resamples: bootstrap draws.
        seed: of the draws.
    """
    pairs, source_of = twin_pairs(table), table.source_of
    copies = draw_sources(int(source_of.max()) + 1 if len(source_of) else 0, resamples, seed)
    for label, values in table.labels.items():
        columns = {name: oriented(one, bool(lower_better(name))) for name, one in table.measures.items()}
        for name, measure in (columns | {DEGRADATION_MEAN: table.baselines[label]}).items():
            right, sources = _ordered(measure, values, pairs, source_of)
            by_source = [np.bincount(sources, weights, copies.shape[1]) for weights in (right, np.ones(len(right)))]
            with np.errstate(invalid="ignore", divide="ignore"):
                drawn = (copies @ by_source[0]) / (copies @ by_source[1])
            share = float(right.mean()) if len(right) else float("nan")
            yield TwinRecord(table.task, label, name, len(right), share, *interval(np.asarray(drawn, np.float64)))


def _ordered(measure: Floats, label: Floats, pairs: Pairs, source_of: NDArray[np.int32]) -> tuple[Floats, NDArray[np.int32]]:
    """Whether each pair that counts is in the right order (1, 0, or 0.5 for a tie), and its source."""
    by_label, by_measure = (np.take(side, pairs[:, 0]) - np.take(side, pairs[:, 1]) for side in (label, measure))
    # Differences of labels are sums of models' shares: 0.2 itself doesn't count, whatever its last bit.
    counted = (np.abs(by_label) > LEAST_DIFFERENCE + 1e-9) & ~np.isnan(by_measure)
    agreement = np.sign(by_label[counted]) * np.sign(by_measure[counted])
    return np.asarray((agreement + 1) / 2, np.float64), source_of[pairs[counted, 0]]
