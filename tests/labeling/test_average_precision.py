"""Average precision against pycocotools' COCOeval, run on each image alone.

The random cases take half a minute; with ``MIQD_AP_EXAMPLES=20000`` in the environment there are more of them.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from miqd_builder.labeling.average_precision import IOU_THRESHOLDS, image_ap
from miqd_builder.responses import DetectionBatch, Detections
from tests.labeling.coco_reference import coco_precision

EXAMPLES = int(os.environ.get("MIQD_AP_EXAMPLES", "1500"))
SIZE = 64


def rectangles(boxes: NDArray[np.float64]) -> list[bytes]:
    """RLE of each box, filled."""
    if not len(boxes):
        return []
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return [rle["counts"] for rle in coco_mask.frPyObjects(xywh, SIZE, SIZE)]


def reference_of(
    boxes: NDArray[np.float64],
    category_ids: NDArray[np.int64],
    masks: list[bytes] | None = None,
    crowd: NDArray[np.bool_] | None = None,
) -> Detections:
    return Detections(SIZE, SIZE, boxes, np.ones(len(boxes)), category_ids, masks, crowd)


def random_reference(rng: np.random.Generator, n: int, crowd: float = 0.0, classes: int = 3) -> Detections:
    """Boxes with whole coordinates, some without area."""
    corner = rng.integers(0, 40, (n, 2)).astype(float)
    boxes = np.concatenate([corner, corner + rng.integers(0, 24, (n, 2))], axis=1)
    return reference_of(boxes, rng.integers(1, classes + 1, n), rectangles(boxes), rng.random(n) < crowd)


def random_detections(
    rng: np.random.Generator, counts: list[int], near: Detections, *, ties: bool = False, classes: int = 4
) -> DetectionBatch:
    """Boxes in several images, most of them near the reference; one class of them the reference may lack."""
    n = sum(counts)
    boxes = random_reference(rng, n).boxes
    if len(near):
        close = np.flatnonzero(rng.random(n) < 0.7)
        boxes[close] = near.boxes[rng.integers(0, len(near), len(close))] + rng.integers(-2, 3, (len(close), 4))
        boxes = np.clip(boxes, 0, SIZE)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])
    scores = rng.integers(0, 4, n) / 4 if ties else rng.random(n)
    offsets, ids = np.cumsum([0, *counts]), rng.integers(1, classes + 1, n)
    return DetectionBatch(SIZE, SIZE, offsets, boxes, scores, ids, rectangles(boxes))


def assert_equals_cocoeval(found: DetectionBatch, reference: Detections, iou: str, *, complete: bool = False) -> None:
    """Compare every image, threshold and class, and what is read off them."""
    ap = image_ap(found, reference, iou=iou)
    assert ap.precision.shape == (len(found), len(IOU_THRESHOLDS), len(ap.classes))
    for image in range(len(found)):
        expected = coco_precision(found.image(image), reference, iou, complete=complete)
        expected = expected[:, :, (expected > -1).any(axis=(0, 1))]
        assert expected.shape[2] == len(ap.classes)
        np.testing.assert_allclose(ap.precision[image], expected.mean(axis=1), rtol=0, atol=1e-9)
        if not ap.classes.size:
            assert np.isnan(ap.mean[image]) and np.isnan(ap.at(0.5)[image])
            continue
        assert ap.mean[image] == pytest.approx(expected.mean(), abs=1e-9)
        assert ap.at(0.5)[image] == pytest.approx(expected[0].mean(), abs=1e-9)
        assert ap.at(0.75)[image] == pytest.approx(expected[5].mean(), abs=1e-9)


@pytest.mark.parametrize("iou", ["bbox", "segm"])
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=3),
    wanted=st.integers(0, 12),
    ties=st.booleans(),
    crowd=st.sampled_from([0.0, 0.0, 0.3, 1.0]),
)
def test_equals_cocoeval(iou: str, seed: int, counts: list[int], wanted: int, ties: bool, crowd: float) -> None:
    rng = np.random.default_rng(seed)
    reference = random_reference(rng, wanted, crowd)
    assert_equals_cocoeval(random_detections(rng, counts, reference, ties=ties), reference, iou)


@pytest.mark.parametrize("iou", ["bbox", "segm"])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), ties=st.booleans(), crowd=st.sampled_from([0.0, 0.3]))
def test_equals_cocoeval_with_its_own_parameters(iou: str, seed: int, ties: bool, crowd: float) -> None:
    rng = np.random.default_rng(seed)
    reference = random_reference(rng, 8, crowd)
    assert_equals_cocoeval(random_detections(rng, [40], reference, ties=ties), reference, iou, complete=True)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("iou", ["bbox", "segm"])
def test_only_the_best_100_of_a_class_count(iou: str, ties: bool) -> None:
    rng = np.random.default_rng(5)
    reference = random_reference(rng, 6, classes=1)
    found = random_detections(rng, [400, 101, 100], reference, ties=ties, classes=1)
    assert_equals_cocoeval(found, reference, iou, complete=True)
    kept = np.argsort(-found.scores[:400], kind="stable")[:100]
    best = Detections(SIZE, SIZE, found.boxes[kept], found.scores[kept], found.category_ids[kept])
    if iou == "bbox":
        assert image_ap(best, reference, iou="bbox").mean[0] == image_ap(found, reference, iou="bbox").mean[0]


def test_ties_keep_the_given_order() -> None:
    box = np.array([[0.0, 0, 20, 20]])
    reference = reference_of(box, np.array([1]))
    hit, miss = box[0], np.array([40.0, 40, 60, 60])
    orders = [np.array([hit, miss]), np.array([miss, hit])]
    pairs = DetectionBatch.of([Detections(SIZE, SIZE, boxes, np.full(2, 0.5), np.ones(2, int)) for boxes in orders])
    np.testing.assert_allclose(image_ap(pairs, reference, iou="bbox").mean, [1, 0.5])


@pytest.mark.parametrize("iou", ["bbox", "segm"])
@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 100))
def test_detections_against_themselves_score_exactly_one(iou: str, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    corner = (rng.random((n, 2)) * 40).astype(np.float32)
    boxes = np.concatenate([corner, corner + np.float32(1) + rng.random((n, 2), np.float32) * 20], axis=1).astype(np.float64)
    boxes[rng.random(n) < 0.2] = boxes[0]
    classes, masks = rng.integers(1, 4, n), rectangles(boxes)
    scores = np.sort(rng.integers(0, 20, n) / 20)[::-1]
    own = Detections(SIZE, SIZE, boxes, scores, classes, masks)
    ap = image_ap(own, own, iou=iou)
    assert ap.mean[0] == ap.at(0.5)[0] == ap.at(0.75)[0] == 1.0


def test_images_of_a_batch_do_not_touch_each_other() -> None:
    rng = np.random.default_rng(1)
    reference = random_reference(rng, 8)
    found = random_detections(rng, [20, 0, 35, 1], reference)
    for iou in ("bbox", "segm"):
        together = image_ap(found, reference, iou=iou).precision
        for image in range(len(found)):
            alone = image_ap(found.image(image), reference, iou=iou).precision
            np.testing.assert_array_equal(alone, together[image : image + 1])


def test_a_batch_of_single_images_is_the_batch() -> None:
    found = random_detections(np.random.default_rng(2), [3, 0, 5], random_reference(np.random.default_rng(3), 4))
    again = DetectionBatch.of([found.image(i) for i in range(len(found))])
    assert (again.height, again.width, len(again), again.masks) == (SIZE, SIZE, 3, found.masks)
    for name in ("offsets", "boxes", "scores", "category_ids", "counts"):
        own, expected = getattr(again, name), getattr(found, name)
        np.testing.assert_array_equal(own, expected)
        assert own.dtype == expected.dtype


@pytest.mark.parametrize("iou", ["bbox", "segm"])
def test_stored_precision_gives_what_its_float64_values_give(iou: str) -> None:
    """Adapters predict in float32 and int32: they are compared as the float64 and int64 that they stand for."""
    rng = np.random.default_rng(4)
    reference = random_reference(rng, 6)
    stored = random_detections(rng, [30], reference).image(0)
    boxes, scores = (stored.boxes + 0.1).astype(np.float32), stored.scores.astype(np.float32)
    small = Detections(SIZE, SIZE, boxes, scores, stored.category_ids.astype(np.int32), stored.masks)
    large = Detections(SIZE, SIZE, boxes.astype(np.float64), scores.astype(np.float64), stored.category_ids, stored.masks)
    expected = image_ap(large, reference, iou=iou).precision
    np.testing.assert_array_equal(image_ap(small, reference, iou=iou).precision, expected)
    expected = image_ap(small, large, iou=iou).precision
    np.testing.assert_array_equal(image_ap(small, small, iou=iou).precision, expected)


def test_images_of_a_batch_are_alike() -> None:
    image = random_reference(np.random.default_rng(0), 2)
    with pytest.raises(ValueError, match="images of one size, got"):
        DetectionBatch.of([])
    with pytest.raises(ValueError, match=r"images of one size, got .* \[\(64, 64\), \(64, 65\)\]"):
        DetectionBatch.of([image, replace(image, width=SIZE + 1)])
    with pytest.raises(ValueError, match="masks in all images or in none, got them in 1 of 2"):
        DetectionBatch.of([image, replace(image, masks=None)])


def test_wrong_use_is_refused() -> None:
    rng = np.random.default_rng(0)
    reference = random_reference(rng, 3)
    found = random_detections(rng, [3], reference)
    bare = replace(reference, masks=None)
    with pytest.raises(ValueError, match="needs masks"):
        image_ap(found, bare, iou="segm")
    with pytest.raises(ValueError, match="bbox or segm, got 'box'"):
        image_ap(found, reference, iou="box")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"0\.50, 0\.55 \.\. 0\.95, got 0\.71"):
        image_ap(found, reference, iou="bbox").at(0.71)
