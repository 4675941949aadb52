"""Labels of tar files, read back as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from miqd_builder.errors import ConfigError
from miqd_builder.formats.contract import Reader, Sources
from miqd_builder.formats.webdataset.tars import samples
from miqd_builder.tables.schema import LABELS
from miqd_builder.tasks import TASKS, Task


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.tar"))


def _tasks_in(folder: Path) -> list[Task]:
    """Tasks of the first labelled sample of each file."""
    tasks: set[str] = set()
    for file in _files(folder):
        labelled = next((sample for sample in samples(file) if sample.get("labels")), None)
        tasks |= set(labelled["labels"] if labelled else ())
    return [task for task in TASKS if task in tasks]


def _sources(folder: Path, task: Task) -> Sources:
    files: dict[str, dict[Path, None]] = {}
    for file in _files(folder):
        for sample in samples(file):
            if task in sample.get("labels", {}):
                files.setdefault(str(sample["source_id"]), {})[file] = None
    if not files:
        raise ConfigError(f"'{folder}' has no tar file with labels of task {task}.")
    return {source_id: tuple(found) for source_id, found in sorted(files.items())}


def _labels(task: Task, sources: Sources) -> pa.Table:
    rows: dict[str, list[dict[str, Any]]] = {source_id: [] for source_id in sources}
    for file in dict.fromkeys(file for files in sources.values() for file in files):
        for sample in samples(file):
            row = sample.get("labels", {}).get(task)
            if row is not None and sample["source_id"] in rows:
                rows[sample["source_id"]].append(_numbers(row, task, file))
    return pa.Table.from_pylist([row for found in rows.values() for row in found], LABELS[task])


def _numbers(row: dict[str, Any], task: Task, file: Path) -> dict[str, Any]:
    """A row whose infinite numbers are numbers again."""
    lacking = [name for name in LABELS[task].names if name not in row]
    if lacking:
        raise ConfigError(f"Labels of '{row.get('source_id')}' in '{file}' have no '{lacking[0]}'.")
    try:
        floats = {f.name for f in LABELS[task] if pa.types.is_floating(f.type)}
        return {name: float(value) if name in floats and isinstance(value, str) else value for name, value in row.items()}
    except ValueError as error:
        raise ConfigError(f"Labels of '{row.get('source_id')}' in '{file}' hold no number ({error}).") from None


READER = Reader(_tasks_in, _sources, _labels)
