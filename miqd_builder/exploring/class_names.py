"""Names of classes, where they are certain: from the data set itself, or because the class numbers can only be one data set's.

A wrong name is worse than a number: a class without a certain name is shown by its number.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Sequence

import numpy as np

from miqd_builder.config import RunConfig
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import part_names, read_parts
from miqd_builder.tasks import Task

IMAGENET_ONLY = 500
"""A class number from here on, of a source of kind imagenet, which has at most 1000: its numbers are ImageNet's."""
COCO_ONLY = 81
"""A category id from here on: COCO's 80 categories have ids up to 90, any other 80 end at 80."""

Names = dict[int, str]


def class_names(task: Task, config: RunConfig | None, seen: Collection[int]) -> Names:
    """Return the certain names of a task's classes by number.

    Args:
        task: cls, det, ins or seg.
        config: run file of the labels; None for imported ones.
        seen: class numbers that models predicted, at least one.
    """
    if config is None or task == "seg":
        return {}
    highest = max(seen)
    if task == "cls":
        return _listed(config) or (_imagenet() if highest >= IMAGENET_ONLY else {})
    return _annotated(config) or (_coco() if highest >= COCO_ONLY else {})


def classes_seen(folder: RunFolder, task: Task, models: Sequence[str]) -> set[int]:
    """Return the class numbers in the first part of each model's responses; 0 stands for none."""
    column = "top_ids" if task == "cls" else "category_ids"
    seen = {0}
    for model in models:
        names = part_names(folder, "responses", task=task, model=model)[:1]
        for part in read_parts(folder, names, [column]):
            seen |= set(np.unique(part[column].combine_chunks().flatten().to_numpy(zero_copy_only=False)).tolist())
    return seen


def _listed(config: RunConfig) -> Names:
    """The column ``name`` of a label file that has one."""
    file = config.source.labels
    if file is None or not file.is_file():
        return {}
    rows = list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))
    return {int(row["label"]): row["name"] for row in rows if row.get("name") and (row.get("label") or "").isdigit()}


def _annotated(config: RunConfig) -> Names:
    """The categories of an annotation file that is still there and as it was."""
    file = config.source.annotations
    if file is None or not file.is_file():
        return {}
    try:
        return {int(one["id"]): str(one["name"]) for one in json.loads(file.read_bytes())["categories"] if "name" in one}
    except (ValueError, TypeError, KeyError):
        return {}


def _imagenet() -> Names:
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    return {index: info.index_to_description(index, detailed=False) for index in range(info.num_classes())}


def _coco() -> Names:
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

    names = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    return {index: name for index, name in enumerate(names) if name not in ("__background__", "N/A")}
