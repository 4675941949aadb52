"""Masks as outlines: few enough points for a page that shows a thumbnail of the image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from miqd_builder.exploring.pictures import thumbnail_size
from miqd_builder.responses import decode_masks

TOLERANCE = 0.7
"""How far an outline may lie from its mask, in pixels of the thumbnail."""
MOST_RINGS, LEAST_AREA = 24, 3.0
"""Of a mask: rings that are kept, the largest first, and the area of the smallest one in pixels of the thumbnail."""

Ring = NDArray[np.int32]


def outlines(counts: Sequence[bytes], height: int, width: int) -> list[list[Ring]]:
    """Return the rings of each mask, outer ones and holes: filled by the even-odd rule they are the mask.

    Args:
        counts: COCO compressed RLE counts of the full image size.
        height: of the image, in pixels.
        width: of the image, in pixels.

    Returns:
        for each mask its rings, int32 ``(points, 2)``: x and y of pixels of the thumbnail
        (:func:`miqd_builder.exploring.pictures.thumbnail_size`), the outermost that belong to the mask.
    """
    return [_rings(decode_masks([one], height, width)[0].astype(np.uint8)) for one in counts]


def _rings(mask: NDArray[np.uint8]) -> list[Ring]:
    height, width = thumbnail_size(*mask.shape)
    if (height, width) != mask.shape:
        mask = (cv2.resize(mask * 255, (width, height), interpolation=cv2.INTER_AREA) > 127).astype(np.uint8)
    found, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    largest = sorted(((cv2.contourArea(ring), place) for place, ring in enumerate(found)), key=lambda one: (-one[0], one[1]))
    kept = sorted(place for area, place in largest[:MOST_RINGS] if area >= LEAST_AREA)
    rings = [cv2.approxPolyDP(found[place], TOLERANCE, True).reshape(-1, 2) for place in kept]
    return [ring for ring in rings if len(ring) > 2]
