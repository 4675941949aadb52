"""Outlines of annotated objects: the ways in which COCO writes them, to compressed run lengths."""

from __future__ import annotations

from typing import Any

import numpy as np

Outline = Any
"""What COCO's ``segmentation`` holds: polygons (lists x, y, x, y, ... in a list) or run lengths (a dict with ``counts``, a list
or compressed). Besides, compressed counts of the image's size as bytes, and as a tuple a box x, y, width, height."""

REACH = 10
"""How many image sizes a polygon may lie outside: further away, it would cost more memory than there is."""


def mask_counts(outline: Outline, height: int, width: int) -> bytes:
    """Return the COCO compressed RLE ``counts`` of an outline, for an image of this size in pixels.

    Raises:
        ValueError: it's malformed; says how.
    """
    if isinstance(outline, bytes):
        return outline
    try:
        counts = _encoded(outline, height, width)["counts"]
    except Exception as error:  # pycocotools raises whatever its C code stumbles on
        raise ValueError(str(error) or type(error).__name__) from None
    return counts.encode() if isinstance(counts, str) else bytes(counts)


def _encoded(outline: Outline, height: int, width: int) -> dict[str, Any]:
    """Encode as ``COCO.annToRLE`` does; an object without an outline gets its box, as in ``COCO.loadRes``."""
    from pycocotools import mask as coco_mask

    if isinstance(outline, tuple):
        box: dict[str, Any] = coco_mask.frPyObjects(np.array([outline], np.float64), height, width)[0]
        return box
    if isinstance(outline, list):
        _check_polygons(outline, height, width)
        merged: dict[str, Any] = coco_mask.merge(coco_mask.frPyObjects(outline, height, width))
        return merged
    return _run_lengths(outline, height, width)


def _check_polygons(polygons: list[Any], height: int, width: int) -> None:
    """Refuse polygons that would crash pycocotools."""
    for polygon in polygons:
        points = np.asarray(polygon, np.float64)
        if points.ndim != 1 or len(points) < 4 or not np.isfinite(points).all():
            raise ValueError("a polygon is no list of points x, y, x, y, ...")
        if np.abs(points).max() > REACH * (height + width):
            raise ValueError(f"a polygon lies far outside of {width}x{height} pixels")


def _run_lengths(outline: Any, height: int, width: int) -> dict[str, Any]:
    from pycocotools import mask as coco_mask

    if not isinstance(outline, dict) or "counts" not in outline:
        raise ValueError(f"expected polygons or run lengths, got {type(outline).__name__}")
    counts = outline["counts"]
    if isinstance(counts, list):
        if sum(counts) != height * width:
            raise ValueError(f"run lengths of {sum(counts)} pixels for {width}x{height}")
        encoded: dict[str, Any] = coco_mask.frPyObjects(outline | {"size": [height, width]}, height, width)
        return encoded
    from miqd_builder.responses.run_lengths import pixels_of_masks

    if not isinstance(counts, str | bytes):
        raise ValueError(f"run lengths are {type(counts).__name__}, expected a list or a text")
    text = np.frombuffer(counts.encode() if isinstance(counts, str) else counts, np.uint8)
    total, _ = pixels_of_masks(text, np.array([0, len(text)], np.int64))
    if total[0] != height * width:
        raise ValueError(f"compressed run lengths that are not of {width}x{height} pixels")
    return outline
