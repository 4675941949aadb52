"""How far models agree about an image: the noise ceiling of labels, and rank correlations of pairs of models."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, repeat

import numpy as np

from miqd_builder.auditing.bootstrap import drawn_spearman
from miqd_builder.auditing.document import Record
from miqd_builder.auditing.error_consistency import mean_over_pairs
from miqd_builder.auditing.found import NO_SCORES, NO_TRUTH, Found
from miqd_builder.auditing.models import ONE_MODEL
from miqd_builder.auditing.resampling import Floats, Ints, Resampling, ratio, record
from miqd_builder.auditing.sample import draw_sample, score_matrix
from miqd_builder.auditing.task_rows import TaskFacts
from miqd_builder.correlation.ceiling import HALVINGS, corrected_ceiling, half_label, random_halves
from miqd_builder.correlation.coefficients import srcc
from miqd_builder.store.folder import RunFolder

MOST_ROWS = 10_000
CEILING_RESAMPLES = 200
"""Every draw ranks all rows anew, in both halves of all halvings."""
ALL_SEVERITIES = "all severities of all regions"
CONSTANT = "no two models have scores that vary"


def agreement(folder: RunFolder, facts: TaskFacts, *, resamples: int, seed: int) -> Found:
    """Return ``noise_ceiling`` and ``agreement``.

    Args:
        folder: the run folder.
        facts: of the task.
        resamples: bootstrap draws.
        seed: of the sample, the halvings and the draws.
    """
    found = Found()
    if len(facts.models) < 2:
        reason = ONE_MODEL if facts.models else NO_SCORES
        found.absent |= {"noise_ceiling": reason, "agreement": reason}
        return found
    sample = draw_sample(folder, facts, most_sources=MOST_ROWS // len(facts.cells), seed=seed)
    source_of, scores = score_matrix(folder, facts, sample, ["consistency", "accuracy"])
    few = Resampling.draw(len(sample.source_ids), 0, resamples=min(resamples, CEILING_RESAMPLES), seed=seed)
    extra = {} if sample.text is None else {"sample": sample.text}
    found.add(
        "noise_ceiling",
        _ceilings(facts, scores, source_of, few, seed),
        title="Noise ceiling",
        definition=f"Spearman-Brown corrected SRCC of the labels of two halves of the models, mean over {HALVINGS} halvings.",
        unit="SRCC",
        severities=ALL_SEVERITIES,
        interval=few.text(),
        why_not=CONSTANT,
        labels=("consistency", "accuracy", "composite"),
        why_no_label=CONSTANT if facts.rows_with_accuracy else NO_TRUTH,
        **extra,
    )
    resampling = Resampling.draw(len(sample.source_ids), len(facts.models), resamples=resamples, seed=seed)
    found.add(
        "agreement",
        _pairs(facts, scores, source_of, resampling),
        title="Agreement of models",
        definition="Spearman's rank correlation of two models' scores over the images, and its mean over all pairs of models.",
        unit="SRCC",
        severities=ALL_SEVERITIES,
        interval=f"{resampling.text()}, of the ranks in the whole sample; of the mean over pairs: over models too",
        why_not=CONSTANT,
        labels=("consistency", "accuracy"),
        why_no_label=CONSTANT if facts.rows_with_accuracy else NO_TRUTH,
        **extra,
    )
    return found


def _ceilings(
    facts: TaskFacts, scores: dict[str, Floats], source_of: Ints, resampling: Resampling, seed: int
) -> Iterator[Record | None]:
    halves = [tuple(map(tuple, map(np.sort, pair))) for pair in random_halves(len(facts.models), HALVINGS, seed)]
    # Of few models there are few halvings: each is computed once.
    different = {pair: place for place, pair in enumerate(dict.fromkeys(halves))}
    sides = [[_half_labels(facts, scores, np.array(half)) for half in pair] for pair in different]
    repeated = [different[pair] for pair in halves]
    draws = resampling.copies[1:].astype(np.int64)
    for label in ("consistency", "accuracy", "composite"):
        columns = [(one[label], other[label]) for one, other in sides]
        known = ~np.isnan(np.sum(columns, axis=(0, 1)))
        if not known.any():
            continue
        values = [[srcc(one[known], other[known])] for one, other in columns]
        ones, others = ([side[known] for side in of_halves] for of_halves in zip(*columns, strict=True))
        with ThreadPoolExecutor() as pool:
            drawn = list(pool.map(drawn_spearman, ones, others, repeat(source_of[known]), repeat(draws)))
        of_draws = np.concatenate([values, drawn], axis=1)[repeated]
        ceiling = np.array([corrected_ceiling(column).value for column in of_draws.T])
        yield record(ceiling, n=known.sum(), sources=len(np.unique(source_of[known])), label=label)


def _half_labels(facts: TaskFacts, scores: dict[str, Floats], half: Ints) -> dict[str, Floats]:
    labels = {name: half_label(values, facts.weights, half) for name, values in scores.items()}
    labels["composite"] = facts.share * labels["consistency"] + (1 - facts.share) * labels["accuracy"]
    return labels


def _pairs(facts: TaskFacts, scores: dict[str, Floats], source_of: Ints, resampling: Resampling) -> Iterator[Record | None]:
    for label, values in scores.items():
        known = ~np.isnan(values).any(axis=1)
        if known.sum() < 2:
            continue
        drawn = _rank_correlations(values[known], source_of[known], resampling)
        extent = {"n": float(known.sum()), "sources": len(np.unique(source_of[known]))}
        yield record(mean_over_pairs(drawn, resampling.model_copies), label=label, **extent)  # type: ignore[arg-type]
        for a, b in combinations(range(len(facts.models)), 2):
            names = {"model": facts.models[a], "other": facts.models[b]}
            yield record(drawn[:, a, b], label=label, **extent, **names)  # type: ignore[arg-type]


def _rank_correlations(values: Floats, source_of: Ints, resampling: Resampling) -> Floats:
    """Return the correlation of the ranks of every two columns in every draw, ``(draws, models, models)``.

    Ranks are those in the whole sample, also in the draws; of scores of 0 and 1 these are as good as the draw's own.
    """
    from scipy.stats import rankdata

    ranks = rankdata(values, axis=0)
    ranks = (ranks - ranks.mean(axis=0)) / len(ranks)
    models = ranks.shape[1]
    sums = np.zeros((resampling.sources, 1 + models + models**2))
    for source in range(resampling.sources):
        own = ranks[source_of == source]
        sums[source] = np.concatenate([[len(own)], own.sum(axis=0), (own.T @ own).ravel()])
    drawn = resampling.sums(np.arange(resampling.sources), sums)
    n = drawn[:, :1]
    means = ratio(drawn[:, 1 : 1 + models], n)
    covariance = ratio(drawn[:, 1 + models :], n).reshape(-1, models, models) - means[:, :, None] * means[:, None, :]
    spread = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0))
    norm = spread[:, :, None] * spread[:, None, :]
    return ratio(covariance, np.where(norm > 1e-15, norm, 0))
