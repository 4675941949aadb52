"""Scores of a classifier: agreement with its own prediction on the original, and with the ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.labeling.agreement import ClassPredictions, class_consistency
from miqd_builder.labeling.recipes import Recipe
from miqd_builder.sources import SourceImage
from miqd_builder.tables.responses import TOP
from miqd_builder.tables.schema import ORIGINAL


def score_classes(responses: pa.Table, sources: Mapping[str, SourceImage], recipe: Recipe) -> dict[str, NDArray[np.float64]]:
    """Return consistency (by the recipe) and accuracy (top-1) of each row; NaN without an original or a ground truth."""
    ids = responses["source_id"].combine_chunks().dictionary_encode()
    source = ids.indices.to_numpy()
    predictions = ClassPredictions(_lists(responses["top_ids"]), _lists(responses["top_probs"]))
    clean_rows = np.flatnonzero(responses["degradation"].to_numpy(zero_copy_only=False) == ORIGINAL)
    original_of = np.full(len(ids.dictionary), -1)
    original_of[source[clean_rows]] = clean_rows
    known = np.flatnonzero(original_of[source] >= 0)
    consistency = np.full(len(source), np.nan)
    compare = class_consistency(recipe.class_consistency)
    consistency[known] = compare(predictions.take(known), predictions.take(original_of[source[known]]))
    labels = [sources[source_id].truth_for("cls") for source_id in ids.dictionary.to_pylist()]
    truth = np.array([np.nan if label is None else label.index for label in labels], np.float64)[source]
    accuracy = np.where(np.isnan(truth), np.nan, predictions.top_ids[:, 0] == truth)
    return {"consistency": consistency, "accuracy": accuracy}


def _lists(column: pa.ChunkedArray) -> NDArray[Any]:
    return column.combine_chunks().flatten().to_numpy().reshape(-1, TOP)
