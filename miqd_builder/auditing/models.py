"""What each model keeps under degradation: by severity, P, mPC, rPC, and which differences between models are certain."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from miqd_builder.auditing.document import Record
from miqd_builder.auditing.found import NO_SCORES, NO_TRUTH, NO_UNIFORM, Found
from miqd_builder.auditing.groups import UNIFORM_SEVERITIES
from miqd_builder.auditing.model_means import SCORES, ModelMeans
from miqd_builder.auditing.resampling import TWO_WAY, Floats, ratio, record

FIGURES = ("P", "mPC", "rPC", "consistency")
NEVER_RIGHT = "no model is right on any original"
ONE_MODEL = "the run has the scores of one model"
ONE_SEVERITY = "one uniform severity each"


def by_model(models: ModelMeans) -> Found:
    """Return ``model_severity``, its decline, ``models``, ``model_difference`` and ``distortion_models``."""
    found, interval = Found(), models.resampling.text()
    found.add(
        "model_severity",
        models.by_severity(),
        title="Scores by model, distortion and severity",
        definition="Mean score of one model over the images degraded by one distortion at one severity everywhere.",
        unit="score",
        severities=ONE_SEVERITY,
        interval=interval,
        why_not=NO_SCORES,
        labels=SCORES,
    )
    found.add(
        "model_severity_decline",
        models.by_severity(lambda degraded, clean: 100 * (1 - ratio(degraded, clean))),
        title="Scores by model, distortion and severity: decline",
        definition="100 (1 - mean score / the model's mean score on the originals).",
        unit="per cent",
        severities=ONE_SEVERITY,
        baseline="the same model on the original images: consistency 1, accuracy P",
        interval=interval,
        why_not=NO_SCORES,
        labels=SCORES,
        why_no_label=why_no_figure(models),
    )
    _figures(found, models)
    found.add(
        "distortion_models",
        _over_models(models),
        title="Scores by distortion over models",
        definition="Mean over the models, each with the same weight, of the mean over severities.",
        unit="score",
        severities=UNIFORM_SEVERITIES,
        interval=models.resampling.text(TWO_WAY),
        why_not=NO_SCORES,
        labels=SCORES,
    )
    return found


def drawn_figures(models: ModelMeans) -> dict[str, Floats]:
    """Return P, mPC, rPC and mean consistency of the models in every draw, ``(draws, models)`` each."""
    clean, degraded = models.clean(), models.over_distortions("accuracy")
    return {
        "P": clean,
        "mPC": degraded,
        "rPC": ratio(degraded, clean),
        "consistency": models.over_distortions("consistency"),
    }


def why_no_figure(models: ModelMeans) -> str:
    """Return why there may be no P, mPC, rPC or decline of the accuracy."""
    clean = models.clean()[0]
    if np.isnan(clean).all():
        return NO_TRUTH
    return NEVER_RIGHT if not np.nan_to_num(clean).any() else NO_UNIFORM


def extents(models: ModelMeans, figure: str, model: int) -> tuple[float, int]:
    """Return rows and source images that a figure of a model rests on: degraded ones, or originals for P."""
    score = "consistency" if figure == "consistency" else "accuracy"
    return models.extent(model, slice(-1, None) if figure == "P" else slice(None, -1), score)


def _figures(found: Found, models: ModelMeans) -> None:
    drawn = drawn_figures(models)
    unit, severities = "score; rPC: a ratio", f"{UNIFORM_SEVERITIES}; P: the originals"
    interval = models.resampling.text()
    found.add(
        "models",
        (
            record(values[:, index], n=n, sources=sources, label=figure, model=model)
            for figure, values in drawn.items()
            for index, model in enumerate(models.models)
            for n, sources in [extents(models, figure, index)]
        ),
        title="Models: clean and degraded",
        definition="P: mean accuracy on the originals; mPC: mean over distortions of that over severities; rPC = mPC / P; "
        "consistency: as mPC.",
        why_not=NO_SCORES,
        labels=FIGURES,
        why_no_label=why_no_figure(models),
        unit=unit,
        severities=severities,
        interval=interval,
    )
    found.add(
        "model_difference",
        _differences(models, drawn),
        title="Differences between models",
        definition="A figure of one model less that of another, on the same images.",
        baseline="the other model",
        why_not=ONE_MODEL if models.models else NO_SCORES,
        labels=FIGURES,
        why_no_label=why_no_figure(models),
        unit=unit,
        severities=severities,
        interval=interval,
    )


def _differences(models: ModelMeans, drawn: dict[str, Floats]) -> Iterator[Record | None]:
    for figure, values in drawn.items():
        extent = [extents(models, figure, index) for index in range(len(models.models))]
        for a, b in combinations(range(len(models.models)), 2):
            yield record(
                values[:, a] - values[:, b],
                n=min(extent[a][0], extent[b][0]),
                sources=min(extent[a][1], extent[b][1]),
                difference=True,
                label=figure,
                model=models.models[a],
                other=models.models[b],
            )


def _over_models(models: ModelMeans) -> Iterator[Record | None]:
    copies = models.resampling.model_copies
    for score in SCORES:
        means = models.cell_means(score)
        for distortion, places in models.distortions.items():
            of_models = means[..., places].mean(axis=-1)
            known = ~np.isnan(of_models)
            drawn = ratio((np.nan_to_num(of_models) * copies).sum(axis=1), (known * copies).sum(axis=1))
            extent = [models.extent(index, places, score) for index in range(len(models.models))]
            yield record(
                drawn,
                n=sum(n for n, _ in extent),
                sources=max((sources for _, sources in extent), default=0),
                label=score,
                distortion=distortion,
                category=models.cells.categories[distortion],
            )
