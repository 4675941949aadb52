"""Scores of one model: agreement with its predictions on the originals (consistency) and with the ground truth (accuracy)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError
from miqd_builder.labeling.classifiers import score_classes
from miqd_builder.labeling.detectors import score_detections
from miqd_builder.labeling.recipes import Recipe
from miqd_builder.labeling.segmenters import score_segmentations
from miqd_builder.sources import SourceImage
from miqd_builder.tables.schema import ORIGINAL, SCORE_COLUMNS, SCORES
from miqd_builder.tasks import Task

Columns = dict[str, NDArray[np.float64]]
Scorer = Callable[[pa.Table, Mapping[str, SourceImage], Recipe], Columns]
"""Responses, sources by id and the rules, to the task's columns of scores in row order; NaN where there is none."""

SCORERS: dict[Task, Scorer] = {
    "cls": score_classes,
    "det": functools.partial(score_detections, iou="bbox"),
    "ins": functools.partial(score_detections, iou="segm"),
    "seg": lambda responses, sources, recipe: score_segmentations(responses, sources),
}


def score_responses(task: Task, responses: pa.Table, sources: Mapping[str, SourceImage], recipe: Recipe) -> pa.Table:
    """Return the scores of one model's responses, in their row order.

    Rows of the original image are scored too: their consistency is 1, their accuracy is the clean one. A source whose original
    has no response gets empty consistency.

    Args:
        task: cls, det, ins or seg.
        responses: the model's responses, checked by :func:`~miqd_builder.labeling.response_checks.check_responses`.
        sources: source images by id, with their ground truth.
        recipe: the rules.

    Raises:
        ConfigError: the recipe's own function gives values outside [0, 1], or less than 1 for the original against itself.
    """
    table = {"source_id": responses["source_id"], "degradation": responses["degradation"]}
    if responses.num_rows:
        columns = SCORERS[task](responses, sources, recipe)
    else:
        columns = {name: np.empty(0) for name in SCORE_COLUMNS[task]}
    _check_originals(columns["consistency"], responses, recipe)
    for name in SCORE_COLUMNS[task]:
        values = columns[name]
        table[name] = pa.chunked_array([pa.array(values, pa.float64(), mask=np.isnan(values))])
    return pa.table(table, schema=SCORES[task])


def _check_originals(consistency: NDArray[np.float64], responses: pa.Table, recipe: Recipe) -> None:
    original = responses["degradation"].to_numpy(zero_copy_only=False) == ORIGINAL
    own = consistency[original]
    changed = np.flatnonzero(~np.isnan(own) & (own != 1))
    if changed.size:
        source_id = responses["source_id"].to_numpy(zero_copy_only=False)[original][changed[0]]
        raise ConfigError(
            f"Recipe '{recipe.name}' gives the original of '{source_id}' compared with itself a consistency of "
            f"{own[changed[0]]:.17g}: expected exactly 1."
        )
