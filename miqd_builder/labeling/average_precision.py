"""COCO average precision of single images, equal to pycocotools' COCOeval run on each image alone.

Source of the definition: COCOeval of pycocotools (https://cocodataset.org/#detection-eval), area range ``all``, maxDets 100.
The loops are compiled by numba (:mod:`miqd_builder.labeling.matching`, :mod:`miqd_builder.labeling.mask_overlaps`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from miqd_builder.responses import MAX_DETECTIONS, DetectionBatch, Detections

Iou = Literal["bbox", "segm"]

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_LEVELS = 101


@dataclass(frozen=True, slots=True)
class ImageAP:
    """Average precision of single images that share a reference.

    Attributes:
        classes: category ids present in the reference (not only as crowd), rising.
        precision: float64 ``(images, 10, classes)``, AP at each IoU threshold .50:.05:.95 for each class; classes without
            reference have no place.
    """

    classes: NDArray[np.int64]
    precision: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """AP of each image over all thresholds and classes, float64 ``(images,)``; NaN without a reference."""
        return self._over_classes(self.precision.mean(axis=1))

    def at(self, iou: float) -> NDArray[np.float64]:
        """AP of each image over the classes at one IoU threshold, for example 0.5; NaN without a reference.

        Raises:
            ValueError: the threshold is none of .50:.05:.95.
        """
        rows = np.flatnonzero(np.isclose(IOU_THRESHOLDS, iou))
        if not rows.size:
            raise ValueError(f"expected an IoU threshold among 0.50, 0.55 .. 0.95, got {iou}")
        return self._over_classes(self.precision[:, rows[0]])

    def _over_classes(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values.mean(axis=1) if self.classes.size else np.full(len(values), np.nan)


def image_ap(detections: DetectionBatch | Detections, reference: Detections, *, iou: Iou) -> ImageAP:
    """Return the average precision of each image's detections against one reference.

    For each class of the reference and each IoU threshold: detections by falling score (ties in the given order, at most
    100) take the free reference of highest IoU; precision is made monotone and averaged over 101 recall levels. Detections of
    classes that the reference lacks don't count, as in COCOeval.

    Args:
        detections: a model's detections in many images, or in a single one.
        reference: the objects that count as right in all of them; its scores don't matter.
        iou: overlap of boxes or of masks.

    Returns:
        AP for each image, threshold and class.

    Raises:
        ValueError: ``iou`` is neither bbox nor segm, or masks are asked for and missing.

    Examples:
        >>> box, category = np.array([[0.0, 0, 20, 20]]), np.array([1])
        >>> reference = Detections(40, 40, box, np.ones(1), category)
        >>> part = Detections(40, 40, np.array([[0.0, 0, 20, 13]]), np.ones(1), category)  # 65 % of the object
        >>> image_ap(DetectionBatch.of([reference, part]), reference, iou="bbox").mean
        array([1. , 0.4])
    """
    from miqd_builder.labeling.matching import average_precisions, box_overlaps  # numba: not for a run of classifiers

    if iou not in ("bbox", "segm"):
        raise ValueError(f"expected iou to be bbox or segm, got {iou!r}")
    batch = DetectionBatch.of([detections]) if isinstance(detections, Detections) else detections
    wanted, crowd = reference.category_ids.astype(np.int64, copy=False), reference.is_crowd
    classes = np.unique(wanted[~crowd])
    if not classes.size:
        return ImageAP(classes, np.empty((len(batch), len(IOU_THRESHOLDS), 0)))
    if iou == "segm":
        overlaps = _mask_overlaps(batch, reference, crowd)
    else:
        boxes = reference.boxes.astype(np.float64, copy=False)
        overlaps = box_overlaps(batch.boxes, batch.category_ids, boxes, wanted, crowd)
    precision = average_precisions(
        batch.offsets,
        batch.scores,
        batch.category_ids,
        overlaps,
        wanted,
        crowd,
        classes,
        IOU_THRESHOLDS,
        RECALL_LEVELS,
        MAX_DETECTIONS,
    )
    return ImageAP(classes, precision)


def _mask_overlaps(batch: DetectionBatch, reference: Detections, crowd: NDArray[np.bool_]) -> NDArray[np.float64]:
    from miqd_builder.labeling.mask_overlaps import joined_masks, mask_overlaps

    if batch.masks is None or reference.masks is None:
        raise ValueError("mask IoU needs masks on both sides, got boxes only")
    wanted = reference.category_ids.astype(np.int64, copy=False)
    found, against = joined_masks(batch.masks), joined_masks(reference.masks)
    return mask_overlaps(found, batch.category_ids, against, wanted, crowd, reference.height)
