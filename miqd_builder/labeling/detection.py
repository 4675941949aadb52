"""Scores of a detector or an instance segmenter: average precision against its answer on the original, and the truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.labeling.average_precision import Found, Iou, Objects, image_ap
from miqd_builder.labeling.measures import detection_score
from miqd_builder.labeling.recipes import Recipe
from miqd_builder.sources import GroundTruth, SourceImage
from miqd_builder.store.schema import ORIGINAL

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
    found = _found(responses, masks=iou == "segm")
    unknown = np.full((3, len(found)), np.nan)
    columns = _named("consistency", unknown) | _named("accuracy", unknown)
    clean = np.flatnonzero(responses["degradation"].to_numpy(zero_copy_only=False) == ORIGINAL)
    if clean.size:
        own = _own_reference(found, int(clean[0]), responses, recipe)
        columns |= _named("consistency", _consistency(found, own, recipe, iou))
    if source.truth is not None:
        columns |= _named("accuracy", _readings(found, _annotated(source.truth), recipe, iou))
    return columns


def _named(measure: str, values: NDArray[np.float64]) -> Columns:
    return {measure: values[0], f"{measure}_ap50": values[1], f"{measure}_ap75": values[2]}


def _consistency(found: Found, reference: Objects, recipe: Recipe, iou: Iou) -> NDArray[np.float64]:
    """AP against the model's own confident detections on the original; if there were none, whether there still are none."""
    if len(reference):
        return _readings(found, reference, recipe, iou)
    loud = np.zeros(len(found), bool)
    loud[np.repeat(np.arange(len(found)), found.counts)[_confident(found.scores, recipe)]] = True
    return np.tile((~loud).astype(np.float64), (3, 1))


def _readings(found: Found, reference: Objects, recipe: Recipe, iou: Iou) -> NDArray[np.float64]:
    """The recipe's reading of the average precision, and AP50 and AP75, ``(3, images)``."""
    ap = image_ap(found, reference, iou=iou)
    if not ap.classes.size:
        return np.full((3, len(found)), np.nan)
    return np.stack([detection_score(recipe.detection_score)(ap), ap.at(0.5), ap.at(0.75)])


def _confident(scores: NDArray[np.float64], recipe: Recipe) -> NDArray[np.bool_]:
    # Stored scores are float32: a score of 0.3 is as confident as a limit of 0.3.
    return scores >= np.float32(recipe.reference_score)


def _own_reference(found: Found, row: int, responses: pa.Table, recipe: Recipe) -> Objects:
    start, stop = found.offsets[row], found.offsets[row + 1]
    places = start + np.flatnonzero(_confident(found.scores[start:stop], recipe))
    return Objects(
        height=responses["height"][row].as_py(),
        width=responses["width"][row].as_py(),
        boxes=found.boxes[places],
        category_ids=found.category_ids[places],
        masks=None if found.masks is None else [found.masks[i] for i in places],
        crowd=np.zeros(len(places), np.bool_),
    )


def _annotated(truth: GroundTruth) -> Objects:
    return Objects(truth.height, truth.width, truth.boxes, truth.category_ids, truth.masks, truth.crowd)


def _found(responses: pa.Table, *, masks: bool) -> Found:
    """Take the detections of a responses table as flat arrays."""
    names = ["boxes", "scores", "category_ids", *(["masks"] if masks else [])]
    chunk = {name: responses[name].combine_chunks() for name in names}
    offsets = chunk["scores"].offsets.to_numpy().astype(np.int64)
    return Found(
        offsets=offsets - offsets[0],
        boxes=chunk["boxes"].flatten().flatten().to_numpy().reshape(-1, 4).astype(np.float64),
        scores=chunk["scores"].flatten().to_numpy().astype(np.float64),
        category_ids=chunk["category_ids"].flatten().to_numpy().astype(np.int64),
        masks=chunk["masks"].flatten().to_pylist() if masks else None,
    )
