"""Noise ceilings of all labels in all subsets, from the same halvings of the models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from miqd_builder.correlation.ceiling import HALVINGS, corrected_ceiling, half_label, random_halves
from miqd_builder.correlation.coefficients import spearman_of
from miqd_builder.correlation.pairs import Floats
from miqd_builder.correlation.ranks import compacted, dense_ranks, level_counts

Ceilings = dict[tuple[str, str], float]
"""By label and subset; NaN where undefined."""


def ceilings(
    consistency: NDArray[np.floating],
    accuracy: NDArray[np.floating],
    weights: Floats,
    consistency_share: float,
    subsets: Mapping[str, NDArray[np.bool_]],
    *,
    halvings: int = HALVINGS,
    seed: int = 0,
) -> Ceilings:
    """Return :func:`miqd_builder.correlation.ceiling.noise_ceiling` of consistency, accuracy and composite in each subset.

    The label of a half is ranked once for all subsets.

    Args:
        consistency: score of each image by each model, float ``(images, models)``; NaN where a model has none.
        accuracy: the same.
        weights: positive weight of each model, float64 ``(models,)``.
        consistency_share: share of consistency in the composite.
        subsets: bool ``(images,)`` by name.
        halvings: number of random halvings.
        seed: of the halvings.
    """

    def halving(halves: tuple[NDArray[np.integer], NDArray[np.integer]]) -> Ceilings:
        sides = [_half_labels(consistency, accuracy, weights, half, consistency_share) for half in halves]
        return {
            (label, subset): value
            for label in sides[0]
            for subset, value in _correlations(sides[0][label], sides[1][label], subsets).items()
        }

    if len(weights) < 2:
        return {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = list(pool.map(halving, random_halves(len(weights), halvings, seed)))
    return {key: corrected_ceiling(np.array([one[key] for one in found])).value for key in found[0]}


def _half_labels(
    consistency: NDArray[np.floating],
    accuracy: NDArray[np.floating],
    weights: Floats,
    half: NDArray[np.integer],
    consistency_share: float,
) -> dict[str, Floats]:
    one, two = half_label(consistency, weights, half), half_label(accuracy, weights, half)
    return {"consistency": one, "accuracy": two, "composite": consistency_share * one + (1 - consistency_share) * two}


def _correlations(one: Floats, other: Floats, subsets: Mapping[str, NDArray[np.bool_]]) -> dict[str, float]:
    known = ~(np.isnan(one) | np.isnan(other))
    ranks = [dense_ranks(side) for side in (one, other)]
    found = {}
    for name, rows in subsets.items():
        kept = rows & known
        a, b = (compacted(side.codes[kept], side.levels) for side in ranks)
        found[name] = spearman_of(a.codes, level_counts(a.codes, a.levels), b.codes, level_counts(b.codes, b.levels))
    return found
