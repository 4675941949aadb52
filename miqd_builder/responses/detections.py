"""Objects in images: predictions of detectors and instance segmenters, and the references that they are compared with."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqd_builder.responses.masks import encode_masks

MAX_DETECTIONS = 100
"""Detections kept for one image, highest scores first (COCO's ``maxDets``)."""


@dataclass(frozen=True, slots=True)
class Detections:
    """Objects in one image: what a detector or an instance segmenter predicted, or what was annotated; its length is theirs.

    Attributes:
        height, width: size of the image in pixels.
        boxes: ``(n, 4)``, x1, y1, x2, y2 in pixels of the image. Predictions: float32, inside the image, of positive area.
            Annotations: float64, as they are.
        scores: ``(n,)`` in [0, 1], not increasing, at most 100 of them; 1 for annotations.
        category_ids: ``(n,)``, category ids of the annotations (not class indices).
        masks: COCO compressed RLE ``counts`` of the full image size, one for each box; None where only boxes are known.
        crowd: bool ``(n,)``: crowd regions; a detection that matches one counts neither as right nor as wrong. None: none are.
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

    def __len__(self) -> int:
        return len(self.category_ids)

    @property
    def is_crowd(self) -> NDArray[np.bool_]:
        """The attribute ``crowd``, all False where it is None."""
        return np.zeros(len(self), np.bool_) if self.crowd is None else self.crowd

    def above(self, score: float) -> Detections:
        """Return the detections with at least this score, in their order."""
        places = np.flatnonzero(self.scores >= score)
        return Detections(
            self.height,
            self.width,
            self.boxes[places],
            self.scores[places],
            self.category_ids[places],
            None if self.masks is None else [self.masks[i] for i in places.tolist()],
            None if self.crowd is None else self.crowd[places],
        )


@dataclass(frozen=True, slots=True)
class DetectionBatch:
    """Predictions in many images of one size, such as all variants of a source, one after the other in flat arrays.

    Beside :class:`Detections` for its speed: average precisions of all variants of a source in one call take 1/445 of
    COCOeval's time for boxes and 1/101 for masks, an image a call 1/191 and 1/77 (docs/performance.md, measured by
    benchmarks/labeling.py).

    Attributes:
        height, width: size of the images in pixels.
        offsets: int64 ``(images + 1,)``; image i has the detections ``offsets[i]:offsets[i + 1]``.
        boxes: float64 ``(n, 4)``, x1, y1, x2, y2 in pixels.
        scores: float64 ``(n,)``.
        category_ids: int64 ``(n,)``.
        masks: COCO compressed RLE ``counts`` of the full image size, one for each box; None where only boxes are known.
    """

    height: int
    width: int
    offsets: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    category_ids: NDArray[np.int64]
    masks: Sequence[bytes] | None = None

    @classmethod
    def of(cls, images: Sequence[Detections]) -> DetectionBatch:
        """Return the detections of single images as a batch. Crowd flags are left out: they mean nothing in predictions.

        Raises:
            ValueError: there is no image, they differ in size, or only some of them have masks.
        """
        sizes = {(image.height, image.width) for image in images}
        if len(sizes) != 1:
            raise ValueError(f"expected images of one size, got (height, width) {sorted(sizes)}")
        masks = [image.masks for image in images if image.masks is not None]
        if masks and len(masks) != len(images):
            raise ValueError(f"expected masks in all images or in none, got them in {len(masks)} of {len(images)}")
        height, width = sizes.pop()
        return cls(
            height=height,
            width=width,
            offsets=np.array([0, *itertools.accumulate(map(len, images))], np.int64),
            boxes=_joined([image.boxes for image in images], np.float64),
            scores=_joined([image.scores for image in images], np.float64),
            category_ids=_joined([image.category_ids for image in images], np.int64),
            masks=list(itertools.chain.from_iterable(masks)) if masks else None,
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of detections in each image."""
        return np.diff(self.offsets)

    def image(self, place: int) -> Detections:
        """Return the detections of one image."""
        own = slice(int(self.offsets[place]), int(self.offsets[place + 1]))
        masks = None if self.masks is None else self.masks[own]
        return Detections(self.height, self.width, self.boxes[own], self.scores[own], self.category_ids[own], masks)


def _joined(arrays: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    """One array of all; a single one stays uncopied where it has the type already."""
    return (arrays[0] if len(arrays) == 1 else np.concatenate(arrays)).astype(dtype, copy=False)
