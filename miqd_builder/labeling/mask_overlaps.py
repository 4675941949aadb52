"""Overlap of masks, compiled by numba: compressed run lengths in, IoU out, without a bitmap.

pycocotools' ``mask.iou`` gives the same numbers (whole pixels, divided once); here all masks of a call are parsed in one pass,
a pair whose bounding boxes are apart costs a few comparisons, and the references are parsed once for all images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

Joined = tuple[NDArray[np.uint8], NDArray[np.int64]]


def joined_masks(masks: Sequence[bytes]) -> Joined:
    """Return the run lengths of masks in one array, and where each begins, ``(masks + 1,)``."""
    lengths = np.fromiter(map(len, masks), np.int64, len(masks))
    return np.frombuffer(b"".join(masks), np.uint8), np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


@numba.njit(cache=True)
def mask_overlaps(
    found: Joined,
    found_classes: NDArray[np.int64],
    wanted: Joined,
    wanted_classes: NDArray[np.int64],
    crowd: NDArray[np.bool_],
    height: int,
) -> NDArray[np.float64]:  # pragma: no cover - compiled
    """Return the IoU of each mask with each reference mask of its class; other pairs stay 0 and are never read.

    Over a crowd region, the share of the mask that lies inside it. A pair without common pixels has 0.

    Args:
        found: masks as COCO's compressed run lengths (:func:`joined_masks`).
        found_classes: class of each.
        wanted: the references.
        wanted_classes: class of each.
        crowd: which references are crowd regions.
        height: of the image in pixels; runs go down the columns.
    """
    text, offsets = found
    reference_text, reference_offsets = wanted
    references = len(wanted_classes)
    overlaps = np.zeros((len(found_classes), references))
    ends = np.empty(len(reference_text) + 1, np.int64)
    runs = np.zeros(references, np.int64)
    boxes = np.zeros((references, 5), np.int64)
    for g in range(references):
        start, stop = reference_offsets[g], reference_offsets[g + 1]
        runs[g] = _parse(reference_text, start, stop, height, ends[start:], boxes[g])
    longest = 0
    for d in range(len(found_classes)):
        longest = max(longest, offsets[d + 1] - offsets[d])
    own, box = np.empty(longest + 1, np.int64), np.zeros(5, np.int64)
    for d in range(len(found_classes)):
        count = -1  # not parsed yet
        for g in range(references):
            if found_classes[d] != wanted_classes[g]:
                continue
            if count < 0:
                count = _parse(text, offsets[d], offsets[d + 1], height, own, box)
            other = boxes[g]
            if box[1] > other[2] or other[1] > box[2] or box[3] > other[4] or other[3] > box[4]:
                continue
            common = _common(own, count, ends[reference_offsets[g] :], runs[g])
            if common:
                union = box[0] if crowd[g] else box[0] + other[0] - common
                overlaps[d, g] = common / union
    return overlaps


@numba.njit(cache=True)
def _parse(
    text: NDArray[np.uint8], start: int, stop: int, height: int, ends: NDArray[np.int64], box: NDArray[np.int64]
) -> int:  # pragma: no cover - compiled
    """Write where each run of a mask ends (at most one a character), and its area and bounding box; return the number of runs.

    Source of the form: rleToString of pycocotools (maskApi.c), see :mod:`miqd_builder.responses.run_lengths`.

    Args:
        text: run lengths of some masks.
        start: of this one.
        stop: of this one.
        height: of the image in pixels.
        ends: to be written, in pixels from the upper left corner down the columns.
        box: to be written: area, first and last column, first and last row; the last before the first where nothing is inside.
    """
    zero = np.int64(0)
    area, first, last_inside, top, bottom = zero, zero - 1, zero - 1, zero + height, zero - 1
    before = last = total = row = zero
    runs, place = 0, start
    while place < stop:
        group = np.int64(text[place]) - 48
        place += 1
        value, shift = group & 31, 5
        while group & 32 and place < stop:
            group = np.int64(text[place]) - 48
            place += 1
            value |= (group & 31) << shift
            shift += 5
        if group & 16:
            value |= np.int64(-1) << shift
        if runs > 2:
            value += before
        before, last = last, value
        if runs & 1 and value > 0:
            area += value
            first = total if first < 0 else first
            last_inside = total + value - 1
            if row + value > height:
                top, bottom = zero, zero + height - 1
            else:
                top, bottom = min(top, row), max(bottom, row + value - 1)
        total += value
        row += value
        if row >= height:
            row = row - height if row < 2 * height else row % height
        ends[runs] = total
        runs += 1
    box[0], box[3], box[4] = area, top, bottom
    box[1], box[2] = (first // height, last_inside // height) if area else (zero + 1, zero)
    return runs


@numba.njit(cache=True)
def _common(
    one: NDArray[np.int64], one_runs: int, other: NDArray[np.int64], other_runs: int
) -> int:  # pragma: no cover - compiled
    """Return the number of pixels inside both of two masks; runs of odd place are inside."""
    a, b = 1, 1
    if one_runs > 1 and other_runs > 1:
        a = _from(one, one_runs, other[0])
        b = _from(other, other_runs, one[0])
    pixels = np.int64(0)
    while a < one_runs and b < other_runs:
        stop = min(one[a], other[b])
        start = max(one[a - 1], other[b - 1])
        if stop > start:
            pixels += stop - start
        if one[a] < other[b]:
            a += 2
        else:
            b += 2
    return int(pixels)


@numba.njit(cache=True)
def _from(ends: NDArray[np.int64], runs: int, pixel: int) -> int:  # pragma: no cover - compiled
    """Return the first inside run that ends behind a pixel."""
    low, high = 0, runs // 2
    while low < high:
        middle = (low + high) // 2
        if ends[2 * middle + 1] > pixel:
            high = middle
        else:
            low = middle + 1
    return 2 * low + 1
