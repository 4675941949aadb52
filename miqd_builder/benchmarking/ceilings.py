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
from miqd_builder.correlation.ranks import DenseRanks, compacted, dense_ranks, level_counts

Ceilings = dict[tuple[str, str], float]
"""By label and subset; NaN where undefined."""

SMALL = 16
"""A subset this many times smaller than the number of levels is sorted anew."""


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
    places = {name: np.flatnonzero(rows) for name, rows in subsets.items()}

    def halving(halves: tuple[NDArray[np.integer], NDArray[np.integer]]) -> Ceilings:
        sides = [_half_labels(consistency, accuracy, weights, half, consistency_share) for half in halves]
        return {
            (label, subset): value
            for label in sides[0]
            for subset, value in _correlations(sides[0][label], sides[1][label], places).items()
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


def _correlations(one: Floats, other: Floats, places: Mapping[str, NDArray[np.integer]]) -> dict[str, float]:
    known = ~(np.isnan(one) | np.isnan(other))
    ranks = [dense_ranks(side) for side in (one, other)]
    found = {}
    for name, rows in places.items():
        kept = rows[known[rows]]
        a, b = (_ranked_again(side, kept) for side in ranks)
        found[name] = spearman_of(a.codes, level_counts(a.codes, a.levels), b.codes, level_counts(b.codes, b.levels))
    return found


def _ranked_again(whole: DenseRanks, kept: NDArray[np.integer]) -> DenseRanks:
    """Ranks of some rows: compacting takes time for every level of the whole column, which sorting a few rows doesn't."""
    codes = whole.codes[kept]
    return dense_ranks(codes.astype(np.float64)) if SMALL * len(kept) < whole.levels else compacted(codes, whole.levels)
