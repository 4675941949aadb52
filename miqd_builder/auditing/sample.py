"""A stated part of a run, for statistics that have to look at every row at once, or at every response."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from miqd_builder.auditing.resampling import Floats
from miqd_builder.auditing.task_rows import TaskFacts
from miqd_builder.labeling.aggregation import LabelRows
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import joined, read_parts


@dataclass(frozen=True)
class Sample:
    """Some source images of a task.

    Attributes:
        parts: file names of the parts that hold them, sorted.
        source_ids: sorted; the index of a source is its place.
        text: how they were chosen; None where they are all.
    """

    parts: tuple[str, ...]
    source_ids: tuple[str, ...]
    text: str | None


def draw_sample(folder: RunFolder, facts: TaskFacts, *, most_sources: int, seed: int) -> Sample:
    """Choose source images: those of the first parts in the order of a hash, and of these the first in the order of a hash.

    Args:
        folder: the run folder.
        facts: of the task.
        most_sources: number of sources, at least 2 are taken.
        seed: of the hash.
    """
    wanted = max(2, most_sources)
    sources = len(facts.source_ids)
    if wanted >= sources:
        return Sample(tuple(sorted(_file(name) for name in facts.parts)), facts.source_ids, None)
    order = sorted(facts.parts, key=lambda name: _hash(seed, name))
    taken: list[str] = []
    ids: set[str] = set()
    for name in order:
        taken.append(name)
        (table,) = read_parts(folder, [name], ["source_id"])
        ids.update(table["source_id"].unique().to_pylist())
        if len(ids) >= wanted:
            break
    chosen = sorted(sorted(ids, key=lambda source_id: _hash(seed, source_id))[:wanted])
    text = f"{len(chosen)} of {sources} source images, of {len(taken)} of {len(facts.parts)} parts, by a hash with seed {seed}"
    return Sample(tuple(sorted(_file(name) for name in taken)), tuple(chosen), text)


def score_matrix(
    folder: RunFolder, facts: TaskFacts, sample: Sample, names: Sequence[str]
) -> tuple[np.ndarray, dict[str, Floats]]:
    """Return the scores of every degraded image of a sample by every model.

    Args:
        folder: the run folder.
        facts: of the task.
        sample: which sources.
        names: columns of scores.

    Returns:
        the place of each row's source in the sample, int64 ``(rows,)``, and float64 ``(rows, models)`` by column; NaN where a
        model has no score.

    Raises:
        StoreError: a part is damaged.
    """
    parts = [f"labels/task={facts.task}/{file}" for file in sample.parts]
    labels = joined(read_parts(folder, parts, ["source_id", "degradation"]))
    labels = labels.filter(pa.compute.is_in(labels["source_id"], value_set=pa.array(sample.source_ids)))
    rows = LabelRows(labels)
    columns = {name: np.full((labels.num_rows, len(facts.models)), np.nan) for name in names}
    for index, model in enumerate(facts.models):
        folder_of = f"scores/task={facts.task}/model={model}"
        there = [f"{folder_of}/{file}" for file in sample.parts if folder.exists(f"{folder_of}/{file}")]
        for part in read_parts(folder, there, ["source_id", "degradation", *names]):
            found, places = rows.of(part)
            for name in names:
                columns[name][places, index] = part[name].to_numpy()[found]
    place = {source_id: index for index, source_id in enumerate(sample.source_ids)}
    return np.array([place[source_id] for source_id in labels["source_id"].to_pylist()], np.int64), columns


def _file(name: str) -> str:
    return name.rsplit("/", 1)[1]


def _hash(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed} {text}".encode()).hexdigest()
