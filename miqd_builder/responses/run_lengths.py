"""COCO's compressed run lengths, decoded just far enough to know the image size that they are for."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True)
def pixels_of_masks(
    text: NDArray[np.uint8], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # pragma: no cover - compiled
    """Return the pixels of each mask's image and those inside the mask; -1 where the text is no run lengths.

    Source of the form: rleToString of pycocotools (maskApi.c). Runs alternate between outside and inside; a run is written in
    groups of 5 bits, lowest first, each with bit 6 set if more follow, as characters from 48 on; from the fourth run on, the
    difference to the run before the last is written.

    Args:
        text: the counts of all masks, one after the other.
        offsets: ``(masks + 1,)``; mask i is ``text[offsets[i]:offsets[i + 1]]``.
    """
    masks = len(offsets) - 1
    total, inside = np.zeros(masks, np.int64), np.zeros(masks, np.int64)
    for i in range(masks):
        before, last, runs = np.int64(0), np.int64(0), 0
        place, stop = offsets[i], offsets[i + 1]
        good = place < stop
        while good and place < stop:
            value, shift, more = np.int64(0), 0, True
            while more:
                if place == stop or text[place] < 48 or text[place] >= 112 or shift > 30:
                    good = False
                    break
                group = np.int64(text[place]) - 48
                value |= (group & 31) << shift
                more = group & 32 != 0
                place += 1
                shift += 5
                if not more and group & 16:
                    value |= -1 << shift
            if runs > 2:
                value += before
            if value < 0:
                good = False
            before, last = last, value
            total[i] += value
            if runs % 2:
                inside[i] += value
            runs += 1
        if not good:
            total[i], inside[i] = -1, -1
    return total, inside
