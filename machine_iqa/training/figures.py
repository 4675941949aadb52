"""How well scores agree with labels: quick figures while training, and those of the test split with intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from torch import Tensor

import degradations
from machine_iqa.data.labelled import Labelled
from miqd_builder.benchmarking.subsets import ALL, subset_rows
from miqd_builder.correlation.coefficients import plcc, srcc
from miqd_builder.correlation.draws import RESAMPLES, draw
from miqd_builder.correlation.records import column, correlate_all
from miqd_builder.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Figure:
    """Agreement of one output with its label in one subset of the test split, with 95 % intervals over source images.

    Attributes:
        task, label: the output.
        subset: ``all``, ``mild``, ``severe``, ``region=...``, ``category=...`` or ``distortion=...``.
        n: degraded images.
        srcc, srcc_low, srcc_high: Spearman's rank correlation.
        plcc, plcc_low, plcc_high: Pearson's correlation after a logistic fit.
        rmse: root mean squared error after the fit.
        mae: mean absolute error of the scores as they are.
        mean_label: mean of the labels.
    """

    task: str
    label: str
    subset: str
    n: int
    srcc: float
    srcc_low: float
    srcc_high: float
    plcc: float
    plcc_low: float
    plcc_high: float
    rmse: float
    mae: float
    mean_label: float

    def to_json(self) -> dict[str, str | int | float | None]:
        """Return the fields, null for NaN."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


def split_figures(data: Labelled, rows: Tensor, scores: Tensor) -> dict[str, float]:
    """Return SRCC and PLCC of each output, their means over the outputs that have one, and the mean squared error.

    Args:
        data: the split.
        rows: number of each scored image among those of the split.
        scores: ``(images, outputs)``.
    """
    targets = all_targets(data)[rows.numpy()].astype(np.float64)
    predicted = scores.double().numpy()
    figures: dict[str, float] = {}
    means: dict[str, list[float]] = {"srcc": [], "plcc": []}
    for place, output in enumerate(data.outputs):
        known = ~np.isnan(targets[:, place])
        x, y = predicted[known, place], targets[known, place]
        for name, coefficient in (("srcc", srcc), ("plcc", plcc)):
            value = coefficient(x, y) if len(x) > 1 else float("nan")
            figures[f"{name}/{output.task}_{output.label}"] = value
            means[name] += [value] if value == value else []
    figures |= {name: float(np.mean(values)) for name, values in means.items() if values}
    return figures | {"mse": float(np.nanmean((predicted - targets) ** 2))}


def test_figures(
    data: Labelled, rows: Tensor, scores: Tensor, *, resamples: int = RESAMPLES, seed: int = 0
) -> Iterator[Figure]:
    """Yield the figures of each output in each subset, by a bootstrap over source images.

    Args:
        data: the split.
        rows: number of each scored image among those of the split.
        scores: ``(images, outputs)``.
        resamples: bootstrap draws.
        seed: of the draws.

    Raises:
        ConfigError: nothing was scored.
    """
    if not len(rows):
        raise ConfigError("None of the test images could be read: see which, and why, in lost.txt.")
    images, source_of = _images(data)
    kept = rows.numpy()
    images, source_of = images.take(pa.array(kept)), source_of[kept]
    targets, predicted = all_targets(data)[kept].astype(np.float64), scores.double().numpy()
    subsets = subset_rows(images)
    draws = draw(int(source_of.max()) + 1, resamples=resamples, seed=seed)
    for place, output in enumerate(data.outputs):
        x, y = predicted[:, place], targets[:, place]
        for record in correlate_all({"score": column(x)}, {str(output.label): column(y)}, subsets, source_of, draws):
            within = subsets[record.subset] & ~np.isnan(y)
            found = record.correlation
            yield Figure(
                output.task,
                output.label,
                record.subset,
                found.n,
                *(found.srcc.value, found.srcc.low, found.srcc.high),
                *(found.plcc.value, found.plcc.low, found.plcc.high),
                found.rmse.value,
                float(np.abs(x - y)[within].mean()) if within.any() else float("nan"),
                float(y[within].mean()) if within.any() else float("nan"),
            )


def overall(figures: list[Figure]) -> list[Figure]:
    """Return the figures over all images."""
    return [figure for figure in figures if figure.subset == ALL]


def all_targets(data: Labelled) -> NDArray[np.float32]:
    """Return the labels of all images of a set, float32 ``(images, outputs)``."""
    return np.concatenate([source.targets for source in data.sources])


def _images(data: Labelled) -> tuple[pa.Table, NDArray[np.int32]]:
    """A row an image with what subsets need, and the place of its source's id."""
    names = [name for source in data.sources for name in source.names]
    parsed = [degradations.parse(name) for name in names]
    columns = ("region", "roi_severity", "bg_severity", "category", "distortion")
    table = pa.table({name: [getattr(one, name) for one in parsed] for name in columns})
    ids = {source_id: place for place, source_id in enumerate(sorted({source.source_id for source in data.sources}))}
    return table, np.array([ids[source.source_id] for source in data.sources for _ in source.names], np.int32)
