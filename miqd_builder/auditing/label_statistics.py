"""Label statistics of a run beside the paper's, with bootstrap intervals, and whether the two can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import degradations
from miqd_builder.auditing.statistics import pearson, spearman
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_part
from miqd_builder.tables.queries import joined, part_names, read_parts

Array = NDArray[np.float64]

MEASURES = ("accuracy", "consistency", "composite")

STATISTICS = (
    "std_accuracy",
    "std_consistency",
    "std_composite",
    "corr_accuracy_consistency",
    "srcc_psnr_composite",
    "srcc_ssim_composite",
)

PAPER = {
    "cls": dict(zip(STATISTICS, (0.3588, 0.2805, 0.3009, 0.767, 0.2388, 0.3027), strict=True)),
    "det": dict(zip(STATISTICS, (0.2833, 0.3088, 0.2835, 0.833, 0.3176, 0.4390), strict=True)),
    "ins": dict(zip(STATISTICS, (0.2695, 0.3031, 0.2729, 0.816, 0.3242, 0.4391), strict=True)),
}
"""From the tables of arXiv 2508.19850, validation split (1,000 source images a task)."""

PAPER_MODELS = {"cls": 40, "det": 20, "ins": 15}
MIN_SOURCES = 100
"""With fewer source images the intervals are so wide that almost any database lies inside them."""

COLUMNS = (
    "source_id",
    "degradation",
    "psnr",
    "n_models",
    "consistency_weighted",
    "accuracy_weighted",
    "composite",
    "recipe",
)
"""Of the labels; the others are not read."""

COMPARABLE_RECIPES = {"miqd_v1", "published"}


@dataclass(frozen=True, slots=True)
class Estimate:
    """One statistic of a run.

    Attributes:
        name: one of :data:`STATISTICS`.
        value: NaN where it can't be computed.
        low, high: ends of the 95 % bootstrap interval; NaN without one.
        paper: the paper's value; None for a task that it doesn't have.
    """

    name: str
    value: float
    low: float
    high: float
    paper: float | None


@dataclass(frozen=True, slots=True)
class LabelStatistics:
    """A run's label statistics beside the paper's.

    Attributes:
        task: cls, det, ins or seg.
        rows: degraded images with a composite, which the statistics are over.
        sources: source images of these rows.
        estimates: one a statistic.
        obstacles: why the run can't be compared with the paper, a sentence each; empty if it can.
    """

    task: str
    rows: int
    sources: int
    estimates: tuple[Estimate, ...]
    obstacles: tuple[str, ...]


def label_statistics(folder: RunFolder, task: str, *, resamples: int = 1000, seed: int = 0) -> LabelStatistics:
    """Compute a run's label statistics and their bootstrap intervals over source images.

    The variants of one source are not independent, so whole sources are drawn with replacement (cluster bootstrap,
    percentile intervals); every statistic is computed anew for each draw, ranks included.

    Args:
        folder: a run folder with labels.
        task: cls, det, ins or seg.
        resamples: number of draws.
        seed: of the draws.

    Raises:
        StoreError: there are no labels.
    """
    from miqd_builder.benchmarking.joined import codes

    labels = joined(read_parts(folder, part_names(folder, "labels", task=task), COLUMNS))
    values = {
        name: labels[column].to_numpy(zero_copy_only=False)
        for name, column in (
            ("accuracy", "accuracy_weighted"),
            ("consistency", "consistency_weighted"),
            ("composite", "composite"),
            ("psnr", "psnr"),
        )
    }
    values["ssim"] = _ssim(folder, labels)
    known = np.isfinite(values["composite"])
    sources = np.unique(codes(labels["source_id"])[known], return_inverse=True)
    columns = {name: column[known] for name, column in values.items()}
    points = _point_estimates(columns)
    drawn = _bootstrap(columns, sources[1], len(sources[0]), resamples, seed)
    paper = PAPER.get(task, {})
    return LabelStatistics(
        task=task,
        rows=int(known.sum()),
        sources=len(sources[0]),
        estimates=tuple(Estimate(n, points[n], *_interval(drawn[n]), paper.get(n)) for n in STATISTICS),
        obstacles=tuple(obstacles(task, labels, len(sources[0]))),
    )


def _ssim(folder: RunFolder, labels: pa.Table) -> Array:
    """SSIM of each label row, where it was measured; NaN elsewhere."""
    keys = ["source_id", "degradation"]
    tables = [read_part(folder, name) for name in folder.list("measures/measure=ssim/*.parquet")]
    if not tables:
        return np.full(labels.num_rows, np.nan)
    rows = labels.select(keys).append_column("row", pa.array(np.arange(labels.num_rows)))
    joined = rows.join(pa.concat_tables(tables), keys).sort_by("row")
    return joined["value"].to_numpy(zero_copy_only=False).astype(np.float64)


def _point_estimates(columns: dict[str, Array]) -> dict[str, float]:
    if not len(columns["composite"]):
        return dict.fromkeys(STATISTICS, float("nan"))
    return {
        **{f"std_{name}": float(columns[name].std()) for name in MEASURES},
        "corr_accuracy_consistency": pearson(columns["accuracy"], columns["consistency"]),
        **{f"srcc_{name}_composite": _rank_correlation(columns[name], columns["composite"]) for name in ("psnr", "ssim")},
    }


def _rank_correlation(a: Array, b: Array) -> float:
    known = ~np.isnan(a)
    return spearman(a[known], b[known]) if known.any() else float("nan")


def _bootstrap(
    columns: dict[str, Array], source_of: NDArray[np.int64], sources: int, resamples: int, seed: int
) -> dict[str, Array]:
    """Each statistic for every draw of ``sources`` sources with replacement."""
    from miqd_builder.auditing.bootstrap import draw_sources, drawn_moments, drawn_spearman

    nothing = np.full(resamples, np.nan)
    if sources < 2:
        return dict.fromkeys(STATISTICS, nothing)
    draws = draw_sources(sources, resamples, seed)
    spread, correlation = drawn_moments({name: columns[name] for name in MEASURES}, source_of, draws)
    drawn = {f"std_{name}": values for name, values in spread.items()} | {"corr_accuracy_consistency": correlation}
    for name in ("psnr", "ssim"):
        known = ~np.isnan(columns[name])
        drawn[f"srcc_{name}_composite"] = (
            drawn_spearman(columns[name][known], columns["composite"][known], source_of[known], draws)
            if known.any()
            else nothing
        )
    return drawn


def _interval(values: Array) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def obstacles(task: str, labels: pa.Table, sources: int) -> list[str]:
    """Return why a run can't be compared with the paper's database."""
    if task not in PAPER:
        return [f"The paper has no task {task}."]
    found = []
    if not sources:
        found.append("No image has an accuracy: label a source with ground truth.")
    elif sources < MIN_SOURCES:
        found.append(f"Too small: {sources} source images with ground truth, expected at least {MIN_SOURCES}.")
    found += _other_degradations(set(labels["degradation"].unique().to_pylist()))
    recipes = sorted(set(labels["recipe"].unique().to_pylist()) - COMPARABLE_RECIPES)
    if recipes:
        found.append(f"Another recipe: {', '.join(recipes)}, expected miqd_v1.")
    if labels["n_models"].null_count < labels.num_rows:
        models, expected = max(n for n in labels["n_models"].unique().to_pylist() if n is not None), PAPER_MODELS[task]
        if not expected / 2 <= models <= expected * 2:
            found.append(f"Other models: {models} of them, the paper has {expected}.")
    return found


def _other_degradations(there: set[str]) -> Sequence[str]:
    missing, more = set(degradations.names()) - there, there - set(degradations.names())
    if not missing and not more:
        return []
    return [f"Other degradations: {len(missing)} of the 250 are missing, {len(more)} are not among them."]
