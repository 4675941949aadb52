"""Machine JND: how much of a distortion a model takes before it notices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from miqd_builder.auditing.document import Record
from miqd_builder.auditing.found import NO_SCORES, Found
from miqd_builder.auditing.machine_ratio import TOLERANCE, thresholds
from miqd_builder.auditing.resampling import Floats, Resampling, placed, ratio, record
from miqd_builder.auditing.task_rows import Block, TaskFacts

NO_LEVELS = "no distortion has every uniform severity from 1 on"
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)

_VALUES = """
    select source, model, s.distortion, coalesce(min(severity) filter (consistency < ? - ?) - 1, any_value(l.severities)) as jnd
    from scores s join levels l using (distortion) where severity > 0
    group by source, model, s.distortion having count(*) = any_value(l.severities)
"""
"""Only where a model has a score at every severity."""


class MachineJnd:
    """How many images have each JND, by threshold: for each distortion over the models, for each model over the distortions.

    Args:
        facts: of the task.
        resampling: the draws.
    """

    def __init__(self, facts: TaskFacts, resampling: Resampling) -> None:
        self.resampling, self.cells, self.models = resampling, facts.cells, facts.models
        self.thresholds = thresholds(facts.task)
        self.severities = {
            name: len(places)
            for name, places in facts.cells.uniform_places.items()
            if [facts.cells.all[code].roi_severity for code in facts.cells.uniform[places]] == list(range(1, len(places) + 1))
        }
        values = max(self.severities.values(), default=0) + 1
        sizes = (len(facts.cells.distortions), len(self.models))
        shapes = [(len(self.thresholds), size, values) for size in sizes]
        self._counts = [np.zeros((resampling.resamples + 1, *shape)) for shape in shapes]
        self._known = [np.zeros((resampling.sources, size), bool) for size in sizes]

    def collect(self, block: Block) -> None:
        """Add a block's scores."""
        order = self.cells.distortions
        levels = [{"distortion": order.index(name), "severities": count} for name, count in self.severities.items()]
        if not levels:
            return
        block.database.register("levels", pa.Table.from_pylist(levels))
        shapes = [(len(block.sources), *counts.shape[1:]) for counts in self._counts]
        blocks = [np.zeros(shape) for shape in shapes]
        for index, threshold in enumerate(self.thresholds):
            rows = block.query(_VALUES, [threshold, TOLERANCE])
            ones = np.ones(len(rows["row"]))
            for counts, key in zip(blocks, ("distortion", "model"), strict=True):
                _, counts[:, index] = placed(counts[:, index].shape, (rows["row"], rows[key], rows["jnd"]), ones)
        for drawn, known, counts in zip(self._counts, self._known, blocks, strict=True):
            drawn += self.resampling.sums(block.sources, counts)
            known[block.sources] |= counts.any(axis=(1, 3))

    def found(self) -> Found:
        """Return ``jnd`` and ``jnd_models``."""
        found = Found()
        definition = "The largest uniform severity k such that the consistency is at least the threshold at every severity 1..k"
        found.add(
            "jnd",
            self._by_distortion(),
            title="Machine JND by distortion",
            definition=f"{definition}; mean and quantiles over models and images.",
            unit="severity",
            severities="0 (not even the mildest) to the highest uniform severity",
            baseline="each model's own predictions on the originals",
            interval=self.resampling.text(),
            why_not=NO_LEVELS if self.models else NO_SCORES,
        )
        found.add(
            "jnd_models",
            self._by_model(),
            title="Machine JND by model",
            definition=f"{definition}; mean over distortions and images.",
            unit="severity",
            severities="0 (not even the mildest) to the highest uniform severity",
            baseline="the model's own predictions on the originals",
            interval=self.resampling.text(),
            why_not=NO_LEVELS if self.models else NO_SCORES,
        )
        return found

    def _by_distortion(self) -> Iterator[Record | None]:
        for index, threshold in enumerate(self.thresholds):
            for place, distortion in enumerate(self.cells.distortions):
                counts = self._counts[0][:, index, place]
                sources = int(self._known[0][:, place].sum())
                figures: list[tuple[float | None, Floats]] = [(None, _mean(counts))]
                figures += [(quantile, _quantile(counts, quantile)) for quantile in QUANTILES]
                for quantile, drawn in figures:
                    yield record(
                        drawn,
                        n=counts[0].sum(),
                        sources=sources,
                        label="jnd",
                        distortion=distortion,
                        category=self.cells.categories[distortion],
                        threshold=threshold,
                        quantile=quantile,
                    )

    def _by_model(self) -> Iterator[Record | None]:
        for index, threshold in enumerate(self.thresholds):
            for place, model in enumerate(self.models):
                counts = self._counts[1][:, index, place]
                sources = int(self._known[1][:, place].sum())
                yield record(_mean(counts), n=counts[0].sum(), sources=sources, label="jnd", model=model, threshold=threshold)


def _mean(counts: Floats) -> Floats:
    return ratio(counts @ np.arange(counts.shape[1]), counts.sum(axis=1))


def _quantile(counts: Floats, quantile: float) -> Floats:
    """The smallest value up to which at least this share lies."""
    share = ratio(counts.cumsum(axis=1), counts.sum(axis=1, keepdims=True))
    return np.where(np.isnan(share[:, 0]), np.nan, (share >= quantile - TOLERANCE).argmax(axis=1))
