"""COCO average precision of one image, equal to pycocotools' COCOeval run on that image alone.

Source of the definition: COCOeval of pycocotools (https://cocodataset.org/#detection-eval), area range ``all``, maxDets 100.
The matching loops are compiled by numba; mask IoU is pycocotools' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
from numpy.typing import NDArray

from miqd_builder.responses import MAX_DETECTIONS

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_THRESHOLDS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, slots=True)
class Objects:
    """Detections or references of one image, as the evaluation takes them.

    Attributes:
        height, width: size of the image in pixels.
        boxes: float64 ``(n, 4)``, x1, y1, x2, y2.
        category_ids: int64 ``(n,)``.
        masks: COCO compressed RLE counts, one for each box; None where only boxes are known.
        scores: float64 ``(n,)``; zeros for references.
        crowd: bool ``(n,)``: regions that neither reward nor punish a detection; all False for detections.
    """

    height: int
    width: int
    boxes: NDArray[np.float64]
    category_ids: NDArray[np.int64]
    masks: Sequence[bytes] | None
    scores: NDArray[np.float64]
    crowd: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.category_ids)


@dataclass(frozen=True, slots=True)
class ImageAP:
    """Average precision of one image.

    Attributes:
        classes: category ids present in the reference (not only as crowd), rising.
        precision: float64 ``(10, classes)``, AP at each IoU threshold .50:.05:.95 for each class; no column without reference.
    """

    classes: NDArray[np.int64]
    precision: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """AP over all thresholds and classes; NaN without a reference."""
        return float(self.precision.mean()) if self.classes.size else float("nan")

    def at(self, iou: float) -> float:
        """AP over the classes at one IoU threshold, for example 0.5; NaN without a reference."""
        row = int(np.argmin(np.abs(IOU_THRESHOLDS - iou)))
        return float(self.precision[row].mean()) if self.classes.size else float("nan")


def image_ap(detections: Objects, reference: Objects, *, iou: Literal["bbox", "segm"]) -> ImageAP:
    """Return the average precision of an image's detections.

    For each class of the reference and each IoU threshold: detections by falling score (ties in the given order, at most
    100) take the free reference of highest IoU; precision is made monotone and averaged over 101 recall levels. Detections of
    classes that the reference lacks don't count, as in COCOeval.

    Args:
        detections: what the model said.
        reference: what counts as right.
        iou: overlap of boxes or of masks.

    Returns:
        AP for each threshold and class.
    """
    classes = np.unique(reference.category_ids[~reference.crowd])
    if not classes.size:
        return ImageAP(classes, np.empty((len(IOU_THRESHOLDS), 0)))
    wanted = np.isin(detections.category_ids, classes)
    order = np.flatnonzero(wanted)[np.argsort(-detections.scores[wanted], kind="stable")]
    # COCOeval tries the crowd regions of a class last.
    targets = np.argsort(reference.crowd, kind="stable")
    overlap = _box_overlap if iou == "bbox" else _mask_overlap
    ious = overlap(detections, order, reference, targets)
    precision = _average_precision(
        ious,
        detections.category_ids[order],
        reference.category_ids[targets],
        reference.crowd[targets],
        classes,
        IOU_THRESHOLDS,
        RECALL_THRESHOLDS,
        MAX_DETECTIONS,
    )
    return ImageAP(classes, precision)


def _box_overlap(
    detections: Objects, order: NDArray[np.intp], reference: Objects, targets: NDArray[np.intp]
) -> NDArray[np.float64]:
    return _box_iou(detections.boxes[order], reference.boxes[targets], reference.crowd[targets])


def _mask_overlap(
    detections: Objects, order: NDArray[np.intp], reference: Objects, targets: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Mask IoU of detections and references of the same class; other pairs stay 0, nobody looks at them."""
    from pycocotools import mask as coco_mask

    if detections.masks is None or reference.masks is None:
        raise ValueError("mask IoU needs masks on both sides, got boxes only")
    size = [reference.height, reference.width]
    ious = np.zeros((len(order), len(targets)))
    for category in np.unique(reference.category_ids):
        rows = np.flatnonzero(detections.category_ids[order] == category)
        columns = np.flatnonzero(reference.category_ids[targets] == category)
        if len(rows):
            found = [{"size": size, "counts": detections.masks[i]} for i in order[rows]]
            wanted = [{"size": size, "counts": reference.masks[i]} for i in targets[columns]]
            ious[np.ix_(rows, columns)] = coco_mask.iou(found, wanted, reference.crowd[targets[columns]].astype(np.uint8))
    return ious


@numba.njit(cache=True)
def _box_iou(
    boxes: NDArray[np.float64], references: NDArray[np.float64], crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:  # pragma: no cover - compiled
    ious = np.zeros((len(boxes), len(references)))
    for d in range(len(boxes)):
        x, y = boxes[d, 0], boxes[d, 1]
        w, h = boxes[d, 2] - x, boxes[d, 3] - y
        for g in range(len(references)):
            gx, gy = references[g, 0], references[g, 1]
            gw, gh = references[g, 2] - gx, references[g, 3] - gy
            iw = min(x + w, gx + gw) - max(x, gx)
            ih = min(y + h, gy + gh) - max(y, gy)
            if iw > 0 and ih > 0:
                inter = iw * ih
                union = w * h if crowd[g] else w * h + gw * gh - inter
                ious[d, g] = inter / union
    return ious


@numba.njit(cache=True)
def _match(
    ious: NDArray[np.float64], crowd: NDArray[np.bool_], threshold: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:  # pragma: no cover - compiled
    """Greedy matching of one class at one threshold: which detections are matched, and which of them to a crowd region."""
    n, m = ious.shape
    taken = np.zeros(m, np.bool_)
    matched = np.zeros(n, np.bool_)
    ignored = np.zeros(n, np.bool_)
    for d in range(n):
        best = min(threshold, 1 - 1e-10)
        found = -1
        for g in range(m):
            if taken[g] and not crowd[g]:
                continue
            if found > -1 and not crowd[found] and crowd[g]:
                break
            if ious[d, g] < best:
                continue
            best = ious[d, g]
            found = g
        if found > -1:
            taken[found] = True
            matched[d] = True
            ignored[d] = crowd[found]
    return matched, ignored


@numba.njit(cache=True)
def _interpolated_precision(
    matched: NDArray[np.bool_], ignored: NDArray[np.bool_], positives: int, recall_thresholds: NDArray[np.float64]
) -> float:  # pragma: no cover - compiled
    """Mean over the recall levels of the best precision at that recall or above."""
    n = len(matched)
    precision = np.zeros(n)
    recall = np.zeros(n)
    hits = 0
    counted = 0
    for d in range(n):
        if not ignored[d]:
            counted += 1
            if matched[d]:
                hits += 1
        recall[d] = hits / positives
        precision[d] = hits / counted if counted else 0.0
    for d in range(n - 1, 0, -1):
        precision[d - 1] = max(precision[d - 1], precision[d])
    total = 0.0
    d = 0
    for threshold in recall_thresholds:
        while d < n and recall[d] < threshold:
            d += 1
        if d == n:
            break
        total += precision[d]
    return total / len(recall_thresholds)


@numba.njit(cache=True)
def _average_precision(
    ious: NDArray[np.float64],
    found_classes: NDArray[np.int64],
    wanted_classes: NDArray[np.int64],
    crowd: NDArray[np.bool_],
    classes: NDArray[np.int64],
    iou_thresholds: NDArray[np.float64],
    recall_thresholds: NDArray[np.float64],
    max_detections: int,
) -> NDArray[np.float64]:  # pragma: no cover - compiled
    result = np.zeros((len(iou_thresholds), len(classes)))
    for k in range(len(classes)):
        rows = np.flatnonzero(found_classes == classes[k])[:max_detections]
        columns = np.flatnonzero(wanted_classes == classes[k])
        own = np.empty((len(rows), len(columns)))
        for i in range(len(rows)):
            for j in range(len(columns)):
                own[i, j] = ious[rows[i], columns[j]]
        own_crowd = crowd[columns]
        positives = len(columns) - own_crowd.sum()
        for t in range(len(iou_thresholds)):
            matched, ignored = _match(own, own_crowd, iou_thresholds[t])
            result[t, k] = _interpolated_precision(matched, ignored, positives, recall_thresholds)
    return result
