"""Mean labels of degradations, and their decline against the originals: sums by source and degradation, drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from miqd_builder.auditing.cells import Cells
from miqd_builder.auditing.document import Record
from miqd_builder.auditing.resampling import DrawnSums, Floats, Ints, Resampling, placed, ratio, record
from miqd_builder.auditing.task_rows import Block, TaskFacts

LABELS = ("consistency", "accuracy", "composite")

_VALUES = "select source, cell, consistency, accuracy, composite from labels"


@dataclass(frozen=True)
class Group:
    """Cells that a statistic takes together, and the keys of its record."""

    cells: Ints
    keys: dict[str, str | int]


class LabelMeans:
    """Labels by degradation, in every draw.

    Attributes:
        cells: the degradations.
        resampling: the draws.
        scored: whether the run has the scores that the labels were made of.
        values: sums of the labels by cell and label.
        paired: the same, of the rows whose original has that label.
        originals: sums of the labels of these rows' originals.

    Args:
        facts: of the task.
        resampling: the draws.
    """

    def __init__(self, facts: TaskFacts, resampling: Resampling) -> None:
        self.cells: Cells = facts.cells
        self.resampling = resampling
        self.scored = bool(facts.models)
        self._facts = facts
        shape = (len(facts.cells), len(LABELS))
        self.values, self.paired, self.originals = (DrawnSums(resampling, *shape) for _ in range(3))

    def collect(self, block: Block) -> None:
        """Add a block's labels."""
        rows = block.query(_VALUES)
        shape = (len(block.sources), len(self.cells))
        places = (rows["row"], rows["cell"].astype(np.int64))
        total, count = (
            np.stack(arrays, axis=-1) for arrays in zip(*(placed(shape, places, rows[n]) for n in LABELS), strict=True)
        )
        drawn = self.values.add(block.sources, total, count)
        original = self._originals(block)[:, None]
        known = ~np.isnan(original)
        if known.all():
            self.paired.take(block.sources, *drawn, count > 0)
        else:
            self.paired.add(block.sources, total * known, count * known)
        self.originals.add(block.sources, np.nan_to_num(original) * count, count * known)

    def _originals(self, block: Block) -> Floats:
        """Labels of the originals ``(block, labels)``: consistency with itself is 1 by definition."""
        # With the weights of the labels. Not in SQL: DuckDB's threads add up in any order, so not to the last bit alike.
        scores = block.scores[:, :, -1, 1]
        weights = ~np.isnan(scores) * self._facts.weights
        accuracy = ratio((np.nan_to_num(scores) * weights).sum(axis=1), weights.sum(axis=1))
        share = self._facts.share
        return np.stack([np.ones(len(accuracy)), accuracy, share + (1 - share) * accuracy], axis=-1)

    def means(self, cells: Ints) -> Floats:
        """Return mean labels over some cells in every draw, ``(draws, labels)``."""
        return ratio(self.values.total[:, cells].sum(axis=1), self.values.count[:, cells].sum(axis=1))

    def declines(self, cells: Ints) -> Floats:
        """Return the declines of mean labels against those of the originals in per cent, ``(draws, labels)``."""
        degraded, original = (sums.total[:, cells].sum(axis=1) for sums in (self.paired, self.originals))
        return 100 * (1 - ratio(degraded, original))

    def extent(self, cells: Ints, sums: DrawnSums | None = None) -> tuple[Floats, Ints]:
        """Return rows and source images with each label in some cells, ``(labels,)`` each."""
        sums = sums or self.values
        return sums.count[0, cells].sum(axis=0), sums.known[:, cells].any(axis=1).sum(axis=0)

    def mean_records(self, groups: list[Group]) -> Iterator[Record]:
        """Yield the mean labels of groups of cells."""
        for group in groups:
            yield from self._records(self.means(group.cells), *self.extent(group.cells), group.keys)

    def decline_records(self, groups: list[Group]) -> Iterator[Record]:
        """Yield the declines of groups of cells; none where the originals' mean is 0 or unknown."""
        for group in groups:
            drawn = self.declines(group.cells)
            yield from self._records(drawn, *self.extent(group.cells, self.paired), group.keys, difference=True)

    def difference_records(self, pairs: list[tuple[Group, Group]]) -> Iterator[Record]:
        """Yield the mean labels of groups less those of others, with the keys of the first; paired by source image."""
        for one, other in pairs:
            both = np.concatenate([one.cells, other.cells])
            yield from self._records(
                self.means(one.cells) - self.means(other.cells), *self.extent(both), one.keys, difference=True
            )

    @staticmethod
    def _records(
        drawn: Floats, rows: Floats, sources: Ints, keys: dict[str, str | int], *, difference: bool = False
    ) -> Iterator[Record]:
        for index, label in enumerate(LABELS):
            found = record(
                drawn[:, index], n=rows[index], sources=int(sources[index]), difference=difference, label=label, **keys
            )
            if found is not None:
                yield found
