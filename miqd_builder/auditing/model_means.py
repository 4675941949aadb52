"""Mean scores of every model by uniform degradation and on the originals: sums by source, drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from miqd_builder.auditing.document import Record
from miqd_builder.auditing.resampling import DrawnSums, Floats, Ints, Resampling, ratio, record
from miqd_builder.auditing.task_rows import Block, TaskFacts

SCORES = ("consistency", "accuracy")


class ModelMeans:
    """Scores by model and uniform degradation, in every draw.

    Attributes:
        models: names.
        resampling: the draws.
        distortions: the places of the cells of each distortion with uniform degradations, by rising severity.
        values: sums of the scores by model, place and score; the last place is the originals'.

    Args:
        facts: of the task.
        resampling: the draws.
    """

    def __init__(self, facts: TaskFacts, resampling: Resampling) -> None:
        self.models, self.resampling, self.cells = facts.models, resampling, facts.cells
        self.distortions: dict[str, Ints] = facts.cells.uniform_places
        self.values = DrawnSums(resampling, len(self.models), len(facts.cells.uniform) + 1, len(SCORES))

    def collect(self, block: Block) -> None:
        """Add a block's scores."""
        known = ~np.isnan(block.scores)
        self.values.add(block.sources, np.where(known, block.scores, 0), known.astype(np.float64))

    def cell_means(self, score: str) -> Floats:
        """Return a mean score by model and place in every draw, ``(draws, models, places)``."""
        index = SCORES.index(score)
        return ratio(self.values.total[..., index], self.values.count[..., index])

    def clean(self) -> Floats:
        """Return P, the mean accuracy on the originals, ``(draws, models)``."""
        return self.cell_means("accuracy")[..., -1]

    def over_distortions(self, score: str) -> Floats:
        """Return the mean over distortions of the mean over their severities, ``(draws, models)``; of accuracy, mPC."""
        means = self.cell_means(score)
        if not self.distortions:
            return np.full(means.shape[:2], np.nan)
        return np.mean([means[..., places].mean(axis=-1) for places in self.distortions.values()], axis=0)

    def extent(self, model: int, places: Ints | slice, score: str) -> tuple[float, int]:
        """Return rows and source images that a mean of a model rests on."""
        index = SCORES.index(score)
        rows = self.values.count[0, model, places, index].sum()
        known = self.values.known[:, model, places, index]
        return float(rows), int(known.reshape(len(known), -1).any(axis=1).sum())

    def by_severity(self, of: Callable[[Floats, Floats], Floats] | None = None) -> Iterator[Record]:
        """Yield mean scores by model, distortion and severity.

        Args:
            of: what is shown of them, from the draws of a mean and of the model's mean on the originals; None for the mean.
        """
        for score in SCORES:
            means = self.cell_means(score)
            for index, model in enumerate(self.models):
                for distortion, places in self.distortions.items():
                    for place in places:
                        cell = self.cells.all[self.cells.uniform[place]]
                        drawn = means[:, index, place]
                        rows, sources = self.extent(index, np.array([place]), score)
                        found = record(
                            drawn if of is None else of(drawn, means[:, index, -1]),
                            n=rows,
                            sources=sources,
                            difference=of is not None,
                            label=score,
                            model=model,
                            distortion=distortion,
                            category=cell.category,
                            severity=cell.roi_severity,
                        )
                        if found is not None:
                            yield found
