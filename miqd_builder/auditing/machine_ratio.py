"""Satisfied machine ratio: the share of models that a degraded image leaves as they were."""

from __future__ import annotations

import numpy as np

from miqd_builder.auditing.found import NO_SCORES, Found
from miqd_builder.auditing.resampling import DrawnSums, Resampling, ratio, record
from miqd_builder.auditing.task_rows import Block, TaskFacts

TOLERANCE = 1e-9
"""Scores are means of fractions: one that should equal a threshold may be below it by rounding."""

_SATISFIED = "avg((consistency >= {threshold!r} - {tolerance!r})::integer)"
_VALUES = "select source, cell, {satisfied} from scores where severity > 0 group by source, cell"


def thresholds(task: str) -> tuple[float, ...]:
    """Return the consistencies at which a model counts as satisfied: 1 where it is 0 or 1, else .5, .75 and .9."""
    return (1.0,) if task == "cls" else (0.5, 0.75, 0.9)


class MachineRatio:
    """Satisfied machine ratios by uniform degradation, in every draw.

    Args:
        facts: of the task.
        resampling: the draws.
    """

    def __init__(self, facts: TaskFacts, resampling: Resampling) -> None:
        self.thresholds = thresholds(facts.task)
        self.cells, self.resampling = facts.cells, resampling
        self.values = DrawnSums(resampling, len(facts.cells.uniform), len(self.thresholds))

    def collect(self, block: Block) -> None:
        """Add a block's scores."""
        columns = ", ".join(
            f"{_SATISFIED.format(threshold=threshold, tolerance=TOLERANCE)} as t{index}"
            for index, threshold in enumerate(self.thresholds)
        )
        rows = block.query(_VALUES.format(satisfied=columns))
        total, count = np.zeros((2, len(block.sources), *self.values.total.shape[1:]))
        places = (rows["row"], self.cells.places[rows["cell"]])
        for index in range(len(self.thresholds)):
            total[(*places, index)] = rows[f"t{index}"]
        count[places] = 1
        self.values.add(block.sources, total, count)

    def found(self) -> Found:
        """Return ``smr``."""
        found, means = Found(), ratio(self.values.total, self.values.count)
        found.add(
            "smr",
            (
                record(
                    means[:, place, index],
                    n=self.values.count[0, place, index],
                    sources=int(self.values.known[:, place, index].sum()),
                    label="smr",
                    distortion=distortion,
                    category=self.cells.categories[distortion],
                    severity=self.cells.all[self.cells.uniform[place]].roi_severity,
                    threshold=threshold,
                )
                for index, threshold in enumerate(self.thresholds)
                for distortion, places in self.cells.uniform_places.items()
                for place in places
            ),
            title="Satisfied machine ratio",
            definition="Mean over images of the share of models whose consistency is at least the threshold.",
            unit="share",
            severities="one uniform severity each",
            baseline="each model's own predictions on the originals",
            interval=self.resampling.text(),
            why_not=NO_SCORES,
        )
        return found
