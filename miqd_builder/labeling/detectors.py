"""Scores of detectors: average precision against their own detections on the original, and against the ground truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.labeling.agreement import detection_score
from miqd_builder.labeling.average_precision import Iou, image_ap
from miqd_builder.labeling.recipes import Recipe
from miqd_builder.responses import DetectionBatch, Detections
from miqd_builder.sources import SourceImage
from miqd_builder.tables.responses import detection_batch
from miqd_builder.tables.schema import ORIGINAL

Columns = dict[str, NDArray[np.float64]]


def score_detections(responses: pa.Table, sources: Mapping[str, SourceImage], recipe: Recipe, *, iou: Iou) -> Columns:
    """Return consistency and accuracy of each row, by the recipe and at IoU .50 and .75; NaN where there is none."""
    ids = responses["source_id"].combine_chunks().dictionary_encode()
    codes = ids.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    if (np.diff(order) != 1).any():
        responses = responses.take(pa.array(order))
    bounds = np.searchsorted(codes[order], np.arange(len(ids.dictionary) + 1))
    blocks = [
        _score_source(responses.slice(start, stop - start), sources[source_id], recipe, iou)
        for source_id, start, stop in zip(ids.dictionary.to_pylist(), bounds, bounds[1:], strict=False)
    ]
    columns = {}
    for name in blocks[0] if blocks else ():
        columns[name] = np.empty(len(order))
        columns[name][order] = np.concatenate([block[name] for block in blocks])
    return columns


def _score_source(responses: pa.Table, source: SourceImage, recipe: Recipe, iou: Iou) -> Columns:
    """Score all variants of one source at once: they share both references."""
    batch = detection_batch(responses, masks=iou == "segm")
    unknown = np.full((3, len(batch)), np.nan)
    columns = _named("consistency", unknown) | _named("accuracy", unknown)
    clean = np.flatnonzero(responses["degradation"].to_numpy(zero_copy_only=False) == ORIGINAL)
    if clean.size:
        columns |= _named("consistency", _consistency(batch, batch.image(int(clean[0])), recipe, iou))
    annotated = source.truth_for("ins" if iou == "segm" else "det")
    if annotated is not None:
        columns |= _named("accuracy", _readings(batch, annotated.detections(masks=iou == "segm"), recipe, iou))
    return columns


def _named(measure: str, values: NDArray[np.float64]) -> Columns:
    return {measure: values[0], f"{measure}_ap50": values[1], f"{measure}_ap75": values[2]}


def _consistency(batch: DetectionBatch, original: Detections, recipe: Recipe, iou: Iou) -> NDArray[np.float64]:
    """AP against the own confident detections on the original; without any of them, 1 where there are none either, else 0."""
    # Stored scores are float32: a score of 0.3 is as confident as a limit of 0.3.
    confident = float(np.float32(recipe.reference_score))
    reference = original.above(confident)
    if len(reference):
        return _readings(batch, reference, recipe, iou)
    has_confident = np.zeros(len(batch), bool)
    has_confident[np.repeat(np.arange(len(batch)), batch.counts)[batch.scores >= confident]] = True
    return np.tile((~has_confident).astype(np.float64), (3, 1))


def _readings(batch: DetectionBatch, reference: Detections, recipe: Recipe, iou: Iou) -> NDArray[np.float64]:
    """The recipe's score of the average precision, AP50 and AP75, ``(3, images)``."""
    ap = image_ap(batch, reference, iou=iou)
    if not ap.classes.size:
        return np.full((3, len(batch)), np.nan)
    return np.stack([detection_score(recipe.detection_score)(ap), ap.at(0.5), ap.at(0.75)])
