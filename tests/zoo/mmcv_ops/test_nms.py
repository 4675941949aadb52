"""Suppression operators against their definitions in plain NumPy, through mmcv's own functions."""

import numpy as np
import pytest
import torch

from miqd_builder.zoo.mmcv_ops import install

install()
from mmcv.ops import batched_nms, nms, soft_nms  # noqa: E402  the operators must be there first


def random_boxes(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 80, (count, 2))
    boxes = np.hstack([corner, corner + rng.uniform(4, 40, (count, 2))]).astype(np.float32)
    return boxes, rng.permutation(np.linspace(0.05, 0.95, count)).astype(np.float32)


def iou(a: np.ndarray, b: np.ndarray, offset: int) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
    area_a, area_b = ((box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b))
    return width * height / (area_a + area_b - width * height)


def reference_nms(boxes: np.ndarray, scores: np.ndarray, threshold: float, offset: int) -> list[int]:
    kept: list[int] = []
    for candidate in np.argsort(-scores):
        if all(iou(boxes[candidate], boxes[other], offset) <= threshold for other in kept):
            kept.append(int(candidate))
    return kept


def reference_soft_nms(
    boxes: np.ndarray, scores: np.ndarray, *, threshold: float, sigma: float, min_score: float, method: str, offset: int
) -> list[tuple[int, float]]:
    left, picked = dict(enumerate(scores.astype(float))), []
    while left:
        best = max(left, key=left.__getitem__)
        picked.append((best, left.pop(best)))
        for other in list(left):
            overlap = iou(boxes[best], boxes[other], offset)
            if method == "gaussian":
                left[other] *= np.exp(-(overlap**2) / sigma)
            elif overlap >= threshold:
                left[other] *= 1 - overlap if method == "linear" else 0
            if left[other] < min_score:
                del left[other]
    return picked


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("count", [0, 1, 60])
def test_nms_keeps_what_the_definition_keeps(count: int, threshold: float, offset: int) -> None:
    boxes, scores = random_boxes(count, count)
    dets, kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold, offset=offset)
    assert kept.tolist() == reference_nms(boxes, scores, threshold, offset)
    np.testing.assert_array_equal(dets[:, :4], boxes[kept.numpy()])
    np.testing.assert_array_equal(dets[:, 4], scores[kept.numpy()])


def test_nms_compares_with_the_threshold_in_float32() -> None:
    """An IoU of exactly float32(0.6), which is above the double 0.6, is not above the threshold."""
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 6]], dtype=torch.float32)
    _, kept = nms(boxes, torch.tensor([0.9, 0.8]), 0.6)
    assert kept.tolist() == [0, 1]


def test_nms_applies_score_threshold_and_limit() -> None:
    boxes, scores = random_boxes(3, 40)
    _, kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.5, score_threshold=0.3, max_num=5)
    assert kept.tolist() == [i for i in reference_nms(boxes, scores, 0.5, 0) if scores[i] > 0.3][:5]


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
@pytest.mark.parametrize("min_score", [0.001, 0.2])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_soft_nms_follows_the_definition(count: int, min_score: float, method: str, offset: int) -> None:
    boxes, scores = random_boxes(count + 7, count)
    dets, kept = soft_nms(
        torch.from_numpy(boxes), torch.from_numpy(scores), 0.3, sigma=0.5, min_score=min_score, method=method, offset=offset
    )
    expected = reference_soft_nms(boxes, scores, threshold=0.3, sigma=0.5, min_score=min_score, method=method, offset=offset)
    assert kept.tolist() == [index for index, _ in expected]
    np.testing.assert_allclose(dets[:, 4], [score for _, score in expected], rtol=1e-5)
    np.testing.assert_array_equal(dets[:, :4], boxes[kept.numpy()])


def test_soft_nms_leaves_its_input_alone() -> None:
    boxes, scores = (torch.from_numpy(part) for part in random_boxes(1, 20))
    before = boxes.clone(), scores.clone()
    soft_nms(boxes, scores, 0.3)
    assert torch.equal(boxes, before[0]) and torch.equal(scores, before[1])


def test_batched_nms_suppresses_within_a_class_only() -> None:
    boxes, scores = random_boxes(5, 60)
    classes = np.arange(60) % 3
    _, kept = batched_nms(
        torch.from_numpy(boxes), torch.from_numpy(scores), torch.from_numpy(classes), {"type": "nms", "iou_threshold": 0.4}
    )
    members = [np.flatnonzero(classes == c) for c in range(3)]
    expected = {int(m[i]) for m in members for i in reference_nms(boxes[m], scores[m], 0.4, 0)}
    assert set(kept.tolist()) == expected
