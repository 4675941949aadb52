"""Average precision of single images: this project's against pycocotools' COCOeval, in the same run.

    python benchmarks/labeling.py [--images 200]

Random boxes and filled-rectangle masks: 10 references and 100 detections of 3 classes on 640x480 pixels.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from miqd_builder.labeling.average_precision import Objects, image_ap

HEIGHT, WIDTH = 480, 640


def main() -> None:
    """Print microseconds an image and the ratio, for boxes and masks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    count = parser.parse_args().images
    rng = np.random.default_rng(0)
    pairs = [(objects(rng, 100), objects(rng, 10)) for _ in range(count)]
    image_ap(*pairs[0], iou="bbox")  # compiles
    print(f"{'':6} {'ours, us':>10} {'COCOeval, us':>14} {'ratio':>7}  largest difference")
    for iou in ("bbox", "segm"):
        ours, mine = timed(lambda pair, iou=iou: image_ap(*pair, iou=iou).mean, pairs)
        theirs, reference = timed(lambda pair, iou=iou: coco_eval(*pair, iou), pairs[:40])
        worst = max(abs(a - b) for a, b in zip(mine, reference, strict=False))
        print(f"{iou:6} {ours:10.0f} {theirs:14.0f} {theirs / ours:7.0f}  {worst:.1e}")


def objects(rng: np.random.Generator, n: int) -> Objects:
    """Random rectangles with their masks."""
    corner = rng.random((n, 2)) * [WIDTH * 0.7, HEIGHT * 0.7]
    boxes = np.concatenate([corner, corner + 10 + rng.random((n, 2)) * 120], axis=1)
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    masks = [rle["counts"] for rle in coco_mask.frPyObjects(xywh, HEIGHT, WIDTH)]
    return Objects(HEIGHT, WIDTH, boxes, rng.integers(1, 4, n), masks, rng.random(n), np.zeros(n, bool))


def timed(function: Callable[[Any], float], items: list[Any]) -> tuple[float, list[float]]:
    """Return CPU microseconds an item, and the results."""
    start = time.process_time()
    results = [function(item) for item in items]
    return (time.process_time() - start) / len(items) * 1e6, results


def coco_eval(found: Objects, wanted: Objects, iou: str) -> float:
    """COCOeval's AP of one image, loading included as its users have to."""
    truth = COCO()
    truth.dataset = {
        "images": [{"id": 1, "height": HEIGHT, "width": WIDTH}],
        "categories": [{"id": c} for c in range(1, 4)],
        "annotations": [{**shape(wanted, i), "id": i + 1, "iscrowd": 0} for i in range(len(wanted))],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        results = COCO()
        results.dataset = {
            **{key: truth.dataset[key] for key in ("images", "categories")},
            "annotations": [
                {**shape(found, i), "id": i + 1, "iscrowd": 0, "score": float(found.scores[i])} for i in range(len(found))
            ],
        }
        results.createIndex()
        evaluation = COCOeval(truth, results, iou)
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, 2]
    return float(precision[precision > -1].mean())


def shape(side: Objects, i: int) -> dict[str, Any]:
    """An object as a COCO annotation."""
    x1, y1, x2, y2 = side.boxes[i]
    rle = {"size": [HEIGHT, WIDTH], "counts": side.masks[i]} if side.masks else {}
    box = [x1, y1, x2 - x1, y2 - y1]
    return {
        "image_id": 1,
        "category_id": int(side.category_ids[i]),
        "bbox": box,
        "area": box[2] * box[3],
        "segmentation": rle,
    }


if __name__ == "__main__":
    main()
