"""Labels: scores of one degraded image over all models (the machine mean opinion score)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError
from miqd_builder.labeling.recipes import Recipe
from miqd_builder.tables.schema import LABELS, SCORE_COLUMNS

Matrix = NDArray[np.float64]


def check_weights(weights: Mapping[str, float]) -> None:
    """Refuse weights that would drop or reverse a model.

    Raises:
        ConfigError: a weight is not positive and finite.
    """
    for model, weight in weights.items():
        if not (np.isfinite(weight) and weight > 0):
            raise ConfigError(
                f"Model '{model}' has the weight {weight}: expected more than 0. Correct its metric, or use weights: uniform."
            )


def aggregate(
    task: str, variants: pa.Table, scores: Mapping[str, pa.Table], weights: Mapping[str, float], recipe: Recipe
) -> pa.Table:
    """Return one label row for each row of ``variants``, in their order.

    A model counts for an image if it has a consistency there (a prediction on the image and on its original); then all its
    scores count, else none. ``n_models`` is the number of models that count. For each score: mean and population standard
    deviation over them, and the mean weighted by ``weights`` (normalised over the same models, so a missing model is never a
    0). Composite = c * weighted consistency + (1 - c) * weighted accuracy with the recipe's c; empty without accuracy.

    Args:
        task: cls, det, ins or seg.
        variants: degraded images.
        scores: scores table of each model.
        weights: positive weight of each model.
        recipe: the rules.

    Raises:
        ConfigError: a weight is not positive and finite.
    """
    check_weights(weights)
    matrices = {name: np.full((len(scores), variants.num_rows), np.nan) for name in SCORE_COLUMNS[task]}
    label_rows = LabelRows(variants)
    for index, table in enumerate(scores.values()):
        rows, places = label_rows.of(table)
        known = ~np.isnan(_numbers(table, "consistency")[rows])
        for name, matrix in matrices.items():
            matrix[index, places[known]] = _numbers(table, name)[rows[known]]
    w = np.array([weights[model] for model in scores], np.float64)
    columns: dict[str, NDArray[np.float64]] = {}
    for measure in ("consistency", "accuracy"):
        mean, std = mean_and_std(matrices[measure])
        columns |= {f"{measure}_mean": mean, f"{measure}_std": std, f"{measure}_weighted": _weighted(matrices[measure], w)}
    share = recipe.composite_consistency
    columns["composite"] = share * columns["consistency_weighted"] + (1 - share) * columns["accuracy_weighted"]
    columns |= {f"{name}_weighted": _weighted(matrices[name], w) for name in SCORE_COLUMNS[task] if "_ap" in name}
    n_models = (~np.isnan(matrices["consistency"])).sum(axis=0)
    return _labels_table(task, variants, columns, n_models, recipe)


class LabelRows:
    """Finds the label row of a score row by (source, degradation).

    Args:
        labels: a row a label, with ``source_id`` and ``degradation``.
    """

    def __init__(self, labels: pa.Table) -> None:
        self._sources = pc.unique(labels["source_id"])
        self._names = pc.unique(labels["degradation"])
        self._row_of = np.full((len(self._sources) + 1, len(self._names) + 1), -1)
        self._row_of[self._codes(labels)] = np.arange(labels.num_rows)
        # The last row and column stand for sources and degradations that have no label.
        self._row_of[-1], self._row_of[:, -1] = -1, -1

    def of(self, table: pa.Table) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Return the rows of a scores table that belong to a label, and the rows of their labels."""
        places = self._row_of[self._codes(table)]
        rows = np.flatnonzero(places >= 0)
        return rows, places[rows]

    def _codes(self, table: pa.Table) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        pairs = ((table["source_id"], self._sources), (table["degradation"], self._names))
        source, name = (pc.fill_null(pc.index_in(column, value_set=known), -1).to_numpy() for column, known in pairs)
        return source, name


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    return table[name].to_numpy()


def mean_and_std(matrix: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and population standard deviation over the models (rows) that have a value; NaN where none has one."""
    known = ~np.isnan(matrix)
    n = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, matrix, 0).sum(axis=0) / n
        variance = (np.where(known, matrix - mean, 0) ** 2).sum(axis=0) / n
    return mean, np.sqrt(variance)


def _weighted(matrix: Matrix, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    w = np.where(np.isnan(matrix), 0, weights[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        # Normalised first: equal scores of 1 then give exactly 1, whatever the weights.
        shares = w / w.sum(axis=0)
        value = (np.where(np.isnan(matrix), 0, matrix) * shares).sum(axis=0)
    return np.where((w == 0).all(axis=0), np.nan, np.clip(value, 0, 1))


def _labels_table(
    task: str, variants: pa.Table, columns: dict[str, NDArray[np.float64]], n_models: NDArray[np.int64], recipe: Recipe
) -> pa.Table:
    schema = LABELS[task]
    arrays = []
    for field in schema:
        if field.name in columns:
            values = columns[field.name]
            arrays.append(pa.array(values, pa.float64(), mask=np.isnan(values)))
        elif field.name == "n_models":
            arrays.append(pa.array(n_models, pa.int32()))
        elif field.name == "recipe":
            arrays.append(pa.array([recipe.name] * variants.num_rows, pa.string()))
        else:
            arrays.append(variants[field.name].combine_chunks())
    return pa.table(arrays, schema=schema)
