"""Published label files from our tables, as bytes: numbers in the shortest form that reads back as the same number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

import pyarrow as pa

from miqd_builder.formats.miqd.published import AP_COLUMNS, CLS_COLUMNS, IMAGE_COLUMN, MEASURES, MODEL_PREFIX
from miqd_builder.tables.schema import image_path

SPLIT_COLUMNS = {"cls": ("Image Name", "Category", "Quality Score"), "det": ("Image Index",), "ins": ("Image Index",)}


def label_csvs(task: str, labels: pa.Table, scores: Mapping[str, pa.Table]) -> dict[str, bytes]:
    """Return the label files of one source image, by kind as in :func:`.published.label_files`.

    Args:
        task: cls, det or ins.
        labels: label rows of the source.
        scores: of each model, the score rows of the same degraded images in the same order; empty for cls.
    """
    ids, names = labels["source_id"].to_pylist(), labels["degradation"].to_pylist()
    paths = [image_path(source_id, name) for source_id, name in zip(ids, names, strict=True)]
    if task == "cls":
        columns = {IMAGE_COLUMN[task]: pa.array(paths, pa.string())}
        columns |= {name: labels[column] for name, column in CLS_COLUMNS.items()}
        return {"mmos": csv_bytes(pa.table(columns))}
    files = {}
    for measure in MEASURES:
        columns = {IMAGE_COLUMN[task]: pa.array([PurePosixPath(path).name for path in paths], pa.string())}
        columns |= {name: labels[column.format(measure)] for name, column in AP_COLUMNS.items()}
        columns |= {f"{MODEL_PREFIX}{model}": table[measure] for model, table in scores.items()}
        files[measure] = csv_bytes(pa.table(columns))
    return files


def csv_bytes(table: pa.Table) -> bytes:
    """Return a table as CSV; missing values are empty fields."""
    from pyarrow import csv as arrow_csv

    buffer = io.BytesIO()
    buffer.write(_lines([table.column_names]))
    arrow_csv.write_csv(table, buffer, arrow_csv.WriteOptions(include_header=False))
    return buffer.getvalue()


def split_csv(task: str, rows: Iterable[Sequence[object]]) -> bytes:
    """Return a train or val split in the columns of the task (:data:`SPLIT_COLUMNS`)."""
    return _lines([SPLIT_COLUMNS[task], *rows])


def _lines(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
