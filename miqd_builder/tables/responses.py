"""Responses to and from Parquet columns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.errors import InvalidResponsesError
from miqd_builder.responses import Classification, DetectionBatch, Detections, Response, Segmentation
from miqd_builder.tables.schema import RESPONSES
from miqd_builder.tasks import Task

TOP = 5


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's prediction for one image, to become a row of ``responses``.

    Attributes:
        source_id: id of the source image.
        degradation: name of the degradation, or ``original``.
        response: the adapter's return value.
        label: class index of the ground truth, for a classifier's ``target_prob``; None without one.
    """

    source_id: str
    degradation: str
    response: Response
    label: int | None = None


def responses_table(task: Task, predictions: Sequence[Prediction]) -> pa.Table:
    """Return the predictions of one model as the task's responses table."""
    columns: dict[str, pa.Array] = {
        "source_id": pa.array([p.source_id for p in predictions], pa.string()),
        "degradation": pa.array([p.degradation for p in predictions], pa.string()),
    }
    return pa.table(columns | _COLUMNS[task](predictions), schema=RESPONSES[task])


def _classification_columns(predictions: Sequence[Prediction]) -> dict[str, pa.Array]:
    """Top 5 by falling probability, ties by rising class index; fewer than 5 classes are padded with id -1, probability 0."""
    ids = np.full((len(predictions), TOP), -1, np.int32)
    probabilities = np.zeros((len(predictions), TOP), np.float32)
    targets: list[float | None] = []
    for row, prediction in enumerate(predictions):
        assert isinstance(prediction.response, Classification)
        p = prediction.response.probabilities
        top = np.argsort(-p, kind="stable")[:TOP]
        ids[row, : len(top)], probabilities[row, : len(top)] = top, p[top]
        targets.append(float(p[prediction.label]) if prediction.label is not None and prediction.label < len(p) else None)
    return {
        "top_ids": pa.FixedSizeListArray.from_arrays(pa.array(ids.ravel()), TOP),
        "top_probs": pa.FixedSizeListArray.from_arrays(pa.array(probabilities.ravel()), TOP),
        "target_prob": pa.array(targets, pa.float32()),
    }


def _detection_columns(predictions: Sequence[Prediction]) -> dict[str, pa.Array]:
    found = [p.response for p in predictions if isinstance(p.response, Detections)]
    assert len(found) == len(predictions)
    offsets = pa.array(np.cumsum([0, *(len(d) for d in found)]).astype(np.int32))
    boxes = _concatenate([d.boxes for d in found], np.float32).reshape(-1)
    return {
        "height": pa.array([d.height for d in found], pa.int32()),
        "width": pa.array([d.width for d in found], pa.int32()),
        "boxes": pa.ListArray.from_arrays(offsets, pa.FixedSizeListArray.from_arrays(pa.array(boxes), 4)),
        "scores": pa.ListArray.from_arrays(offsets, pa.array(_concatenate([d.scores for d in found], np.float32))),
        "category_ids": pa.ListArray.from_arrays(offsets, pa.array(_concatenate([d.category_ids for d in found], np.int32))),
    }


def _instance_columns(predictions: Sequence[Prediction]) -> dict[str, pa.Array]:
    columns = _detection_columns(predictions)
    counts = [mask for p in predictions if isinstance(p.response, Detections) for mask in p.response.masks or []]
    columns["masks"] = pa.ListArray.from_arrays(columns["scores"].offsets, pa.array(counts, pa.binary()))
    return columns


def _segmentation_columns(predictions: Sequence[Prediction]) -> dict[str, pa.Array]:
    maps = [p.response for p in predictions if isinstance(p.response, Segmentation)]
    assert len(maps) == len(predictions)
    return {
        "height": pa.array([m.height for m in maps], pa.int32()),
        "width": pa.array([m.width for m in maps], pa.int32()),
        "category_ids": pa.array([m.category_ids for m in maps], pa.list_(pa.int32())),
        "masks": pa.array([m.masks for m in maps], pa.list_(pa.binary())),
    }


_COLUMNS: dict[Task, Callable[[Sequence[Prediction]], dict[str, pa.Array]]] = {
    "cls": _classification_columns,
    "det": _detection_columns,
    "ins": _instance_columns,
    "seg": _segmentation_columns,
}
"""The function that makes a task's columns from predictions."""


def _concatenate(arrays: list[NDArray[np.generic]], dtype: type) -> NDArray[np.generic]:
    return np.concatenate(arrays).astype(dtype, copy=False) if arrays else np.empty(0, dtype)


def iterate_detections(table: pa.Table) -> list[Detections]:
    """Return the rows of a det or ins responses table as :class:`Detections`, in row order.

    Raises:
        InvalidResponsesError: numbers are missing.
    """
    table = table.combine_chunks()
    if not table.num_rows:
        return []
    chunk = {name: table.column(name).chunk(0) for name in table.column_names}
    try:
        offsets = chunk["scores"].offsets.to_numpy()
        boxes = chunk["boxes"].values.values.to_numpy().reshape(-1, 4)
        scores = chunk["scores"].values.to_numpy()
        categories = chunk["category_ids"].values.to_numpy()
        heights, widths = chunk["height"].to_numpy(), chunk["width"].to_numpy()
    except pa.ArrowInvalid:
        raise InvalidResponsesError("Responses lack numbers: 'miqd verify' names the damaged part.") from None
    masks = chunk["masks"].values.to_pylist() if "masks" in chunk else None
    rows = []
    for row, (start, stop) in enumerate(itertools.pairwise(offsets)):
        rows.append(
            Detections(
                int(heights[row]),
                int(widths[row]),
                boxes[start:stop],
                scores[start:stop],
                categories[start:stop],
                None if masks is None else masks[start:stop],
            )
        )
    return rows


def detection_batch(table: pa.Table, *, masks: bool) -> DetectionBatch:
    """Return the rows of a det or ins responses table, at least one and all of one image size, as a batch.

    Args:
        table: the responses.
        masks: take the masks too, of task ins.
    """
    names = ["boxes", "scores", "category_ids", *(["masks"] if masks else [])]
    chunk = {name: table[name].combine_chunks() for name in names}
    offsets = chunk["scores"].offsets.to_numpy().astype(np.int64)
    return DetectionBatch(
        height=table["height"][0].as_py(),
        width=table["width"][0].as_py(),
        offsets=offsets - offsets[0],
        boxes=chunk["boxes"].flatten().flatten().to_numpy().reshape(-1, 4).astype(np.float64),
        scores=chunk["scores"].flatten().to_numpy().astype(np.float64),
        category_ids=chunk["category_ids"].flatten().to_numpy().astype(np.int64),
        masks=chunk["masks"].flatten().to_pylist() if masks else None,
    )


def iterate_segmentations(table: pa.Table) -> list[Segmentation]:
    """Return the rows of a seg responses table as :class:`Segmentation`, in row order."""
    columns = (table[name].to_pylist() for name in ("height", "width", "category_ids", "masks"))
    return [Segmentation(h, w, np.array(ids, np.int32), masks) for h, w, ids, masks in zip(*columns, strict=True)]
