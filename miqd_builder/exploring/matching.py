"""Which detections are hits: the greedy matching of COCOeval at one IoU threshold, with the reference that each one takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqd_builder.responses import Detections

IOU = 0.5
FALSE, IGNORED = -1, -2
"""In place of a reference: none was free and near enough; or it lies in a crowd region, and counts neither way."""


def match(found: Detections, reference: Detections) -> NDArray[np.int16]:
    """Return the number of the reference that each detection takes, :data:`FALSE` or :data:`IGNORED`.

    As in COCOeval: by falling score, a detection takes the free reference of its class with the highest IoU of at least .5;
    crowd regions, which any number of detections may take, only where no other is free. What a detection takes doesn't
    depend on those of lower score, so a limit on the score leaves the others' matches as they are.

    Args:
        found: detections, by falling score; masks are compared where both sides have them, else boxes.
        reference: what counts as right.
    """
    takes = np.full(len(found), FALSE, np.int16)
    if not len(found) or not len(reference):
        return takes
    overlaps = _overlaps(found, reference)
    overlaps[found.category_ids[:, None] != reference.category_ids[None, :]] = 0
    crowd, free = reference.is_crowd, np.ones(len(reference), bool)
    for number, row in enumerate(overlaps):
        for places in (np.flatnonzero(free & ~crowd), np.flatnonzero(crowd)):
            near = places[row[places] >= IOU]
            if near.size:
                # The last of equal ones, as in COCOeval.
                best = int(near[::-1][np.argmax(row[near[::-1]])])
                takes[number] = IGNORED if crowd[best] else best
                free[best] = crowd[best]
                break
    return takes


def _overlaps(found: Detections, reference: Detections) -> NDArray[np.float64]:
    from pycocotools import mask as coco_mask

    crowd = reference.is_crowd.astype(np.uint8)
    if found.masks is not None and reference.masks is not None:
        return np.array(coco_mask.iou(_rle(found), _rle(reference), crowd))
    return np.array(coco_mask.iou(_corner_and_size(found), _corner_and_size(reference), crowd))


def _rle(objects: Detections) -> list[dict[str, Any]]:
    return [{"size": [objects.height, objects.width], "counts": counts} for counts in objects.masks or ()]


def _corner_and_size(objects: Detections) -> NDArray[np.float64]:
    boxes = objects.boxes.astype(np.float64)
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
