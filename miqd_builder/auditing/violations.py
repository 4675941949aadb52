"""Monotonicity violations: images whose label rises although the distortion becomes stronger."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from miqd_builder.auditing.document import Record
from miqd_builder.auditing.found import NO_TRUTH, Found
from miqd_builder.auditing.machine_ratio import TOLERANCE
from miqd_builder.auditing.resampling import DrawnSums, Resampling, ratio, record
from miqd_builder.auditing.task_rows import Block, TaskFacts

RISE = 0.1

_VALUES = """
    select source, distortion, count(*) filter (composite > before + ?)::double as violations, count(*)::double as steps
    from (
        select l.source, c.distortion, c.severity, l.composite,
               lag(l.composite) over steps as before, lag(c.severity) over steps as last
        from labels l join scored_cells c using (cell) where l.composite is not null
        window steps as (partition by l.source, c.distortion order by c.severity)
    ) where last = severity - 1 group by source, distortion
"""


class Violations:
    """Steps from one uniform severity to the next, and how many of them raise the composite, in every draw.

    Args:
        facts: of the task.
        resampling: the draws.
    """

    def __init__(self, facts: TaskFacts, resampling: Resampling) -> None:
        self.resampling, self.cells = resampling, facts.cells
        self.values = DrawnSums(resampling, len(facts.cells.distortions), 1)

    def collect(self, block: Block) -> None:
        """Add a block's labels."""
        rows = block.query(_VALUES, [RISE + TOLERANCE])
        total, count = np.zeros((2, len(block.sources), *self.values.total.shape[1:]))
        total[rows["row"], rows["distortion"], 0] = rows["violations"]
        count[rows["row"], rows["distortion"], 0] = rows["steps"]
        self.values.add(block.sources, total, count)

    def found(self) -> Found:
        """Return ``violations``."""
        found = Found()
        found.add(
            "violations",
            self._records(),
            title="Monotonicity violations",
            definition="Share of the steps from a uniform severity to the next one in which an image's composite rises by more "
            "than 0.1.",
            unit="share",
            severities="all steps between neighbouring uniform severities",
            baseline="the same image one severity milder",
            interval=self.resampling.text(),
            why_not=NO_TRUTH,
        )
        return found

    def _records(self) -> Iterator[Record | None]:
        groups: list[tuple[slice, dict[str, str]]] = [(slice(None), {})]
        for place, (name, category) in enumerate(self.cells.categories.items()):
            groups.append((slice(place, place + 1), {"distortion": name, "category": category}))
        for places, keys in groups:
            total, count = (sums[:, places, 0].sum(axis=1) for sums in (self.values.total, self.values.count))
            sources = int(self.values.known[:, places, 0].any(axis=1).sum())
            yield record(ratio(total, count), n=count[0], sources=sources, difference=False, label="composite", **keys)
