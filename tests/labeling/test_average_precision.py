"""Average precision of one image against pycocotools' COCOeval run on that image alone."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from miqd_builder.labeling.average_precision import Objects, image_ap

SIZE = 64


def rectangles(boxes: np.ndarray) -> list[bytes]:
    """RLE of each box, filled."""
    if not len(boxes):
        return []
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return [rle["counts"] for rle in coco_mask.frPyObjects(xywh, SIZE, SIZE)]


def objects(
    rng: np.random.Generator, n: int, *, crowd: float = 0.0, ties: bool = False, near: np.ndarray | None = None
) -> Objects:
    """Random boxes; some near given ones, some without area, some scores equal."""
    corner = rng.integers(0, 40, (n, 2)).astype(float)
    boxes = np.concatenate([corner, corner + rng.integers(0, 24, (n, 2))], axis=1)
    if near is not None and len(near):
        close = rng.random(n) < 0.6
        boxes[close] = near[rng.integers(0, len(near), int(close.sum()))] + rng.integers(-2, 3, (int(close.sum()), 4))
        boxes = np.clip(boxes, 0, SIZE)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])
    scores = rng.integers(0, 4, n) / 4 if ties else rng.random(n)
    return Objects(SIZE, SIZE, boxes, rng.integers(1, 4, n), rectangles(boxes), scores, rng.random(n) < crowd)


def coco_eval(found: Objects, wanted: Objects, iou: str) -> np.ndarray:
    """COCOeval's precision of the single image, ``(10, 101, classes)``, area all, maxDets 100."""

    def shape(side: Objects, i: int) -> dict[str, Any]:
        x1, y1, x2, y2 = side.boxes[i]
        rle = {"size": [SIZE, SIZE], "counts": side.masks[i]}
        area = float(coco_mask.area(rle)) if iou == "segm" else (x2 - x1) * (y2 - y1)
        return {
            "image_id": 1,
            "category_id": int(side.category_ids[i]),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": area,
            "segmentation": rle,
        }

    truth, results = COCO(), COCO()
    images, categories = [{"id": 1, "height": SIZE, "width": SIZE}], [{"id": c} for c in range(1, 4)]
    truth.dataset = {
        "images": images,
        "categories": categories,
        "annotations": [{**shape(wanted, i), "id": i + 1, "iscrowd": int(wanted.crowd[i])} for i in range(len(wanted))],
    }
    results.dataset = {
        "images": images,
        "categories": categories,
        "annotations": [
            {**shape(found, i), "id": i + 1, "iscrowd": 0, "score": float(found.scores[i])} for i in range(len(found))
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        results.createIndex()
        evaluation = COCOeval(truth, results, iou)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, 2]


@pytest.mark.parametrize("iou", ["bbox", "segm"])
@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(0, 12), st.booleans(), st.sampled_from([0.0, 0.3]))
def test_equals_cocoeval(iou: str, seed: int, found: int, wanted: int, ties: bool, crowd: float) -> None:
    rng = np.random.default_rng(seed)
    reference = objects(rng, wanted, crowd=crowd)
    detections = objects(rng, found, ties=ties, near=reference.boxes)
    precision = coco_eval(detections, reference, iou)
    ap = image_ap(detections, reference, iou=iou)
    known = precision > -1
    if not known.any():
        assert np.isnan(ap.mean) and np.isnan(ap.at(0.5))
        return
    assert ap.mean == pytest.approx(precision[known].mean(), abs=1e-9)
    assert ap.at(0.5) == pytest.approx(precision[0][known[0]].mean(), abs=1e-9)
    assert ap.at(0.75) == pytest.approx(precision[5][known[5]].mean(), abs=1e-9)


def test_equals_cocoeval_beyond_100_detections() -> None:
    rng = np.random.default_rng(5)
    reference = objects(rng, 6)
    detections = objects(rng, 400, near=reference.boxes)
    precision = coco_eval(detections, reference, "bbox")
    assert image_ap(detections, reference, iou="bbox").mean == pytest.approx(precision[precision > -1].mean(), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_perfect_detections_score_exactly_one(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.random((n, 2)) * 40
    boxes = np.concatenate([corner, corner + 1 + rng.random((n, 2)) * 20], axis=1)
    same = Objects(SIZE, SIZE, boxes, rng.integers(1, 4, n), rectangles(boxes), rng.random(n), np.zeros(n, bool))
    assert image_ap(same, same, iou="bbox").mean == 1.0


def test_masks_are_required_for_mask_iou() -> None:
    rng = np.random.default_rng(0)
    one = objects(rng, 3)
    bare = Objects(SIZE, SIZE, one.boxes, one.category_ids, None, one.scores, one.crowd)
    with pytest.raises(ValueError, match="needs masks"):
        image_ap(bare, one, iou="segm")
