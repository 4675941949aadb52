"""What a model said about one image: the common form that every adapter returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_DETECTIONS = 100
"""Detections kept for one image, highest scores first (COCO's ``maxDets``)."""


@dataclass(frozen=True, slots=True)
class Classification:
    """Answer of a classifier.

    Attributes:
        probabilities: float32 ``(num_classes,)``, softmax over the classes, sums to 1.
    """

    probabilities: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Detections:
    """Objects in one image: what a detector or an instance segmenter predicted, or what was annotated.

    Attributes:
        height, width: size of the image in pixels.
        boxes: ``(n, 4)``, x1, y1, x2, y2 in pixels of the image. Predictions: float32, inside the image, of positive area.
            Annotations: float64, as they are.
        scores: ``(n,)`` in [0, 1], not increasing, at most 100 of them; 1 for annotations.
        category_ids: ``(n,)``, category ids of the annotations (not class indices).
        masks: COCO compressed RLE ``counts`` of the full image size, one for each box; None where only boxes are known.
        crowd: bool ``(n,)``: regions that neither reward nor punish a detection; None means that there are none.
    """

    height: int
    width: int
    boxes: NDArray[np.floating]
    scores: NDArray[np.floating]
    category_ids: NDArray[np.integer]
    masks: Sequence[bytes] | None = None
    crowd: NDArray[np.bool_] | None = None

    @classmethod
    def from_raw(
        cls,
        *,
        height: int,
        width: int,
        boxes: NDArray[np.floating],
        scores: NDArray[np.floating],
        category_ids: NDArray[np.integer],
        masks: NDArray[np.bool_] | None = None,
    ) -> Detections:
        """Bring a back end's output into the common form.

        Boxes are clipped to the image, boxes without area and empty masks are dropped, the rest is sorted by falling score
        (ties keep the back end's order) and cut at 100.

        Args:
            height: image height in pixels.
            width: image width in pixels.
            boxes: ``(n, 4)`` x1, y1, x2, y2 in pixels of the image.
            scores: ``(n,)`` in [0, 1].
            category_ids: ``(n,)`` category ids.
            masks: bool ``(n, height, width)``, or None for a detector.

        Raises:
            ValueError: a box or a score is not finite, a score lies outside [0, 1], or the lengths differ.
        """
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
        scores = np.asarray(scores, np.float32).reshape(-1)
        category_ids = np.asarray(category_ids, np.int32).reshape(-1)
        if not len(boxes) == len(scores) == len(category_ids):
            raise ValueError(
                f"{len(boxes)} boxes, {len(scores)} scores and {len(category_ids)} category ids: expected equal numbers"
            )
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ValueError("boxes and scores must be finite, got NaN or infinity")
        if len(scores) and not (scores.min() >= 0 and scores.max() <= 1):
            raise ValueError(f"scores must lie in [0, 1], got {scores.min():.4g} .. {scores.max():.4g}")
        limits = np.array([width, height, width, height], np.float32)
        boxes = np.clip(boxes, 0, limits)
        order = np.argsort(-scores, kind="stable")
        keep = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        if masks is not None:
            if masks.shape != (len(boxes), height, width):
                raise ValueError(f"masks have shape {masks.shape}, expected {(len(boxes), height, width)}")
            keep &= masks.any(axis=(1, 2))
        order = order[keep[order]][:MAX_DETECTIONS]
        return cls(
            height=height,
            width=width,
            boxes=boxes[order],
            scores=scores[order],
            category_ids=category_ids[order],
            masks=None if masks is None else encode_masks(masks[order]),
        )

    def above(self, score: float) -> Detections:
        """Return the detections with at least this score."""
        n = int(np.count_nonzero(self.scores >= score))
        return Detections(
            self.height,
            self.width,
            self.boxes[:n],
            self.scores[:n],
            self.category_ids[:n],
            None if self.masks is None else self.masks[:n],
        )


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Answer of a semantic segmenter: at most one class for each pixel. A map of label PNGs takes the same form.

    Attributes:
        height, width: size of the image in pixels.
        category_ids: int32 ``(n,)``, the classes that are present, rising: pixel values of the label PNGs.
        masks: COCO compressed RLE ``counts`` of the full image size, one for each class; no pixel is in two of them.
    """

    height: int
    width: int
    category_ids: NDArray[np.int32]
    masks: list[bytes]

    @classmethod
    def from_map(cls, classes: NDArray[np.integer]) -> Segmentation:
        """Return the segmentation of a class map.

        Args:
            classes: integers ``(height, width)``, the category id of each pixel; below 0 for a pixel of no class.

        Raises:
            ValueError: it isn't a non-empty integer array of two dimensions.
        """
        if classes.ndim != 2 or not classes.size or not np.issubdtype(classes.dtype, np.integer):
            raise ValueError(f"expected a map of integers (height, width), got {classes.dtype} {classes.shape}")
        height, width = classes.shape
        masks = encode_map(classes)
        return cls(height, width, np.array(list(masks), np.int32), list(masks.values()))

    def to_map(self) -> NDArray[np.int32]:
        """Return the category id of each pixel, int32 ``(height, width)``; -1 for a pixel of no class."""
        classes = np.full((self.height, self.width), -1, np.int32)
        for category_id, mask in zip(self.category_ids, decode_masks(self.masks, self.height, self.width), strict=True):
            classes[mask] = category_id
        return classes


Response = Classification | Detections | Segmentation


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
    """Decode COCO compressed RLE counts into bool masks ``(n, height, width)``."""
    from pycocotools import mask as coco_mask

    if not len(counts):
        return np.zeros((0, height, width), bool)
    decoded = coco_mask.decode([{"size": [height, width], "counts": c} for c in counts])
    return np.ascontiguousarray(decoded.transpose(2, 0, 1)).astype(bool)
