"""The format for the registry: ``meta_info_<task>_<label>.csv``, and images in ``cls/`` and ``det/`` (ins shares those of det).

Columns are by position what pyiqa's readers for full-reference data sets take: name of the reference below ``dataroot_ref``
(``det/originals``), name of the degraded image below ``dataroot_target`` (``det/images``), mean opinion score. ``std`` and
``split`` (train, val, test; ``split_index: split``) follow.
"""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

import degradations
from miqd_builder.errors import ConfigError
from miqd_builder.formats.contract import ExportedRun, Format, ImagePlaces, Reader, Sources, Writer
from miqd_builder.formats.labels import labels_table
from miqd_builder.sources import SourceImage
from miqd_builder.tables.schema import image_path
from miqd_builder.tables.splits import split_sources
from miqd_builder.tasks import TASKS, Task

COLUMNS = ("ref_name", "dist_name", "mos", "std", "split")
SCORES = {
    "consistency": ("consistency_weighted", "consistency_std"),
    "accuracy": ("accuracy_weighted", "accuracy_std"),
    "composite": ("composite", None),
}
"""Columns of the labels that are the score and its standard deviation over the models; none is kept of the composite."""
_SPLITS = {"train": "train", "validation": "val", "test": "test"}

Values = dict[tuple[str, str], tuple[float | None, float | None]]


def meta_file(task: str, label: str) -> str:
    """Return the name of the file of one label of a task."""
    return f"meta_info_{task}_{label}.csv"


def _original(task: Task, image: SourceImage) -> str:
    return f"{_tree(task)}/originals/{_reference(image)}"


def _reference(image: SourceImage) -> str:
    return f"{image.source_id}{image.path.suffix.lower()}"


def _degraded(task: Task, source_id: str, degradation: str) -> str:
    return f"{_tree(task)}/images/{image_path(source_id, degradation)}"


def _tree(task: Task) -> str:
    """Folder of a task's images."""
    return "det" if task == "ins" else task


def _images_record(task: Task) -> str:
    return f"{_tree(task)}/images.json"


def _run_files(run: ExportedRun) -> Mapping[str, bytes | Path]:
    """One file a label: rows without a value, such as accuracy without ground truth, are left out."""
    everything = [source_id for part in run.record.parts for source_id in part]
    split_of = {i: _SPLITS[name] for name, ids in split_sources(everything, seed=run.split_seed).items() for i in ids}
    texts = {label: io.StringIO() for label in SCORES}
    writers = {label: csv.writer(text, lineterminator="\n") for label, text in texts.items()}
    for writer in writers.values():
        writer.writerow(COLUMNS)
    for table in run.labels():
        for row in table.to_pylist():
            source_id = row["source_id"]
            names = _reference(run.images[source_id]), image_path(source_id, row["degradation"])
            for label, (score, spread) in SCORES.items():
                if row[score] is not None:
                    std = row[spread] if spread else None
                    writers[label].writerow([*names, repr(row[score]), "" if std is None else repr(std), split_of[source_id]])
    return {meta_file(run.task, label): text.getvalue().encode() for label, text in texts.items()}


def _tasks_in(folder: Path) -> list[Task]:
    return [task for task in TASKS if (folder / meta_file(task, "consistency")).is_file()]


def _sources(folder: Path, task: Task) -> Sources:
    """Every source has its labels in the same files."""
    files = tuple(file for label in SCORES if (file := folder / meta_file(task, label)).is_file())
    if not files or files[0].name != meta_file(task, "consistency"):
        raise ConfigError(f"'{folder}' has no '{meta_file(task, 'consistency')}': give the folder of the published data set.")
    return dict.fromkeys(sorted({source_id for source_id, _ in _read(files[0])}), files)


def _labels(task: Task, sources: Sources) -> pa.Table:
    files = {file.name: file for found in sources.values() for file in found}
    tables = {label: _read(files[name]) if (name := meta_file(task, label)) in files else {} for label in SCORES}
    keys = [key for key in tables["consistency"] if key[0] in sources]
    keys.sort(key=lambda key: key[0])
    columns: dict[str, Any] = {}
    for label, (score, spread) in SCORES.items():
        pairs = [tables[label].get(key, (None, None)) for key in keys]
        columns[score] = np.array([value for value, _ in pairs], np.float64)
        if spread:
            columns[spread] = np.array([std for _, std in pairs], np.float64)
    return labels_table(task, keys, columns)


def _read(file: Path) -> Values:
    return _parsed(file, file.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _parsed(file: Path, changed: int) -> Values:
    """Score and spread by source and degradation; the time of the last change makes another file count."""
    found: Values = {}
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"Label file '{file}' can't be read ({error}).") from None
    for number, row in enumerate(rows, start=2):
        where = f"Label file '{file}', row {number}"
        key = _key(row.get("dist_name") or "", where)
        if key in found:
            raise ConfigError(f"{where}: '{row['dist_name']}' is listed twice; keep one of the rows.")
        try:
            found[key] = _number(row["mos"]), _number(row["std"])
        except (KeyError, ValueError, TypeError) as error:
            raise ConfigError(f"{where}: mos and std must be numbers ({error}).") from None
        if not 0 <= (found[key][0] or 0.0) <= 1:
            raise ConfigError(f"{where}: mos is {found[key][0]}, expected 0..1.")
    return found


def _key(name: str, where: str) -> tuple[str, str]:
    """Source id and degradation of ``<id>/<id>_<degradation>.png``."""
    path = PurePosixPath(name)
    source_id = path.parent.name
    degradation = path.name.removeprefix(f"{source_id}_").removesuffix(".png")
    if not source_id or image_path(source_id, degradation) != name:
        raise ConfigError(f"{where}: '{name}' is no degraded image: expected <id>/<id>_<degradation>.png.")
    try:
        degradations.parse(degradation)
    except degradations.UnknownDegradationError as error:
        raise ConfigError(f"{where}: {error} Further distortions need --plugin.") from None
    return source_id, degradation


def _number(text: str) -> float | None:
    return float(text) if text else None


PYIQA = Format(
    "pyiqa",
    TASKS,
    Reader(_tasks_in, _sources, _labels),
    Writer(_run_files, images=ImagePlaces(_images_record, _original, _degraded)),
)
