"""Checks of responses before they are scored: another tool may have written them, or they may belong to another run.

The checks work on whole columns, at a fraction of the cost of scoring, and name the first row that breaks the contract.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from miqd_builder.errors import InvalidResponsesError
from miqd_builder.responses import MAX_DETECTIONS
from miqd_builder.tables.responses import TOP
from miqd_builder.tables.schema import RESPONSES
from miqd_builder.tasks import Task

Size = tuple[int, int]
Problem = tuple[NDArray[np.integer], str]
"""Rows that share a problem, and what it is."""

ROUNDING = 1e-4
"""How far five float32 probabilities may sum above 1."""


def check_responses(task: Task, responses: pa.Table, sizes: Mapping[str, Size | None], degradations: Collection[str]) -> None:
    """Refuse responses that can't be scored.

    Args:
        task: cls, det, ins or seg.
        responses: one model's responses.
        sizes: the part's sources, each with the height and width of its variants in pixels (None: not known).
        degradations: names that the run knows, ``original`` among them.

    Raises:
        InvalidResponsesError: names the first bad row and what is wrong with it.
    """
    if not responses.schema.equals(RESPONSES[task]):
        raise InvalidResponsesError(f"has the columns {_columns(responses.schema)}, expected {_columns(RESPONSES[task])}")
    for rows, problem in _problems(task, responses, sizes, degradations):
        if len(rows):
            row = int(rows.min())
            source_id, degradation = responses["source_id"][row].as_py(), responses["degradation"][row].as_py()
            raise InvalidResponsesError(f"row {row} (source '{source_id}', degradation '{degradation}') {problem}")


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def _problems(
    task: Task, responses: pa.Table, sizes: Mapping[str, Size | None], degradations: Collection[str]
) -> Iterator[Problem]:
    """All checks, each only after those that it relies on."""
    table = responses.combine_chunks()
    for name in table.column_names:
        if name != "target_prob":
            yield _null_rows(table[name].combine_chunks()), f"has an empty {name}"
    yield from _keys(table, sizes, degradations)
    if task == "cls":
        yield from _probabilities(table)
        return
    yield from _image_sizes(table, sizes)
    yield from _lengths(table)
    if task in ("det", "ins"):
        yield from _boxes(table)
    if task in ("ins", "seg"):
        yield from _masks(table)


def _keys(table: pa.Table, sizes: Collection[str], degradations: Collection[str]) -> Iterator[Problem]:
    known = pc.is_in(table["source_id"], value_set=pa.array(list(sizes), pa.string())).to_numpy()
    yield np.flatnonzero(~known), "is of a source that the part doesn't hold: the responses are of another image set"
    known = pc.is_in(table["degradation"], value_set=pa.array(list(degradations), pa.string())).to_numpy()
    yield np.flatnonzero(~known), "is of a degradation that the run doesn't hold: the responses are of another run"
    sources, names = (table[name].combine_chunks().dictionary_encode() for name in ("source_id", "degradation"))
    keys = sources.indices.to_numpy().astype(np.int64) * len(names.dictionary) + names.indices.to_numpy()
    first = np.zeros(len(keys), bool)
    first[np.unique(keys, return_index=True)[1]] = True
    yield np.flatnonzero(~first), "is there twice"


def _probabilities(table: pa.Table) -> Iterator[Problem]:
    ids, probabilities = (_flat(table[name]).reshape(-1, TOP) for name in ("top_ids", "top_probs"))
    wrong = ~((probabilities >= 0) & (probabilities <= 1)).all(axis=1)
    yield np.flatnonzero(wrong), "has top_probs outside [0, 1]"
    yield np.flatnonzero(probabilities.sum(axis=1) > 1 + ROUNDING), "has top_probs that sum to more than 1"
    yield np.flatnonzero((np.diff(probabilities, axis=1) > 0).any(axis=1)), "has top_probs that are not by falling probability"
    ordered = np.sort(ids, axis=1)
    twice = ((np.diff(ordered, axis=1) == 0) & (ordered[:, 1:] >= 0)).any(axis=1)
    yield np.flatnonzero(twice), "has a class twice in top_ids"
    target = table["target_prob"].to_numpy()
    known = ~table["target_prob"].is_null().to_numpy()
    yield np.flatnonzero(known & ~((target >= 0) & (target <= 1))), "has a target_prob outside [0, 1]"


def _image_sizes(table: pa.Table, sizes: Mapping[str, Size | None]) -> Iterator[Problem]:
    sources = table["source_id"].combine_chunks().dictionary_encode()
    known = [sizes[source_id] for source_id in sources.dictionary.to_pylist()]
    wanted = np.array([size or (-1, -1) for size in known], np.int64).reshape(-1, 2)[sources.indices.to_numpy()]
    height, width = table["height"].to_numpy(), table["width"].to_numpy()
    wrong = np.flatnonzero((wanted[:, 0] >= 0) & ((height != wanted[:, 0]) | (width != wanted[:, 1])))
    if wrong.size:
        h, w = wanted[wrong[0]]
        yield wrong, f"is for an image of {width[wrong[0]]}x{height[wrong[0]]} pixels, expected {w}x{h}"


def _lengths(table: pa.Table) -> Iterator[Problem]:
    lists = [name for name in ("boxes", "scores", "category_ids", "masks") if name in table.column_names]
    counts = {name: pc.list_value_length(table[name]).to_numpy() for name in lists}
    expected = counts["category_ids"]
    for name, found in counts.items():
        yield np.flatnonzero(found != expected), f"has unequal numbers of {name} and category_ids"
    if "scores" in counts:
        yield np.flatnonzero(expected > MAX_DETECTIONS), f"has more than {MAX_DETECTIONS} detections"


def _boxes(table: pa.Table) -> Iterator[Problem]:
    counts = pc.list_value_length(table["scores"]).to_numpy()
    row_of = np.repeat(np.arange(len(counts)), counts)
    scores, boxes = _flat(table["scores"]), _flat(table["boxes"]).reshape(-1, 4)
    wrong = np.flatnonzero(~((scores >= 0) & (scores <= 1)))
    if wrong.size:
        yield row_of[wrong], f"has the score {scores[wrong[0]]:.6g}, expected [0, 1]"
    x1, y1, x2, y2 = boxes.T
    height, width = table["height"].to_numpy()[row_of], table["width"].to_numpy()[row_of]
    # NaN fails every comparison.
    inside = (x1 >= 0) & (y1 >= 0) & (x2 > x1) & (y2 > y1) & (x2 <= width) & (y2 <= height)
    wrong = np.flatnonzero(~inside)
    if wrong.size:
        box = ", ".join(f"{value:.6g}" for value in boxes[wrong[0]])
        size = f"{width[wrong[0]]}x{height[wrong[0]]}"
        yield row_of[wrong], f"has the box ({box}), expected x1 < x2 and y1 < y2 inside the image of {size} pixels"


def _masks(table: pa.Table) -> Iterator[Problem]:
    from miqd_builder.responses.run_lengths import pixels_of_masks  # numba: not for a run of classifiers

    counts = pc.list_value_length(table["masks"]).to_numpy()
    row_of = np.repeat(np.arange(len(counts)), counts)
    masks = table["masks"].combine_chunks().flatten()
    _, offsets, text = masks.buffers()
    ends = np.frombuffer(offsets, np.int32)[masks.offset : masks.offset + len(masks) + 1].astype(np.int64)
    total, inside = pixels_of_masks(np.frombuffer(text, np.uint8) if text else np.empty(0, np.uint8), ends)
    pixels = (table["height"].to_numpy().astype(np.int64) * table["width"].to_numpy())[row_of]
    yield row_of[total < 0], "has a mask that is no COCO run lengths"
    yield row_of[total != pixels], "has a mask of another size than its image"
    yield row_of[inside == 0], "has a mask without a pixel"


def _null_rows(array: pa.Array) -> NDArray[np.integer]:
    """Rows that are null, or hold a null at any depth."""
    rows = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))
    if not pa.types.is_nested(array.type):
        return rows
    parents = pc.list_parent_indices(array).to_numpy()
    return np.concatenate([rows, parents[_null_rows(pc.list_flatten(array))]])


def _flat(column: pa.ChunkedArray) -> NDArray[Any]:
    flat = column.combine_chunks().flatten()
    while not pa.types.is_primitive(flat.type):
        flat = flat.flatten()
    return flat.to_numpy(zero_copy_only=False)
