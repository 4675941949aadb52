"""Import labels of a format into a run folder, which audit and compare read like any other."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa

import degradations
from miqd_builder.errors import ConfigError
from miqd_builder.formats.contract import Format, Sources
from miqd_builder.formats.labels import RECIPE
from miqd_builder.formats.registry import format_code, reader_of
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import is_done, read_footer, read_part, write_part
from miqd_builder.store.record import CommandRecord, RunRecord
from miqd_builder.tables.lineage import ImportedLabelsLineage
from miqd_builder.tables.schema import LABELS, table_path
from miqd_builder.tasks import Task

SOURCES_PER_PART = 100

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows a title and a total; gives the function that counts."""


def tasks_in(form: Format, source: Path) -> list[Task]:
    """Return the tasks that a folder holds in a format.

    Raises:
        ConfigError: there are none, or the format can't be read.
    """
    found = reader_of(form).tasks_in(source)
    if not found:
        raise ConfigError(f"'{source}' holds nothing in format {form.name}: correct it, or give --task.")
    return found


def import_labels(form: Format, source: Path, folder: RunFolder, task: Task, *, progress: Progress) -> int:
    """Read the labels of one task into ``labels/`` of a run folder and return the number of rows.

    Several tasks may share a run folder. Parts whose files haven't changed are kept.

    Args:
        form: the format that they are in.
        source: the folder that holds them.
        folder: a new run folder, or one that holds imported labels.
        task: of the labels.
        progress: shows how many sources are done.

    Raises:
        ConfigError: there are no labels, the run folder holds another run, or a file is malformed.
    """
    sources = reader_of(form).sources(source, form.task(task))
    if not sources:
        raise ConfigError(f"'{source}' holds no labels of task {task} in format {form.name}.")
    record = _record(folder)
    record.assign(sorted(sources), SOURCES_PER_PART)
    root = Path(os.path.commonpath([file.parent for files in sources.values() for file in files] or [source]))
    rows, found = 0, set(record.degradations)
    with progress(f"import {task}", len(sources)) as count:
        for number, ids in enumerate(record.parts):
            chosen = {source_id: sources[source_id] for source_id in ids if source_id in sources}
            if not chosen:
                folder.remove(table_path("labels", number, task=task))
                continue
            table = _import_part(form, root, folder, task, number, chosen)
            rows += table.num_rows
            found |= set(table["degradation"].unique().to_pylist())
            count(len(chosen))
    order = {name: place for place, name in enumerate(degradations.names())}
    record.degradations = sorted(found, key=lambda name: (order.get(name, len(order)), name))
    record.note(CommandRecord("import", task, {"format": form.name, "labels": str(root.resolve())}))
    record.write(folder)
    return rows


def _record(folder: RunFolder) -> RunRecord:
    record = RunRecord.load(folder)
    if record is None:
        return RunRecord(seed=0, images="none", roi=RECIPE, degradations=[])
    if record.roi != RECIPE:
        raise ConfigError(f"Run folder '{folder.url}' holds a run of its own: import into another --out.")
    return record


def _import_part(form: Format, root: Path, folder: RunFolder, task: Task, number: int, sources: Sources) -> pa.Table:
    files = dict.fromkeys(file for files in sources.values() for file in files)
    hashes = {os.path.relpath(file, root): hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}
    code = "".join(f" {sha256}" for sha256 in format_code(form.name).values())
    lineage = ImportedLabelsLineage(format=form.name + code, task=task, files=hashes)
    part = table_path("labels", number, task=task)
    if is_done(read_footer(folder, part), lineage):
        return read_part(folder, part)
    table = _checked(form, task, sources, reader_of(form).labels(task, sources))
    write_part(folder, part, table, lineage)
    return table


def _checked(form: Format, task: Task, sources: Sources, table: Any) -> pa.Table:
    """Refuse a table that doesn't hold the labels of these sources."""
    if not isinstance(table, pa.Table) or table.schema != LABELS[task]:
        raise ConfigError(f"Format {form.name} read no labels of task {task}: expected a table that labels_table() made.")
    others = set(table["source_id"].unique().to_pylist()) - set(sources)
    if others:
        raise ConfigError(f"Format {form.name} read labels of image '{min(others)}', which it wasn't asked for.")
    return table
