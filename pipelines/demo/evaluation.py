"""Average precision of detections on scenes, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from miqd_builder.responses import Detections
from pipelines.demo.scenes import Scene
from pipelines.demo.validation import coco_annotations


def average_precision(detections: Sequence[Detections], scenes: Sequence[Scene], *, with_masks: bool) -> float:
    """COCO AP (IoU .50:.05:.95, maxDets 100, area all) over all scenes together, in [0, 1].

    Args:
        detections: predictions, one for each scene.
        scenes: the scenes, in the same order.
        with_masks: compare masks instead of boxes.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = coco_annotations({f"{index:06d}": scene for index, scene in enumerate(scenes)})
        truth.createIndex()
        results = [row for image_id, found in enumerate(detections, start=1) for row in _rows(image_id, found)]
        if not results:
            return 0.0
        evaluation = COCOeval(truth, truth.loadRes(results), "segm" if with_masks else "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def _rows(image_id: int, found: Detections) -> list[dict[str, Any]]:
    rows = []
    for position, (box, score, category) in enumerate(zip(found.boxes, found.scores, found.category_ids, strict=True)):
        x1, y1, x2, y2 = (float(value) for value in box)
        row: dict[str, Any] = {"image_id": image_id, "category_id": int(category), "score": float(score)}
        if found.masks is None:
            row["bbox"] = [x1, y1, x2 - x1, y2 - y1]
        else:
            row["segmentation"] = {"size": [found.height, found.width], "counts": found.masks[position]}
        rows.append(row)
    return rows
