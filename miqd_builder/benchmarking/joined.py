"""The labels of a task with the values of measures on the same rows, joined by source and degradation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.benchmarking.baselines import DEGRADATION_MEAN, degradation_mean
from miqd_builder.benchmarking.directions import BYTES, PSNR, known_measures
from miqd_builder.correlation.pairs import Floats
from miqd_builder.errors import ConfigError, StoreError, did_you_mean
from miqd_builder.labeling.aggregation import LabelRows
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import joined, part_names, read_parts

LABELS = {"consistency": "consistency_weighted", "accuracy": "accuracy_weighted", "composite": "composite"}
"""Column of ``labels`` that each label is."""

_IDENTITY = [
    "source_id",
    "degradation",
    "distortion",
    "category",
    "region",
    "roi_severity",
    "bg_severity",
    "n_models",
    "recipe",
]
_KEY = ["source_id", "degradation"]


@dataclass(frozen=True)
class TaskTable:
    """Labels and measures of one task; row i of everything is the same degraded image.

    Attributes:
        task: cls, det, ins or seg.
        rows: what the images are: source, degradation and its parts, number of models, recipe.
        labels: float64 ``(rows,)`` by label; NaN where there is none.
        measures: float64 ``(rows,)`` by measure; NaN where there is none.
        baselines: ``degradation_mean`` of each label, over all other sources of the run, float64 ``(rows,)``.
    """

    task: str
    rows: pa.Table
    labels: dict[str, Floats]
    measures: dict[str, Floats]
    baselines: dict[str, Floats]

    def of_sources(self, source_ids: Iterable[str]) -> TaskTable:
        """Return the rows of some sources."""
        import pyarrow.compute as pc

        kept = pc.is_in(self.rows["source_id"], value_set=pa.array(sorted(source_ids), pa.string())).to_numpy()
        columns = ({k: v[kept] for k, v in group.items()} for group in (self.labels, self.measures, self.baselines))
        return TaskTable(self.task, self.rows.filter(pa.array(kept)), *columns)

    @property
    def source_of(self) -> NDArray[np.int32]:
        """Index of each row's source among the sorted source ids, int32 ``(rows,)``."""
        return codes(self.rows["source_id"])


def read_task(folder: RunFolder, task: str, measures: Sequence[str]) -> TaskTable:
    """Read the labels of a task and join measures to them; rows of a measure that no label has are left out.

    Args:
        folder: the run folder.
        task: cls, det, ins or seg.
        measures: names from :func:`chosen_measures`.

    Raises:
        StoreError: there are no labels, or a part is damaged.
    """
    names = part_names(folder, "labels", task=task)
    table = joined(read_parts(folder, names, [*_IDENTITY, *LABELS.values(), PSNR]))
    place = LabelRows(table)
    labels = {label: _floats(table[column]) for label, column in LABELS.items()}
    values = {measure: _measure(folder, measure, table, place) for measure in measures}
    degradation_of = codes(table["degradation"])
    baselines = {label: degradation_mean(column, degradation_of) for label, column in labels.items()}
    return TaskTable(task, table.select(_IDENTITY), labels, values, baselines)


def chosen_measures(folder: RunFolder, wanted: Sequence[str] | None) -> list[str]:
    """Return the measures to compare: those asked for, or all with values; always ``bytes`` where it has values.

    ``degradation_mean`` may be asked for, and is in every benchmark anyway: it isn't among the names returned.

    Raises:
        ConfigError: a measure is unknown; names the nearest.
        StoreError: a measure has no values in this run.
    """
    there = measured(folder)
    have = list(dict.fromkeys([PSNR, *there]))
    if not wanted:
        return have
    known = list(dict.fromkeys([*known_measures(), *have, DEGRADATION_MEAN]))
    for name in wanted:
        if name not in known:
            raise ConfigError(
                f"Unknown measure '{name}': expected one of {', '.join(known)}.{did_you_mean(name, known)}",
            )
        if name not in have and name != DEGRADATION_MEAN:
            raise StoreError(
                f"'{folder.url}' has labels but no values of measure '{name}': run 'miqd measure --measures {name}' first. "
                f"It has {', '.join(have)}."
            )
    always = [BYTES] if BYTES in there else []
    return [name for name in dict.fromkeys([*wanted, *always]) if name != DEGRADATION_MEAN]


def measured(folder: RunFolder) -> list[str]:
    """Return the measures that have a table of their own, sorted."""
    return sorted({name.split("/")[1].removeprefix("measure=") for name in folder.list("measures/measure=*/*.parquet")})


def codes(column: pa.ChunkedArray) -> NDArray[np.int32]:
    """Return the place of each text of a column among its sorted different ones, int32 ``(rows,)``."""
    encoded = column.combine_chunks().dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    rank = np.empty(len(texts), np.int32)
    rank[np.array(sorted(range(len(texts)), key=texts.__getitem__), np.int64)] = np.arange(len(texts))
    return np.asarray(rank[encoded.indices.to_numpy()], np.int32)


def _measure(folder: RunFolder, measure: str, labels: pa.Table, place: LabelRows) -> Floats:
    """Values of a measure by label row, from its own table or, of PSNR, from ``variants``, or beside imported labels."""
    column = "value"
    names = folder.list(f"measures/measure={measure}/*.parquet")
    if not names and measure == PSNR:
        column, names = PSNR, folder.list("variants/*.parquet")
        if not names:
            return _floats(labels[PSNR])
    return placed(read_parts(folder, names, [*_KEY, column]), column, place, labels.num_rows)


def placed(parts: Iterator[pa.Table], column: str, place: LabelRows, rows: int) -> Floats:
    """Return a column of a table by label row, float64 ``(rows,)``; NaN where the table has no such row or a null."""
    values = np.full(rows, np.nan)
    for part in parts:
        found, places = place.of(part)
        values[places] = _floats(part[column])[found]
    return values


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.to_numpy(), np.float64)
