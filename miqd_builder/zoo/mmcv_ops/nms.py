"""Non-maximum suppression with the arguments of mmcv's extension: greedy (``nms``) and decaying (``softnms``)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.float32]
Decay = Callable[[FloatArray, np.float32, np.float32], FloatArray]


def nms(boxes: Tensor, scores: Tensor, *, iou_threshold: float, offset: int) -> Tensor:
    """Return the indices of the boxes that greedy suppression keeps, by falling score.

    Args:
        boxes: ``(n, 4)`` x1, y1, x2, y2.
        scores: ``(n,)``.
        iou_threshold: a box that overlaps a kept one by more than this is dropped.
        offset: 0, or 1 where x2 and y2 are the last pixel inside the box.
    """
    boxes, scores = boxes.detach().float(), scores.detach().float()
    if offset:
        boxes = torch.cat([boxes[:, :2], boxes[:, 2:] + offset], dim=1)
    # mmcv compares in float32; torchvision takes a double, so a threshold like 0.6 is rounded first to give equal results.
    return torchvision.ops.nms(boxes, scores, float(np.float32(iou_threshold)))


def _suppress(iou: FloatArray, threshold: np.float32, sigma: np.float32) -> FloatArray:
    return np.where(iou >= threshold, np.float32(0), np.float32(1))


def _linear(iou: FloatArray, threshold: np.float32, sigma: np.float32) -> FloatArray:
    return np.where(iou >= threshold, np.float32(1) - iou, np.float32(1))


def _gaussian(iou: FloatArray, threshold: np.float32, sigma: np.float32) -> FloatArray:
    return np.exp(-(iou * iou) / sigma)


DECAYS: dict[int, Decay] = {0: _suppress, 1: _linear, 2: _gaussian}
"""Weight of a box by its IoU with the box just picked, under mmcv's method numbers: naive, linear, gaussian."""


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    *,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS (Bodla et al., 2017, arXiv 1704.04503): overlapping boxes lose score instead of being dropped.

    Args:
        boxes: ``(n, 4)`` x1, y1, x2, y2, on the CPU.
        scores: ``(n,)``.
        dets: ``(n, 5)``, filled in place with the picked boxes and their decayed scores.
        iou_threshold: below it the naive and linear methods leave a score alone.
        sigma: width of the gaussian method.
        min_score: a box whose score falls below it is discarded.
        method: 0 naive, 1 linear, 2 gaussian.
        offset: 0, or 1 where x2 and y2 are the last pixel inside the box.

    Returns:
        Indices ``(m,)`` of the picked boxes; the first m rows of ``dets`` belong to them.
    """
    corners = boxes.detach().float().numpy()
    current = scores.detach().float().numpy().copy()
    areas = (corners[:, 2] - corners[:, 0] + np.float32(offset)) * (corners[:, 3] - corners[:, 1] + np.float32(offset))
    decay = DECAYS[method]
    # Candidates lie in `slots`; like mmcv, the pick trades places with the first and a discarded one is replaced by the last,
    # so that equal scores come out in the same order.
    slots = np.arange(len(current))
    picked = 0
    while picked < len(slots):
        best = picked + int(np.argmax(current[slots[picked:]]))
        slots[[picked, best]] = slots[[best, picked]]
        pick, rest = slots[picked], slots[picked + 1 :]
        iou = _iou_with_rest(corners, areas, pick, rest, np.float32(offset))
        current[rest] *= decay(iou, np.float32(iou_threshold), np.float32(sigma))
        picked += 1
        slots = _discard(slots, picked, current[slots] < np.float32(min_score))
    dets[: len(slots), :4] = torch.from_numpy(corners[slots])
    dets[: len(slots), 4] = torch.from_numpy(current[slots])
    return torch.from_numpy(slots)


def _iou_with_rest(
    corners: FloatArray, areas: FloatArray, pick: np.intp, rest: NDArray[np.intp], offset: np.float32
) -> FloatArray:
    top_left = np.maximum(corners[pick, :2], corners[rest, :2])
    bottom_right = np.minimum(corners[pick, 2:], corners[rest, 2:])
    sides = np.maximum(np.float32(0), bottom_right - top_left + offset)
    overlap = sides[:, 0] * sides[:, 1]
    with np.errstate(invalid="ignore", divide="ignore"):  # two boxes without area: NaN, which no threshold exceeds
        return overlap / (areas[pick] + areas[rest] - overlap)


def _discard(slots: NDArray[np.intp], start: int, dead: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Drop the dead slots from ``start`` on, each replaced by the last living one."""
    slots, end, place = slots.copy(), len(slots), start
    dead = dead.copy()
    while place < end:
        if dead[place]:
            end -= 1
            slots[place], dead[place] = slots[end], dead[end]
        else:
            place += 1
    return slots[:end]
