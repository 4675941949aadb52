"""The inner loops of average precision, compiled by numba: overlap of boxes, matching, interpolation.

Each function does what COCOeval of pycocotools does at the same place, in the same order, so that ties end alike.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True)
def box_overlaps(
    boxes: NDArray[np.float64],
    found_classes: NDArray[np.int64],
    references: NDArray[np.float64],
    wanted_classes: NDArray[np.int64],
    crowd: NDArray[np.bool_],
) -> NDArray[np.float64]:  # pragma: no cover - compiled
    """Return the IoU of each box with each reference box of its class; other pairs stay 0 and are never read.

    Over a crowd region, the share of the box that lies inside it. A pair without common area has 0.
    """
    overlaps = np.zeros((len(boxes), len(references)))
    for d in range(len(boxes)):
        x, y = boxes[d, 0], boxes[d, 1]
        w, h = boxes[d, 2] - x, boxes[d, 3] - y
        for g in range(len(references)):
            if found_classes[d] != wanted_classes[g]:
                continue
            gx, gy = references[g, 0], references[g, 1]
            gw, gh = references[g, 2] - gx, references[g, 3] - gy
            iw = min(x + w, gx + gw) - max(x, gx)
            ih = min(y + h, gy + gh) - max(y, gy)
            if iw > 0 and ih > 0:
                common = iw * ih
                union = w * h if crowd[g] else w * h + gw * gh - common
                overlaps[d, g] = common / union
    return overlaps


@numba.njit(cache=True)
def average_precisions(
    offsets: NDArray[np.int64],
    scores: NDArray[np.float64],
    found_classes: NDArray[np.int64],
    overlaps: NDArray[np.float64],
    wanted_classes: NDArray[np.int64],
    crowd: NDArray[np.bool_],
    classes: NDArray[np.int64],
    iou_thresholds: NDArray[np.float64],
    recall_levels: int,
    max_detections: int,
) -> NDArray[np.float64]:  # pragma: no cover - compiled
    """Return the average precision of each image, IoU threshold and class, ``(images, thresholds, classes)``.

    Args:
        offsets: ``(images + 1,)``; image i has the detections ``offsets[i]:offsets[i + 1]``.
        scores: of each detection.
        found_classes: class of each detection.
        overlaps: IoU of each detection with each reference.
        wanted_classes: class of each reference.
        crowd: which references are crowd regions.
        classes: classes to evaluate, each with a reference that is no crowd region.
        iou_thresholds: rising.
        recall_levels: number of evenly spaced recalls from 0 to 1 at which precision is read.
        max_detections: detections taken of an image and class, highest scores first.
    """
    images = len(offsets) - 1
    result = np.zeros((images, len(iou_thresholds), len(classes)))
    recalls = np.linspace(0.0, 1.0, recall_levels)
    for k in range(len(classes)):
        columns = np.flatnonzero(wanted_classes == classes[k])
        # COCOeval tries the crowd regions of a class last.
        columns = np.concatenate((columns[~crowd[columns]], columns[crowd[columns]]))
        own_crowd = crowd[columns]
        positives = len(columns) - own_crowd.sum()
        for i in range(images):
            rows = places_highest_first(offsets[i], offsets[i + 1], scores, found_classes, classes[k])[:max_detections]
            if not len(rows):
                continue
            own = np.empty((len(rows), len(columns)))
            for d in range(len(rows)):
                for g in range(len(columns)):
                    own[d, g] = overlaps[rows[d], columns[g]]
            for t in range(len(iou_thresholds)):
                matched, ignored = match(own, own_crowd, iou_thresholds[t])
                result[i, t, k] = _interpolated_precision(matched, ignored, positives, recalls)
    return result


@numba.njit(cache=True)
def places_highest_first(
    start: int, stop: int, scores: NDArray[np.float64], found_classes: NDArray[np.int64], wanted: int
) -> NDArray[np.int64]:  # pragma: no cover - compiled
    """Places of one image's detections of a class by falling score, ties in the given order; they mostly are sorted already."""
    rows = np.empty(stop - start, np.int64)
    n = 0
    for row in range(start, stop):
        if found_classes[row] != wanted:
            continue
        place = n
        while place > 0 and scores[rows[place - 1]] < scores[row]:
            rows[place] = rows[place - 1]
            place -= 1
        rows[place] = row
        n += 1
    return rows[:n]


@numba.njit(cache=True)
def match(
    overlaps: NDArray[np.float64], crowd: NDArray[np.bool_], threshold: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:  # pragma: no cover - compiled
    """Greedy matching of one class at one threshold: which detections are matched, and which of them to a crowd region."""
    n, m = overlaps.shape
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
            if overlaps[d, g] < best:
                continue
            best = overlaps[d, g]
            found = g
        if found > -1:
            taken[found] = True
            matched[d] = True
            ignored[d] = crowd[found]
    return matched, ignored


@numba.njit(cache=True)
def _interpolated_precision(
    matched: NDArray[np.bool_], ignored: NDArray[np.bool_], positives: int, recalls: NDArray[np.float64]
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
    for level in recalls:
        while d < n and recall[d] < level:
            d += 1
        if d == n:
            break
        total += precision[d]
    return total / len(recalls)
