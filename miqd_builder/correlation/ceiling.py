"""The noise ceiling of a label: how well one half of the models foretells the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from miqd_builder.correlation.coefficients import srcc
from miqd_builder.correlation.pairs import Floats

HALVINGS = 50


@dataclass(frozen=True)
class NoiseCeiling:
    """Split-half reliability of a label.

    Args:
        value: mean of ``corrected`` over the halvings in which it is defined; NaN if there is none.
        halves: SRCC of the labels of the two halves, float64 ``(halvings,)``.
        corrected: the same for the label of all models, after Spearman and Brown.
    """

    value: float
    halves: Floats
    corrected: Floats


def noise_ceiling(scores: Floats, weights: Floats, *, halvings: int = HALVINGS, seed: int = 0) -> NoiseCeiling:
    """Return the Spearman-Brown corrected split-half SRCC of a label over random halvings of the models.

    Each halving deals the models into two halves (of an odd number, one half has one model more). The label of a half is the
    weighted mean of its models' scores, each image over the models that have a score there; images without a label in
    either half are left out. With r the SRCC of the two labels, that of twice as many models is ``2 r / (1 + r)`` (Spearman
    1910, Brown 1910, British Journal of Psychology 3). It estimates the reliability of the label, its SRCC with the label of
    as many other models from the same population; a measure that knew the mean over all possible models could reach its
    square root.

    Args:
        scores: score of each image by each model, float ``(images, models)``; NaN where a model has none.
        weights: positive weight of each model, float ``(models,)``.
        halvings: number of random halvings.
        seed: of the halvings.

    Returns:
        The ceiling; NaN with fewer than two models.

    Raises:
        ValueError: the shapes don't fit.

    >>> scores = np.arange(5.0)[:, None] + np.zeros(4)
    >>> noise_ceiling(scores, np.ones(4), halvings=3).value
    1.0
    """
    scores, weights = np.asarray(scores), np.asarray(weights, np.float64)
    if scores.ndim != 2 or weights.shape != scores.shape[1:]:
        raise ValueError(f"Expected scores (images, models) and weights (models,), got {scores.shape} and {weights.shape}.")
    models = len(weights)
    if models < 2:
        return NoiseCeiling(float("nan"), np.array([]), np.array([]))
    return corrected_ceiling(
        np.array(
            [
                srcc(half_label(scores, weights, one), half_label(scores, weights, other))
                for one, other in random_halves(models, halvings, seed)
            ]
        )
    )


def random_halves(models: int, halvings: int, seed: int) -> list[tuple[NDArray[np.integer], NDArray[np.integer]]]:
    """Deal the models into two halves, ``halvings`` times: the indices of each half."""
    rng = np.random.default_rng(seed)
    dealt = [rng.permutation(models) for _ in range(halvings)]
    return [(order[: models // 2], order[models // 2 :]) for order in dealt]


def corrected_ceiling(halves: Floats) -> NoiseCeiling:
    """Correct split-half correlations for the whole number of models, and average those that are defined.

    >>> corrected_ceiling(np.array([0.5, np.nan])).value.__round__(6)
    0.666667
    """
    # r = -1 has no correction; anything below 0 says that the models share nothing.
    with np.errstate(divide="ignore", invalid="ignore"):
        corrected = np.where(halves > -1, 2 * halves / (1 + halves), np.nan)
    known = corrected[~np.isnan(corrected)]
    return NoiseCeiling(float(known.mean()) if len(known) else float("nan"), halves, corrected)


def half_label(scores: NDArray[np.floating], weights: Floats, half: NDArray[np.integer]) -> Floats:
    """Return the weighted mean over some models of each image, float64 ``(images,)``; NaN where none of them has a score.

    >>> half_label(np.array([[1.0, 0.0, 9.0], [np.nan, 0.5, 9.0]]), np.array([3.0, 1.0, 1.0]), np.array([0, 1])).tolist()
    [0.75, 0.5]
    """
    # Model by model: a copy of half the matrix would not fit beside it in a large run.
    total, weight = np.zeros(len(scores)), np.zeros(len(scores))
    for model in np.sort(half):
        known = ~np.isnan(scores[:, model])
        total += np.where(known, scores[:, model], 0) * weights[model]
        weight += known * weights[model]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / weight, np.float64)
