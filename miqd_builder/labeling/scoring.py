"""Scores of one model: how each degraded image changed its answer (consistency), and whether the answer is right (accuracy)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from miqd_builder.labeling.average_precision import Objects, image_ap
from miqd_builder.labeling.recipes import Recipe
from miqd_builder.responses import Detections
from miqd_builder.sources import GroundTruth, SourceImage
from miqd_builder.store.response_table import iterate_detections
from miqd_builder.store.schema import ORIGINAL, SCORE_COLUMNS, SCORES

Triple = tuple[float, float, float]
NOT_KNOWN: Triple = (float("nan"), float("nan"), float("nan"))


def score_responses(task: str, responses: pa.Table, sources: Mapping[str, SourceImage], recipe: Recipe) -> pa.Table:
    """Return the scores of one model's responses, in their row order.

    Rows of the original image are scored too: their consistency is 1, their accuracy is the clean one. A source whose original
    has no response gets empty consistency.

    Args:
        task: cls, det or ins.
        responses: the model's responses.
        sources: source images by id, with their ground truth.
        recipe: the rules.
    """
    columns = _score_classes(responses, sources) if task == "cls" else _score_detections(task, responses, sources, recipe)
    table = {"source_id": responses["source_id"], "degradation": responses["degradation"]}
    for name in SCORE_COLUMNS[task]:
        values = columns[name]
        table[name] = pa.chunked_array([pa.array(values, pa.float64(), mask=np.isnan(values))])
    return pa.table(table, schema=SCORES[task])


def _score_classes(responses: pa.Table, sources: Mapping[str, SourceImage]) -> dict[str, NDArray[np.float64]]:
    """Top-1 agreement with the ground truth and with the model's own top-1 on the original."""
    ids = responses["source_id"].to_pylist()
    top = pc.list_element(responses["top_ids"], 0).to_numpy().astype(np.int64)
    degradations = responses["degradation"].to_pylist()
    clean = {i: int(t) for i, d, t in zip(ids, degradations, top, strict=True) if d == ORIGINAL}
    consistency, accuracy = np.full(len(ids), np.nan), np.full(len(ids), np.nan)
    for row, source_id in enumerate(ids):
        if source_id in clean:
            consistency[row] = float(top[row] == clean[source_id])
        label = sources[source_id].label
        if label is not None:
            accuracy[row] = float(top[row] == label)
    return {"consistency": consistency, "accuracy": accuracy}


def _score_detections(
    task: str, responses: pa.Table, sources: Mapping[str, SourceImage], recipe: Recipe
) -> dict[str, NDArray[np.float64]]:
    iou: Literal["bbox", "segm"] = "segm" if task == "ins" else "bbox"
    ids = responses["source_id"].to_pylist()
    degradations = responses["degradation"].to_pylist()
    answers = iterate_detections(responses)
    own = {i: a.above(recipe.reference_score) for i, d, a in zip(ids, degradations, answers, strict=True) if d == ORIGINAL}
    own_objects = {i: _from_detections(a) for i, a in own.items()}
    true_objects = {i: _from_truth(t) for i in set(ids) if (t := sources[i].truth) is not None}
    rows = np.empty((len(ids), 6))
    for row, (source_id, answer) in enumerate(zip(ids, answers, strict=True)):
        found = _from_detections(answer)
        rows[row, :3] = NOT_KNOWN
        if source_id in own:
            rows[row, :3] = _consistency(found, own_objects[source_id], answer, recipe, iou)
        rows[row, 3:] = _triple(found, true_objects[source_id], iou) if source_id in true_objects else NOT_KNOWN
    names = ["consistency", "consistency_ap50", "consistency_ap75", "accuracy", "accuracy_ap50", "accuracy_ap75"]
    return {name: rows[:, column] for column, name in enumerate(names)}


def _consistency(
    found: Objects, reference: Objects, answer: Detections, recipe: Recipe, iou: Literal["bbox", "segm"]
) -> Triple:
    """AP against the model's own confident detections on the original; if there were none, whether there still are none."""
    if len(reference):
        return _triple(found, reference, iou)
    silent = float(not len(answer.above(recipe.reference_score).scores))
    return silent, silent, silent


def _triple(found: Objects, reference: Objects, iou: Literal["bbox", "segm"]) -> Triple:
    ap = image_ap(found, reference, iou=iou)
    return ap.mean, ap.at(0.5), ap.at(0.75)


def _from_detections(answer: Detections) -> Objects:
    return Objects(
        height=answer.height,
        width=answer.width,
        boxes=answer.boxes.astype(np.float64),
        category_ids=answer.category_ids.astype(np.int64),
        masks=answer.masks,
        scores=answer.scores.astype(np.float64),
        crowd=np.zeros(len(answer.scores), np.bool_),
    )


def _from_truth(truth: GroundTruth) -> Objects:
    return Objects(
        height=truth.height,
        width=truth.width,
        boxes=truth.boxes,
        category_ids=truth.category_ids,
        masks=truth.masks,
        scores=np.zeros(len(truth.category_ids)),
        crowd=truth.crowd,
    )
