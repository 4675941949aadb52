"""From a model's class indices to the category ids of the annotations, by position and never by name.

onedl-mmdetection writes ``traffic_light`` where COCO has ``traffic light``; matching by name would silently drop 15 of the
80 classes. The order of the classes is the same everywhere: ascending category ids.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError

_UNUSED_COCO_IDS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}

COCO_CATEGORY_IDS = tuple(i for i in range(1, 91) if i not in _UNUSED_COCO_IDS)
"""The 80 category ids of COCO 2017 in ascending order, which is the order of the classes of every COCO model."""


def category_ids_of(model: str, num_classes: int, category_ids: Sequence[int] | None) -> NDArray[np.int32]:
    """Return the category id of each class index, int32 ``(num_classes,)``.

    Args:
        model: name, for the error.
        num_classes: classes of the model.
        category_ids: ids of the annotations' categories; None stands for COCO's where there are 80 classes, else for 1, 2, ...

    Raises:
        ConfigError: the annotations have another number of categories than the model has classes.
    """
    if category_ids is None:
        category_ids = COCO_CATEGORY_IDS if num_classes == len(COCO_CATEGORY_IDS) else range(1, num_classes + 1)
    if len(category_ids) != num_classes:
        raise ConfigError(
            f"Model {model!r} has {num_classes} classes but the annotations have {len(category_ids)} categories. "
            "Use a model that was trained on the categories of these annotations."
        )
    return np.array(sorted(category_ids), np.int32)


def segment_ids_of(model: str, num_classes: int, category_ids: Sequence[int] | None) -> NDArray[np.int32]:
    """Return the pixel value in label PNGs of each class index, int32 ``(num_classes,)``.

    Args:
        model: name, for the error.
        num_classes: classes of the model.
        category_ids: pixel values that are classes (``source.category_ids``); None stands for 0, 1, ...

    Raises:
        ConfigError: there are more or fewer than the model has classes.
    """
    return category_ids_of(model, num_classes, range(num_classes) if category_ids is None else category_ids)
