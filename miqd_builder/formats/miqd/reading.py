"""Published label files of one source image, read into a labels table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import degradations
from miqd_builder.errors import ConfigError
from miqd_builder.formats.labels import labels_table
from miqd_builder.formats.miqd.published import (
    AP_COLUMNS,
    CLS_COLUMNS,
    IMAGE_COLUMN,
    MODEL_PREFIX,
    label_files,
    split_image_name,
)
from miqd_builder.labeling.aggregation import mean_and_std
from miqd_builder.tasks import Task

NO_GROUND_TRUTH = -1.0
"""What COCOeval reports as AP where there is nothing to find."""

_NOT_MODELS = {"AP_weighted_avg", "AP_avg", "AP_mean", "AP_std"}


def read_labels(task: Task, folder: Path, name: str) -> pa.Table:
    """Read the labels of one source image.

    Means and standard deviations of det and ins come from the ``AP_<model>`` columns; ``psnr`` stays empty, and so does
    ``n_models`` where there are no such columns.

    Args:
        task: cls, det or ins.
        folder: the folder ``labels``.
        name: the source's name in file names.

    Raises:
        ConfigError: a file is missing or malformed, a name is unknown, a value is outside 0..1, the files of the two
            measures list other images; the message names file and row.
    """
    files = {kind: folder / file for kind, file in label_files(task, name).items()}
    tables = {kind: _read_csv(path) for kind, path in files.items()}
    key = IMAGE_COLUMN[task]
    kinds = list(files)
    images = _images(tables[kinds[0]], key, files[kinds[0]])
    names = _split(task, name, images, files[kinds[0]])
    for kind in kinds[1:]:
        _check_same_images(images, _images(tables[kind], key, files[kind]), files[kinds[0]], files[kind])
    if task == "cls":
        columns = {ours: _values(tables["mmos"], theirs, files["mmos"]) for theirs, ours in CLS_COLUMNS.items()}
    else:
        columns = _ap_columns(tables, files)
    columns["composite"] = 0.5 * columns["consistency_weighted"] + 0.5 * columns["accuracy_weighted"]
    return labels_table(task, names, columns)


def _read_csv(path: Path) -> pa.Table:
    from pyarrow import csv

    names = csv.ConvertOptions(column_types={"dist_images": pa.string(), "filename": pa.string()})
    try:
        data = path.read_bytes()
        data.decode()
        # One thread: errors then say which row.
        return csv.read_csv(pa.BufferReader(data), csv.ReadOptions(use_threads=False), convert_options=names)
    except FileNotFoundError:
        raise ConfigError(f"Label file '{path}' is missing: it belongs to the others of its source.") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ConfigError(f"Label file '{path}' can't be read: {' '.join(str(error).split())}.") from None


def _images(table: pa.Table, key: str, path: Path) -> list[str]:
    if key not in table.column_names:
        raise ConfigError(f"Label file '{path}' has no column '{key}': its columns are {', '.join(table.column_names)}.")
    return [PurePosixPath(image or "").name for image in table[key].to_pylist()]


def _check_same_images(one: list[str], other: list[str], path: Path, other_path: Path) -> None:
    if one == other:
        return
    row = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    raise ConfigError(
        f"'{path.name}' and '{other_path.name}' in '{path.parent}' list other images from row {row + 2} on: they are joined by "
        "position and must have the same rows."
    )


def _split(task: Task, name: str, images: list[str], path: Path) -> list[tuple[str, str]]:
    """Source id and degradation of each image."""
    found: dict[tuple[str, str], None] = {}
    for number, image in enumerate(images, start=2):
        parts = split_image_name(task, name, image)
        if parts is None:
            raise ConfigError(f"Label file '{path}', row {number}: '{image}' is no degraded image of '{name}' (a .png).")
        try:
            degradations.parse(parts[1])
        except degradations.UnknownDegradationError as error:
            raise ConfigError(f"Label file '{path}', row {number}: {error} Further distortions need --plugin.") from None
        if parts in found:
            raise ConfigError(f"Label file '{path}', row {number}: '{image}' is listed twice; keep one of the rows.")
        found[parts] = None
    return list(found)


def _values(table: pa.Table, name: str, path: Path) -> NDArray[np.float64]:
    """A column's values, NaN where there is none."""
    if name not in table.column_names:
        raise ConfigError(f"Label file '{path}' has no column '{name}': its columns are {', '.join(table.column_names)}.")
    try:
        values = table[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid as error:
        raise ConfigError(f"Label file '{path}', column '{name}' must hold numbers ({error}).") from None
    values = np.where(values == NO_GROUND_TRUTH, np.nan, values)
    wrong = np.flatnonzero((values < 0) | (values > 1))
    if len(wrong):
        row = int(wrong[0])
        raise ConfigError(f"Label file '{path}', row {row + 2}: {name} is {values[row]:g}, expected 0..1.")
    return values


def _ap_columns(tables: Mapping[str, pa.Table], files: Mapping[str, Path]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for measure, table in tables.items():
        rows = table.num_rows
        for theirs, ours in AP_COLUMNS.items():
            there = theirs == "AP_weighted_avg" or theirs in table.column_names
            columns[ours.format(measure)] = _values(table, theirs, files[measure]) if there else np.full(rows, math.nan)
        models = [c for c in table.column_names if c.startswith(MODEL_PREFIX) and c not in _NOT_MODELS]
        matrix = np.array([_values(table, model, files[measure]) for model in models]).reshape(len(models), rows)
        columns[f"{measure}_mean"], columns[f"{measure}_std"] = mean_and_std(matrix)
        if models and measure == "consistency":
            columns["n_models"] = (~np.isnan(matrix)).sum(axis=0).tolist()
    return columns
