"""Robustness of models against each other: corruption errors against a baseline model, effective robustness."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from miqd_builder.auditing.document import Record
from miqd_builder.auditing.found import NO_SCORES, NO_TRUTH, Found
from miqd_builder.auditing.groups import UNIFORM_SEVERITIES
from miqd_builder.auditing.model_means import ModelMeans
from miqd_builder.auditing.models import drawn_figures, extents
from miqd_builder.auditing.resampling import TWO_WAY, Floats, ratio, record
from miqd_builder.errors import ConfigError, did_you_mean

NO_BASELINE = "no baseline model was named: use --baseline MODEL"
PERFECT_BASELINE = "under some distortion the baseline model makes no error, or none more than on the originals"
FEW_MODELS = "a line through the models needs three of them with different accuracies on the originals"
LEAST_MODELS = 3


def check_baseline(baseline: str | None, models: dict[str, tuple[str, ...]]) -> None:
    """Refuse a baseline model that no task has.

    Args:
        baseline: its name; None for none.
        models: names by task.

    Raises:
        ConfigError: there is no such model; names the nearest.
    """
    known = sorted({name for names in models.values() for name in names})
    if baseline is None or baseline in known:
        return
    there = f"There are scores of {', '.join(known)}." if known else "The labels were imported, without scores of models."
    raise ConfigError(f"No scores of the baseline model '{baseline}'.{did_you_mean(baseline, known)} {there}")


def robustness(models: ModelMeans, baseline: str | None) -> Found:
    """Return ``mce`` and ``effective_robustness``.

    Args:
        models: their scores.
        baseline: name of the model that corruption errors are taken against.
    """
    found = Found()
    known = not np.isnan(models.clean()[0]).all() if models.models else False
    why_not = NO_SCORES if not models.models else NO_TRUTH
    named = baseline in models.models
    found.add(
        "mce",
        _corruption_errors(models, models.models.index(str(baseline))) if named else (),
        title="Mean corruption error",
        definition="CE: sum over severities of the error 1 - accuracy, over the baseline model's; mCE: mean over distortions; "
        "relative_mCE: the same of the increase of the error over that on the originals.",
        unit="per cent",
        severities=UNIFORM_SEVERITIES,
        baseline=f"model {baseline}",
        interval=models.resampling.text(),
        why_not=why_not if not known else (NO_BASELINE if baseline is None else _why_no_mce(baseline, named)),
        labels=("mCE", "relative_mCE"),
        why_no_label=PERFECT_BASELINE,
    )
    found.add(
        "effective_robustness",
        _residuals(models) if known and len(models.models) >= LEAST_MODELS else (),
        title="Effective robustness",
        definition="mPC less what the least squares line of mPC on P over the models foretells from the model's P.",
        unit="score",
        severities=UNIFORM_SEVERITIES,
        baseline="the line through all models",
        interval=models.resampling.text(TWO_WAY),
        why_not=why_not if not known else FEW_MODELS,
    )
    return found


def _why_no_mce(baseline: str, named: bool) -> str:
    return PERFECT_BASELINE if named else f"the baseline model '{baseline}' has no scores for this task"


def _corruption_errors(models: ModelMeans, baseline: int) -> Iterator[Record | None]:
    means = models.cell_means("accuracy")
    clean_error = 1 - means[..., -1]
    errors, relative = [], []
    for distortion, places in models.distortions.items():
        error = (1 - means[..., places]).sum(axis=-1)
        increase = error - len(places) * clean_error
        errors.append(100 * _against(error, baseline))
        relative.append(100 * _against(increase, baseline))
        for index, model in enumerate(models.models):
            n, sources = models.extent(index, places, "accuracy")
            category = models.cells.categories[distortion]
            drawn = errors[-1][:, index]
            yield record(drawn, n=n, sources=sources, label="CE", model=model, distortion=distortion, category=category)
    for label, by_distortion in (("mCE", errors), ("relative_mCE", relative)):
        drawn = np.mean(by_distortion, axis=0)
        for index, model in enumerate(models.models):
            n, sources = extents(models, "mPC", index)
            yield record(drawn[:, index], n=n, sources=sources, label=label, model=model)


def _against(errors: Floats, baseline: int) -> Floats:
    """Errors over those of the baseline model; undefined where it makes none, or where its error doesn't grow."""
    of_baseline = errors[:, [baseline]]
    return ratio(errors, np.where(of_baseline > 0, of_baseline, 0))


def _residuals(models: ModelMeans) -> Iterator[Record | None]:
    figures = drawn_figures(models)
    clean, degraded = figures["P"], figures["mPC"]
    copies = models.resampling.model_copies * ~np.isnan(clean + degraded)
    if (copies[0] > 0).sum() < LEAST_MODELS:
        return
    clean_known, degraded_known = np.nan_to_num(clean), np.nan_to_num(degraded)
    total = copies.sum(axis=1, keepdims=True)
    mean_clean, mean_degraded = (ratio((v * copies).sum(axis=1, keepdims=True), total) for v in (clean_known, degraded_known))
    spread = (copies * (clean_known - mean_clean) ** 2).sum(axis=1, keepdims=True)
    common = (copies * (clean_known - mean_clean) * (degraded_known - mean_degraded)).sum(axis=1, keepdims=True)
    slope = ratio(common, np.where(spread > 1e-12, spread, 0))
    drawn = degraded - mean_degraded - slope * (clean - mean_clean)
    for index, model in enumerate(models.models):
        n, sources = extents(models, "mPC", index)
        yield record(drawn[:, index], n=n, sources=sources, difference=True, label="residual", model=model)
