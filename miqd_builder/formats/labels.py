"""Build labels tables from imported data: the names of degraded images and the values of some columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import degradations
from miqd_builder.tables.schema import LABELS, image_path
from miqd_builder.tasks import Task

RECIPE = "published"
"""Value of ``recipe`` in imported labels: how they were made is not known."""


def labels_table(
    task: Task, images: Sequence[tuple[str, str]], values: Mapping[str, Sequence[Any] | NDArray[np.float64]]
) -> pa.Table:
    """Return label rows: distortion, region and severities follow from the degradation's name; other missing columns are null.

    Args:
        task: of the labels.
        images: source id and name of the degradation of each row.
        values: values of columns of ``labels`` by name; NaN in an array is null.

    Raises:
        UnknownDegradationError: no distortion has that name.
    """
    parsed = [degradations.parse(name) for _, name in images]
    columns: dict[str, Any] = {
        "source_id": [source_id for source_id, _ in images],
        "degradation": [d.name for d in parsed],
        "file_name": [image_path(source_id, name) for source_id, name in images],
        "recipe": [RECIPE] * len(images),
        **{field: [getattr(d, field) for d in parsed] for field in _OF_DEGRADATION},
        **values,
    }
    arrays = []
    for field in LABELS[task]:
        column = columns.get(field.name, [None] * len(images))
        arrays.append(pa.array(column, field.type, mask=np.isnan(column) if isinstance(column, np.ndarray) else None))
    return pa.table(arrays, schema=LABELS[task])


_OF_DEGRADATION = ("distortion", "category", "region", "roi_severity", "bg_severity")
