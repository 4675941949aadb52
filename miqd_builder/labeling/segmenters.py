"""Mean intersection over union of class maps, one image at a time, on run lengths: no mask is ever unpacked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.responses import Segmentation
from miqd_builder.sources import SourceImage
from miqd_builder.tables.responses import iterate_segmentations
from miqd_builder.tables.schema import ORIGINAL

Rle = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReferenceMap:
    """The class map that others of the same image are compared with.

    Attributes:
        masks: each class that is present.
        areas: pixels of each class.
        counted: the pixels that have a class, the others don't count; None where all have one.
    """

    masks: dict[int, Rle]
    areas: dict[int, int]
    counted: Rle | None

    @classmethod
    def of(cls, classes: Segmentation) -> ReferenceMap:
        """Prepare a class map for comparisons."""
        from pycocotools import mask as coco_mask

        masks = _masks(classes)
        areas = {category_id: int(coco_mask.area(mask)) for category_id, mask in masks.items()}
        complete = sum(areas.values()) == classes.height * classes.width
        return cls(masks, areas, None if complete else coco_mask.merge(list(masks.values())))


def mean_iou(prediction: Segmentation, reference: ReferenceMap) -> float:
    """Return the mean over the reference's classes of intersection over union; NaN where the reference has no class.

    For a class with the reference pixels R and the predicted pixels A: |A and R| / |A or R|, where pixels without a class in
    the reference (255 in a label PNG) are left out of both. Classes that only the prediction has don't enter the mean, as in
    the average precision of detectors: their pixels already lower the class that they were taken from, and a single stray
    pixel must not cost as much as a missing class. A prediction equal to its reference scores exactly 1.

    Args:
        prediction: a model's class map, of the reference's size.
        reference: the map that counts as right.
    """
    from pycocotools import mask as coco_mask

    predicted = _masks(prediction)
    ratios = []
    for category_id, wanted in reference.masks.items():
        found = predicted.get(category_id)
        if found is None:
            ratios.append(0.0)
            continue
        both = int(coco_mask.area(coco_mask.merge([found, wanted], intersect=True)))
        inside = found if reference.counted is None else coco_mask.merge([found, reference.counted], intersect=True)
        ratios.append(both / (int(coco_mask.area(inside)) + reference.areas[category_id] - both))
    return sum(ratios) / len(ratios) if ratios else float("nan")


def score_segmentations(responses: pa.Table, sources: Mapping[str, SourceImage]) -> dict[str, NDArray[np.float64]]:
    """Return mIoU against the label PNG (accuracy) and against the model's own map of the original (consistency).

    Where the own map has no class at all, consistency is 1 if the prediction has none either, else 0. An image without label
    PNG, or with one of which no pixel counts, has no accuracy (NaN).

    Args:
        responses: a model's responses of task seg.
        sources: source images by id, with their label PNGs.

    Raises:
        UnreadableImageError: a label PNG can't be used.
    """
    ids, degradations = responses["source_id"].to_pylist(), responses["degradation"].to_pylist()
    predictions = iterate_segmentations(responses)
    own = {i: ReferenceMap.of(p) for i, d, p in zip(ids, degradations, predictions, strict=True) if d == ORIGINAL}
    pairs = list(zip(ids, predictions, strict=True))
    true = _true_maps(dict(pairs), sources)
    return {
        "consistency": np.array([_consistency(p, own[i]) if i in own else np.nan for i, p in pairs]),
        "accuracy": np.array([mean_iou(p, true[i]) if i in true else np.nan for i, p in pairs]),
    }


def _true_maps(predictions: Mapping[str, Segmentation], sources: Mapping[str, SourceImage]) -> dict[str, ReferenceMap]:
    """Label PNGs by source, read in the size that a model's prediction has."""
    maps = {source_id: sources[source_id].truth_for("seg") for source_id in predictions}
    return {i: ReferenceMap.of(m.read(predictions[i].height, predictions[i].width)) for i, m in maps.items() if m is not None}


def _consistency(prediction: Segmentation, own: ReferenceMap) -> float:
    return mean_iou(prediction, own) if own.masks else float(not prediction.masks)


def _masks(classes: Segmentation) -> dict[int, Rle]:
    size: Sequence[int] = [classes.height, classes.width]
    return {int(c): {"size": size, "counts": mask} for c, mask in zip(classes.category_ids, classes.masks, strict=True)}
