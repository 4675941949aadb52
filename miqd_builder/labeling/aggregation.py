"""Labels: scores of one degraded image over all models (the machine mean opinion score)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError
from miqd_builder.labeling.recipes import Recipe
from miqd_builder.store.schema import LABELS, SCORE_COLUMNS


def aggregate(
    task: str, variants: pa.Table, scores: Mapping[str, pa.Table], weights: Mapping[str, float], recipe: Recipe
) -> pa.Table:
    """Return one label row for each row of ``variants``, in their order.

    For each score: mean and population standard deviation over the models that have one, and the mean weighted by
    ``weights`` (normalised over the same models, so a missing model never counts as 0). ``n_models`` counts the models with a
    response. Composite = c * weighted consistency + (1 - c) * weighted accuracy, c = 0.5 in ``miqd_v1``; empty without
    accuracy.

    Args:
        task: cls, det or ins.
        variants: degraded images.
        scores: scores table of each model.
        weights: positive weight of each model.
        recipe: the rules.

    Raises:
        ConfigError: a weight is not positive and finite.
    """
    for model, weight in weights.items():
        if not (np.isfinite(weight) and weight > 0):
            raise ConfigError(
                f"Model '{model}' has the weight {weight}: expected more than 0. Correct its metric, or use weights: uniform."
            )
    row_of = {key: row for row, key in enumerate(zip(*_keys(variants), strict=True))}
    matrices = {name: np.full((len(scores), len(row_of)), np.nan) for name in SCORE_COLUMNS[task]}
    answered = np.zeros((len(scores), len(row_of)), bool)
    for index, table in enumerate(scores.values()):
        pairs = [(i, row_of[key]) for i, key in enumerate(zip(*_keys(table), strict=True)) if key in row_of]
        rows, places = np.array(pairs, np.int64).reshape(-1, 2).T
        answered[index, places] = True
        for name, matrix in matrices.items():
            matrix[index, places] = table[name].to_numpy()[rows]
    w = np.array([weights[model] for model in scores], np.float64)
    columns: dict[str, NDArray[np.float64]] = {}
    for measure in ("consistency", "accuracy"):
        mean, std = _mean_and_std(matrices[measure])
        columns |= {f"{measure}_mean": mean, f"{measure}_std": std, f"{measure}_weighted": _weighted(matrices[measure], w)}
    share = recipe.composite_consistency
    columns["composite"] = share * columns["consistency_weighted"] + (1 - share) * columns["accuracy_weighted"]
    columns |= {f"{name}_weighted": _weighted(matrices[name], w) for name in SCORE_COLUMNS[task] if "_ap" in name}
    return _labels_table(task, variants, columns, answered.sum(axis=0), recipe)


def _keys(table: pa.Table) -> tuple[list[str], list[str]]:
    return table["source_id"].to_pylist(), table["degradation"].to_pylist()


def _mean_and_std(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    known = ~np.isnan(matrix)
    n = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, matrix, 0).sum(axis=0) / n
        variance = (np.where(known, matrix - mean, 0) ** 2).sum(axis=0) / n
    return mean, np.sqrt(variance)


def _weighted(matrix: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    w = np.where(np.isnan(matrix), 0, weights[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        # Normalised first: equal scores of 1 then give exactly 1, whatever the weights.
        shares = w / w.sum(axis=0)
        value = (np.where(np.isnan(matrix), 0, matrix) * shares).sum(axis=0)
    return np.where(np.isnan(shares).any(axis=0), np.nan, np.clip(value, 0, 1))


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
