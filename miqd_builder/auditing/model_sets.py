"""Two sets of models of one run compared: which of them loses less, under which distortion."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from miqd_builder.auditing.document import Record
from miqd_builder.auditing.found import NO_SCORES, Found
from miqd_builder.auditing.groups import UNIFORM_SEVERITIES
from miqd_builder.auditing.model_means import SCORES, ModelMeans
from miqd_builder.auditing.resampling import TWO_WAY, Floats, ratio, record
from miqd_builder.errors import ConfigError, did_you_mean

NO_SETS = "no sets of models were named: use --models and --against-models"
ONE_SIDE = "one of the sets has no model of this task"


@dataclass(frozen=True)
class ModelSets:
    """Models that are compared with others.

    Attributes:
        models: names.
        others: names of those that they are compared with.
    """

    models: frozenset[str]
    others: frozenset[str]


def chosen_sets(
    models: Sequence[str] | None, against: Sequence[str] | None, known: dict[str, tuple[str, ...]]
) -> ModelSets | None:
    """Return the sets that globs name; None without any.

    Args:
        models: globs; None for all models but the others.
        against: globs of the others.
        known: models with scores, by task.

    Raises:
        ConfigError: a glob matches no model (names the nearest), a model is in both sets, or there is nothing to compare with.
    """
    if not against:
        if models:
            raise ConfigError("--models names models to compare: give --against-models, those that they are compared with.")
        return None
    names = sorted({name for of_task in known.values() for name in of_task})
    others = _matching(against, names)
    chosen = _matching(models, names) if models else frozenset(names) - others
    both = sorted(chosen & others)
    if both:
        raise ConfigError(f"Model '{both[0]}' is in both sets that are compared: correct --models or --against-models.")
    if not chosen:
        raise ConfigError("--against-models names all models: nothing is left to compare them with.")
    return ModelSets(chosen, others)


def _matching(globs: Sequence[str], names: Sequence[str]) -> frozenset[str]:
    found: set[str] = set()
    for pattern in globs:
        matching = fnmatch.filter(names, pattern)
        if not matching:
            there = f"There are scores of {', '.join(names)}." if names else "The run has no scores."
            raise ConfigError(f"No model with scores matches '{pattern}'.{did_you_mean(pattern, names)} {there}")
        found.update(matching)
    return frozenset(found)


def model_sets(means: ModelMeans, sets: ModelSets | None, *, seed: int) -> Found:
    """Return ``models_against``.

    Args:
        means: scores of the models.
        sets: which are compared; None for none.
        seed: of the draws of models.
    """
    found = Found()
    if sets is None or not means.models:
        found.absent["models_against"] = NO_SETS if sets is None else NO_SCORES
        return found
    sides = [np.array([i for i, name in enumerate(means.models) if name in side], int) for side in (sets.models, sets.others)]
    names = [", ".join(means.models[i] for i in side) for side in sides]
    found.add(
        "models_against",
        _records(means, sides, seed) if all(map(len, sides)) else (),
        title="Two sets of models",
        definition=f"Mean score of {names[0]} less that of {names[1]}, each model with the same weight, on the same images.",
        unit="score",
        severities=UNIFORM_SEVERITIES,
        baseline=names[1],
        interval=f"{means.resampling.text(TWO_WAY)}, within each set",
        why_not=ONE_SIDE,
        labels=SCORES,
    )
    return found


def _records(means: ModelMeans, sides: list[np.ndarray], seed: int) -> Iterator[Record | None]:
    copies = [_copies(len(side), means.resampling.resamples, [seed, 2 + place]) for place, side in enumerate(sides)]
    for score in SCORES:
        cells = means.cell_means(score)
        groups: dict[str | None, Floats] = {None: means.over_distortions(score)}
        groups |= {name: cells[..., places].mean(axis=-1) for name, places in means.distortions.items()}
        for distortion, values in groups.items():
            one, other = (_mean(values[:, side], own) for side, own in zip(sides, copies, strict=True))
            places = slice(None, -1) if distortion is None else means.distortions[distortion]
            extent = [means.extent(int(model), places, score) for side in sides for model in side]
            yield record(
                one - other,
                n=sum(n for n, _ in extent),
                sources=max(sources for _, sources in extent),
                difference=True,
                label=score,
                distortion=distortion,
                category=None if distortion is None else means.cells.categories[distortion],
            )


def _copies(models: int, resamples: int, seed: list[int]) -> Floats:
    """Copies of each model of a set in every draw, the set itself first."""
    drawn = np.random.default_rng(seed).multinomial(models, np.full(models, 1 / models), size=resamples)
    return np.concatenate([np.ones((1, models)), drawn])


def _mean(values: Floats, copies: Floats) -> Floats:
    known = ~np.isnan(values)
    return ratio((np.nan_to_num(values) * copies).sum(axis=1), (known * copies).sum(axis=1))
