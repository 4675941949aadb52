"""Masks as COCO compressed run lengths (RLE)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import InvalidResponsesError


def encode_masks(masks: NDArray[np.bool_]) -> list[bytes]:
    """Encode bool masks ``(n, height, width)`` as COCO compressed RLE counts."""
    import cv2
    from pycocotools import mask as coco_mask

    n, height, width = masks.shape
    # pycocotools reads columns first; cv2 transposes in blocks, which NumPy's copy to Fortran order doesn't.
    columns = np.empty((n, width, height), np.uint8)
    for mask, column in zip(masks, columns, strict=True):
        column[:] = cv2.transpose(mask.astype(np.uint8))
    return [rle["counts"] for rle in coco_mask.encode(columns.transpose(2, 1, 0))] if n else []


def encode_map(classes: NDArray[np.integer]) -> dict[int, bytes]:
    """Encode a class map ``(height, width)`` as COCO compressed RLE counts of each class in it, rising; negative is no class.

    One pass over the runs of all classes: a map holds dozens of them.
    """
    from pycocotools import mask as coco_mask

    height, width = classes.shape
    pixels = classes.T.ravel()  # RLE runs down the columns
    edges = np.concatenate([[0], np.flatnonzero(pixels[1:] != pixels[:-1]) + 1, [pixels.size]])
    starts, stops, owners = edges[:-1], edges[1:], pixels[edges[:-1]]
    masks = {}
    for category_id in np.unique(owners[owners >= 0]):
        own = owners == category_id
        turns = np.column_stack([starts[own], stops[own]]).ravel()
        runs = np.diff(turns, prepend=0, append=pixels.size)
        rle = {"size": [height, width], "counts": runs if runs[-1] else runs[:-1]}
        masks[int(category_id)] = coco_mask.frPyObjects(rle, height, width)["counts"]
    return masks


def decode_masks(counts: Sequence[bytes], height: int, width: int) -> NDArray[np.bool_]:
    """Decode COCO compressed RLE counts into bool masks ``(n, height, width)``.

    Raises:
        InvalidResponsesError: the counts are damaged.
    """
    from pycocotools import mask as coco_mask

    if not len(counts):
        return np.zeros((0, height, width), bool)
    try:
        decoded = coco_mask.decode([{"size": [height, width], "counts": c} for c in counts])
    except ValueError as error:
        raise InvalidResponsesError(f"The run lengths of a mask are damaged ({error}): 'miqd verify' names the part.") from None
    return np.ascontiguousarray(decoded.transpose(2, 0, 1)).astype(bool)
