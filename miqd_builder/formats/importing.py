"""Published labels into a run folder that audit and compare read like any other."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

import pyarrow as pa

import degradations
from miqd_builder.errors import ConfigError
from miqd_builder.formats.published import IMAGE_COLUMN, check_published_task, label_files, split_image_name, tree
from miqd_builder.formats.reading import RECIPE, read_labels
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.lineage import ImportedLabelsLineage
from miqd_builder.store.parts import is_done, read_footer, read_part, write_part
from miqd_builder.store.record import CommandRecord, RunRecord
from miqd_builder.store.schema import table_path
from miqd_builder.tasks import check_task

SOURCES_PER_PART = 100

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows a title and a total; gives the function that counts."""


def import_published(source: Path, folder: RunFolder, task: str, *, progress: Progress) -> int:
    """Read published labels of one task into ``labels/`` of a run folder and return the number of rows.

    Several tasks may share a run folder. Parts whose files haven't changed are kept.

    Args:
        source: the folder that holds ``miqa_<task>``, or that folder itself.
        folder: a new run folder, or one that holds imported labels.
        task: cls, det or ins.
        progress: shows how many sources are done.

    Raises:
        ConfigError: there are no labels, the run folder holds another run, or a file is malformed.
    """
    labels = _labels_folder(source, check_published_task(task))
    record = _record(folder)
    name_of = {_source_id(labels, task, name): name for name in _source_names(labels, task)}
    record.assign(sorted(name_of), SOURCES_PER_PART)
    rows, found = 0, set(record.degradations)
    with progress(f"import {task}", len(name_of)) as count:
        for number, ids in enumerate(record.parts):
            names = [name_of[source_id] for source_id in ids if source_id in name_of]
            if not names:
                folder.remove(table_path("labels", number, task=task))
                continue
            table = _import_part(labels, folder, task, number, names)
            rows += table.num_rows
            found |= set(table["degradation"].unique().to_pylist())
            count(len(names))
    order = {name: place for place, name in enumerate(degradations.names())}
    record.degradations = sorted(found, key=lambda name: (order.get(name, len(order)), name))
    record.note(CommandRecord("import", check_task(task), {"format": "miqd", "labels": str(labels.resolve())}))
    record.write(folder)
    return rows


def _labels_folder(source: Path, task: str) -> Path:
    for folder in (source / tree(task) / "labels", source / "labels"):
        if folder.is_dir():
            return folder
    raise ConfigError(f"'{source}' holds neither '{tree(task)}/labels' nor 'labels': give the folder of the published labels.")


def _source_names(labels: Path, task: str) -> list[str]:
    """What the sources are called in file names, from the names of their first label files."""
    suffix = next(iter(label_files(task, "").values()))
    names = sorted(path.name.removesuffix(suffix) for path in labels.iterdir() if path.name.endswith(suffix))
    if not names:
        raise ConfigError(f"'{labels}' holds no '*{suffix}': these are no labels of task {task} in the published form.")
    return names


def _source_id(labels: Path, task: str, name: str) -> str:
    """The source's id, from the first image of its first label file; a file that says nothing is refused when it is read."""
    path = labels / next(iter(label_files(task, name).values()))
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        first = next(csv.DictReader(file), None) or {}
    parts = split_image_name(task, name, PurePosixPath(first.get(IMAGE_COLUMN[task]) or "").name)
    return parts[0] if parts else name


def _record(folder: RunFolder) -> RunRecord:
    record = RunRecord.load(folder)
    if record is None:
        return RunRecord(seed=0, images="none", roi=RECIPE, degradations=[])
    if record.roi != RECIPE:
        raise ConfigError(f"Run folder '{folder.url}' holds a run of its own: import into another --out.")
    return record


def _import_part(labels: Path, folder: RunFolder, task: str, number: int, names: list[str]) -> pa.Table:
    files = [labels / file for name in names for file in label_files(task, name).values()]
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()}
    lineage = ImportedLabelsLineage(format="miqd", task=check_task(task), files=hashes)
    part = table_path("labels", number, task=task)
    if is_done(read_footer(folder, part), lineage):
        return read_part(folder, part)
    table = pa.concat_tables([read_labels(task, labels, name) for name in names])
    write_part(folder, part, table, lineage)
    return table
