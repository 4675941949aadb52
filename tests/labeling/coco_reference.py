"""The independent reference: pycocotools' COCOeval, run on one image alone."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from miqd_builder.responses import Detections


def coco_precision(found: Detections, wanted: Detections, iou: str, *, complete: bool = False) -> NDArray[np.float64]:
    """Precision at each IoU threshold, recall level and class, ``(10, 101, classes)``; -1 for a class without reference.

    Args:
        found: detections in the image.
        wanted: the reference, with masks if ``iou`` is segm.
        iou: bbox or segm.
        complete: leave COCOeval's parameters as they are. Otherwise it computes area ``all`` and maxDets 100 only, which
            takes a quarter of the time and doesn't change these numbers.
    """
    categories = np.union1d(wanted.category_ids, found.category_ids)
    size = {"height": wanted.height, "width": wanted.width}
    dataset = {"images": [{"id": 1, **size}], "categories": [{"id": int(c)} for c in categories]}
    crowd = np.zeros(len(wanted), int) if wanted.crowd is None else wanted.crowd
    annotations = [{**_shape(wanted, i, iou), "id": i + 1, "iscrowd": int(crowd[i])} for i in range(len(wanted))]
    results = [{**_shape(found, i, iou), "id": i + 1, "iscrowd": 0, "score": float(found.scores[i])} for i in range(len(found))]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(_index({**dataset, "annotations": annotations}), _index({**dataset, "annotations": results}), iou)
        if not complete:
            evaluation.params.areaRng, evaluation.params.areaRngLbl = [evaluation.params.areaRng[0]], ["all"]
            evaluation.params.maxDets = [100]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, -1]


def _index(dataset: dict[str, Any]) -> COCO:
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco


def _shape(side: Detections, i: int, iou: str) -> dict[str, Any]:
    x1, y1, x2, y2 = side.boxes[i].tolist()
    shape = {"image_id": 1, "category_id": int(side.category_ids[i]), "bbox": [x1, y1, x2 - x1, y2 - y1]}
    if iou == "bbox":
        return shape | {"area": (x2 - x1) * (y2 - y1)}
    assert side.masks is not None
    rle = {"size": [side.height, side.width], "counts": side.masks[i]}
    return shape | {"segmentation": rle, "area": float(coco_mask.area(rle))}
