"""What the models of a task predicted for one source, as arrays for the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.exploring.catalog import Catalog
from miqd_builder.exploring.matching import match
from miqd_builder.exploring.outlines import outlines
from miqd_builder.responses import Detections, Segmentation
from miqd_builder.sources import SourceImage
from miqd_builder.tables.responses import TOP, iterate_detections, iterate_segmentations
from miqd_builder.tasks import Task

MIN_SCORE, MOST = 0.1, 40
"""Detections below this score, or beyond so many of an image, are not in the page."""
NONE = -1
"""In place of a number of detections: the model has no response for this image."""
FULL = 65535
"""Coordinates are shares of the width or height, in this many steps."""

Arrays = dict[str, NDArray[Any]]


def class_arrays(responses: pa.Table, catalog: Catalog) -> Arrays:
    """Return a classifier's predictions for one source: a row a degradation, the original's last.

    ``ids`` int32 and ``probabilities`` float32, both ``(degradations + 1, 5)``, by falling probability; ``target`` float32
    ``(degradations + 1,)``: probability of the true class, NaN without one. Rows without response have the ids -1.
    """
    rows = len(catalog.degradations) + 1
    ids = np.full((rows, TOP), NONE, np.int32)
    probabilities, target = np.zeros((rows, TOP), np.float32), np.full(rows, np.nan, np.float32)
    _, kinds = catalog.places(responses)
    known = kinds >= 0
    ids[kinds[known]] = _lists(responses["top_ids"])[known]
    probabilities[kinds[known]] = _lists(responses["top_probs"])[known]
    target[kinds[known]] = responses["target_prob"].to_numpy()[known]
    return {"ids": ids, "probabilities": probabilities, "target": target}


def object_arrays(task: Task, responses: pa.Table, catalog: Catalog, truth: Detections | None, *, confident: float) -> Arrays:
    """Return a model's objects in all images of one source, one image after the other, the original's last.

    ``counts`` int16 ``(degradations + 1,)``: objects of each image, -1 without a response. For each object: ``boxes`` uint16
    ``(n, 4)``, ``scores`` float32, ``categories`` int32, ``truth`` and ``own`` int16: the annotated object that it takes, and
    that among the model's own on the original (:func:`miqd_builder.exploring.matching.match`). Outlines as
    :func:`outline_arrays` has them.

    Args:
        task: det, ins or seg.
        responses: of one model and source.
        catalog: degradations.
        truth: annotated objects; None without ground truth.
        confident: detections on the original from this score on are the reference of consistency.
    """
    found = dict(zip(catalog.places(responses)[1].tolist(), OBJECTS[task](responses), strict=True))
    own = found[catalog.original].above(confident) if catalog.original in found else None
    counts = np.full(len(catalog.degradations) + 1, NONE, np.int16)
    shown: list[Detections] = []
    for kind in range(len(counts)):
        if kind in found:
            shown.append(_first(found[kind].above(min(MIN_SCORE, confident)), MOST))
            counts[kind] = len(shown[-1])
    unmatched = np.zeros(0, np.int16)
    return {
        "counts": counts,
        **reference_arrays(shown),
        "scores": np.concatenate([np.zeros(0, np.float32), *(one.scores for one in shown)]).astype(np.float32),
        "truth": np.concatenate([unmatched, *(match(one, truth) for one in shown if truth is not None)]),
        "own": np.concatenate([unmatched, *(match(one, own) for one in shown if own is not None)]),
    }


def reference_arrays(images: Sequence[Detections]) -> Arrays:
    """Return the places of objects: ``boxes`` uint16 ``(n, 4)``, ``categories`` int32, ``crowd`` uint8 and their outlines."""
    boxes = [image.boxes / [image.width, image.height, image.width, image.height] for image in images]
    return {
        "boxes": _shares(np.concatenate([np.zeros((0, 4)), *boxes])),
        "categories": np.concatenate([np.zeros(0, np.int32), *(image.category_ids for image in images)]).astype(np.int32),
        "crowd": np.concatenate([np.zeros(0, bool), *(image.is_crowd for image in images)]).astype(np.uint8),
        **outline_arrays(images),
    }


def outline_arrays(images: Sequence[Detections]) -> Arrays:
    """Return the outlines of objects, in pixels of the thumbnail.

    ``rings`` uint16: rings of each object; ``lengths`` uint16: points of each ring; ``steps`` int16 ``(n, 2)``: the first point
    of each ring, then the way from each point to the next one, which compresses to half of what the points take.
    """
    of_object = [rings for image in images for rings in outlines(image.masks or (), image.height, image.width)]
    rings = [ring for one in of_object for ring in one]
    return {
        "rings": np.array([len(one) for one in of_object], np.uint16),
        "lengths": np.array([len(ring) for ring in rings], np.uint16),
        "steps": np.concatenate([np.zeros((0, 2)), *(np.diff(ring, axis=0, prepend=0) for ring in rings)]).astype(np.int16),
    }


def true_objects(task: Task, source: SourceImage | None, height: int, width: int) -> Detections | None:
    """Return the ground truth of det, ins or seg as objects; None without one.

    Raises:
        UnreadableImageError: it can't be read.
    """
    if source is None:
        return None
    if task == "seg":
        regions = source.truth_for("seg")
        return None if regions is None else _regions(regions.read(height, width))
    annotated = source.truth_for("ins")
    return None if annotated is None else annotated.detections(masks=task == "ins")


def _regions(classes: Segmentation) -> Detections:
    """The classes of a map as objects of score 1."""
    from pycocotools import mask as coco_mask

    size = [classes.height, classes.width]
    corners = [coco_mask.toBbox({"size": size, "counts": counts}) for counts in classes.masks]
    boxes = np.array(corners, np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    scores = np.ones(len(boxes), np.float32)
    return Detections(classes.height, classes.width, boxes, scores, classes.category_ids, classes.masks)


OBJECTS: dict[Task, Callable[[pa.Table], Sequence[Detections]]] = {
    "det": iterate_detections,
    "ins": iterate_detections,
    "seg": lambda responses: [_regions(classes) for classes in iterate_segmentations(responses)],
}
"""The function that reads a task's responses as objects."""


def _first(found: Detections, most: int) -> Detections:
    masks = None if found.masks is None else found.masks[:most]
    return Detections(found.height, found.width, found.boxes[:most], found.scores[:most], found.category_ids[:most], masks)


def _lists(column: pa.ChunkedArray) -> NDArray[Any]:
    return column.combine_chunks().flatten().to_numpy().reshape(-1, TOP)


def _shares(shares: NDArray[np.floating]) -> NDArray[np.uint16]:
    return np.clip(np.round(shares * FULL), 0, FULL).astype(np.uint16)
