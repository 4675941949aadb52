"""Error consistency of classifiers: whether two models fail on the same images, beyond what their accuracies foretell."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from miqd_builder.auditing.document import Record
from miqd_builder.auditing.found import NO_SCORES, NO_TRUTH, Found
from miqd_builder.auditing.models import ONE_MODEL
from miqd_builder.auditing.resampling import Floats, Ints, Resampling, ratio, record
from miqd_builder.auditing.task_rows import Block, TaskFacts

NOT_CLS = "only a classifier is right or wrong on a whole image"
UNDEFINED = "every pair of models is always right, or always wrong"


class ErrorConsistency:
    """How often pairs of models are right together, in every draw.

    Args:
        facts: of the task.
        resampling: the draws.
    """

    def __init__(self, facts: TaskFacts, resampling: Resampling) -> None:
        self.resampling, self.models, self.task = resampling, facts.models, facts.task
        self.wanted = facts.task == "cls" and len(facts.models) > 1
        self._facts = facts
        shape = (resampling.resamples + 1, 3, len(self.models), len(self.models)) if self.wanted else (0,)
        # Of each two models: rows that both have, of these rows where the first is right, rows where both are right.
        self._sums = np.zeros(shape)
        self._known = np.zeros(resampling.sources, bool)

    def collect(self, block: Block) -> None:
        """Add a block's scores of degraded images."""
        if not self.wanted:
            return
        accuracy = block.scores[:, :, :-1, 1]
        known = (~np.isnan(accuracy)).astype(np.float64)
        right = np.nan_to_num(accuracy)
        self._sums[:, 0] += self._drawn_pairs(block.sources, known, known)
        self._sums[:, 1] += self._drawn_pairs(block.sources, right, known)
        self._sums[:, 2] += self._drawn_pairs(block.sources, right, right)
        self._known[block.sources] |= known.any(axis=(1, 2))

    def _drawn_pairs(self, sources: Ints, one: Floats, other: Floats) -> Floats:
        """Drawn products of each two models' columns, ``(draws, models, models)``."""
        if (other == 1).all():
            # No response is missing: the products are the sums of the first.
            sums = self.resampling.sums(sources, one.sum(axis=2))
            return np.broadcast_to(sums[:, :, None], (*sums.shape, sums.shape[1]))
        products = one @ other.transpose(0, 2, 1)
        if one is not other:
            return self.resampling.sums(sources, products)
        upper = np.triu_indices(products.shape[1])
        drawn = np.zeros((self.resampling.resamples + 1, *products.shape[1:]))
        drawn[:, upper[0], upper[1]] = self.resampling.sums(sources, products[:, upper[0], upper[1]])
        drawn[:, upper[1], upper[0]] = drawn[:, upper[0], upper[1]]
        return drawn

    def found(self) -> Found:
        """Return ``error_consistency``."""
        found = Found()
        found.add(
            "error_consistency",
            self._records() if self.wanted else (),
            title="Error consistency",
            definition="Cohen's kappa of two models being right: (agreement - chance) / (1 - chance), "
            "where chance is the agreement that follows from both accuracies.",
            unit="kappa",
            severities="all uniform severities",
            baseline="independent errors: kappa 0",
            interval=f"{self.resampling.text()}; of the mean over pairs: over models too",
            why_not=self._why_not(),
        )
        return found

    def _why_not(self) -> str:
        if self.task != "cls":
            return NOT_CLS
        if len(self.models) < 2:
            return ONE_MODEL if self.models else NO_SCORES
        return UNDEFINED if self._sums[0, 0].any() else NO_TRUTH

    def _records(self) -> Iterator[Record | None]:
        rows, right, both = self._sums.transpose(1, 0, 2, 3)
        one, other = ratio(right, rows), ratio(right.transpose(0, 2, 1), rows)
        agreement = 1 - one - other + 2 * ratio(both, rows)
        chance = one * other + (1 - one) * (1 - other)
        kappa = ratio(agreement - chance, np.where(chance < 1 - 1e-12, 1 - chance, 0))
        sources = int(self._known.sum())
        mean = mean_over_pairs(kappa, self.resampling.model_copies)
        yield record(mean, n=float(rows[0].max()), sources=sources, difference=True, label="kappa")
        for a, b in combinations(range(len(self.models)), 2):
            yield record(
                kappa[:, a, b],
                n=float(rows[0, a, b]),
                sources=sources,
                difference=True,
                label="kappa",
                model=self.models[a],
                other=self.models[b],
            )


def mean_over_pairs(values: Floats, model_copies: Floats) -> Floats:
    """Return the mean over pairs of different models in every draw of models; pairs without a value don't count.

    Args:
        values: float64 ``(draws, models, models)``.
        model_copies: copies of each model, ``(draws, models)``.
    """
    weights = model_copies[:, :, None] * model_copies[:, None, :] * ~np.isnan(values)
    upper = np.triu(np.ones(values.shape[1:]), 1)
    weights = weights * upper
    return ratio((np.nan_to_num(values) * weights).sum(axis=(1, 2)), weights.sum(axis=(1, 2)))
