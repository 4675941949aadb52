"""Labels and scores of a run as dense matrices: a row a source, a column a degradation, NaN where there is no value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.exploring.catalog import Catalog
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import models_with, part_names, read_parts

COLUMNS = {
    "composite": "composite",
    "consistency": "consistency_weighted",
    "accuracy": "accuracy_weighted",
    "psnr": "psnr",
}
"""Columns of the labels table by the name that the page has for them."""
LABEL_COLUMNS = ["source_id", "degradation", "recipe", *COLUMNS.values()]

SCORES = ("consistency", "accuracy")
SCORE_BYTES = 8 * 2**20
"""Scores of single models that are in the page for all sources, before compression; of more, only those of pictured ones."""

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LabelMatrices:
    """Labels of one task.

    Attributes:
        values: labels and ``psnr`` by name, float32 ``(sources, degradations)``; but for consistency, one without any value is
            left out.
        recipes: names of the recipes, sorted; none for imported labels without one.
        rows: label rows.
    """

    values: dict[str, Matrix]
    recipes: tuple[str, ...]
    rows: int


def label_matrices(parts: Iterable[pa.Table], catalog: Catalog) -> LabelMatrices:
    """Return the labels of a task.

    Args:
        parts: of its labels, with :data:`LABEL_COLUMNS`.
        catalog: sources and degradations.
    """
    shape = (len(catalog.sources), len(catalog.degradations))
    values = {name: np.full(shape, np.nan, np.float32) for name in COLUMNS}
    rows, recipes = 0, set[str]()
    for part in parts:
        sources, kinds = catalog.places(part)
        for name, column in COLUMNS.items():
            values[name][sources, kinds] = part[column].to_numpy()
        rows += part.num_rows
        recipes |= {name for name in part["recipe"].unique().to_pylist() if name}
    known = {name: matrix for name, matrix in values.items() if name == "consistency" or not np.isnan(matrix).all()}
    return LabelMatrices(known, tuple(sorted(recipes)), rows)


@dataclass(frozen=True, slots=True)
class ModelScores:
    """Scores of the models of one task. The last column is the original image's.

    Attributes:
        models: names, sorted.
        scored: numbers of the sources that have rows here.
        rows: by score, float32 ``(models, len(scored), degradations + 1)``.
        means: by score, float64 ``(models, degradations + 1)``: over all sources of the run that have a value.
        counts: by score, int32, how many these are.
    """

    models: list[str]
    scored: list[int]
    rows: dict[str, Matrix]
    means: dict[str, NDArray[np.float64]]
    counts: dict[str, NDArray[np.int32]]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all arrays by the names that the page has for them: ``rows/consistency``, ``means/accuracy`` ..."""
        kinds: dict[str, Mapping[str, NDArray[Any]]] = {"rows": self.rows, "means": self.means, "counts": self.counts}
        return {f"{kind}/{name}": array for kind, of_kind in kinds.items() for name, array in of_kind.items()}


def model_scores(folder: RunFolder, task: str, catalog: Catalog, pictured: Sequence[int]) -> ModelScores:
    """Read the scores of all models, one part at a time.

    Args:
        folder: the run folder.
        task: cls, det, ins or seg.
        catalog: sources and degradations.
        pictured: numbers of the sources whose scores have to be there, however many there are.
    """
    models = models_with(folder, "scores", task)
    width = len(catalog.degradations) + 1
    every = len(models) * len(catalog.sources) * width * len(SCORES) * 4 <= SCORE_BYTES
    scored = list(range(len(catalog.sources))) if every else sorted(pictured)
    row_of = np.full(len(catalog.sources), -1)
    row_of[scored] = np.arange(len(scored))
    rows = {name: np.full((len(models), len(scored), width), np.nan, np.float32) for name in SCORES}
    sums = {name: np.zeros((len(models), width)) for name in SCORES}
    counts = {name: np.zeros((len(models), width), np.int32) for name in SCORES}
    for number, model in enumerate(models):
        names = part_names(folder, "scores", task=task, model=model)
        for part in read_parts(folder, names, ["source_id", "degradation", *SCORES]):
            sources, kinds = catalog.places(part)
            inside = (sources >= 0) & (kinds >= 0)
            wanted = inside & (row_of[sources] >= 0)
            for name in SCORES:
                values = part[name].to_numpy()
                known = inside & ~np.isnan(values)
                sums[name][number] += np.bincount(kinds[known], values[known], width)
                counts[name][number] += np.bincount(kinds[known], minlength=width).astype(np.int32)
                rows[name][number, row_of[sources[wanted]], kinds[wanted]] = values[wanted]
    return ModelScores(models, scored, rows, {name: _ratio(sums[name], counts[name]) for name in SCORES}, counts)


def _ratio(sums: NDArray[np.float64], counts: NDArray[np.int32]) -> NDArray[np.float64]:
    """Means; NaN where nothing was counted."""
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
