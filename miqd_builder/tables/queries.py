"""Which tables of labels a run folder has, and their rows, for all that reads labels."""

from __future__ import annotations

import pyarrow as pa

from miqd_builder.errors import StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_part


def labelled_tasks(folder: RunFolder) -> list[str]:
    """Return the tasks that have labels, sorted."""
    return sorted({name.split("/")[1].removeprefix("task=") for name in folder.list("labels/*/*.parquet")})


def labels_table(folder: RunFolder, task: str) -> pa.Table:
    """Return all labels of a task.

    Raises:
        StoreError: there are none.
    """
    parts = folder.list(f"labels/task={task}/*.parquet")
    if not parts:
        raise StoreError(f"'{folder.url}' has no labels for task {task}: run 'miqd label --task {task}' first.")
    return pa.concat_tables([read_part(folder, part) for part in parts])
