"""Which tables a run folder has, and their rows, for all that reads them. Every part is read with its checksum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from miqd_builder.errors import ConfigError, StoreError, did_you_mean
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_part
from miqd_builder.tasks import TASKS, check_task

TABLES_BY_TASK = {"labels": False, "scores": True, "responses": True}
"""Tables with a folder for each task, and whether there is one for each model in it."""

TABLES = ("candidates", "variants", *TABLES_BY_TASK)
"""All tables of a run folder."""


def labelled_tasks(folder: RunFolder) -> list[str]:
    """Return the tasks that have labels, sorted."""
    return tasks_with(folder, "labels")


def tasks_with(folder: RunFolder, table: str) -> list[str]:
    """Return the tasks that have parts of a table, sorted; folders of other names don't count.

    Args:
        folder: the run folder.
        table: labels, scores or responses.
    """
    pattern = f"{table}/*/*/*.parquet" if TABLES_BY_TASK[table] else f"{table}/*/*.parquet"
    return sorted({name.split("/")[1].removeprefix("task=") for name in folder.list(pattern)} & set(TASKS))


def models_with(folder: RunFolder, table: str, task: str) -> list[str]:
    """Return the models that have parts of a table for a task, sorted.

    Args:
        folder: the run folder.
        table: scores or responses.
        task: cls, det, ins or seg.
    """
    names = folder.list(f"{table}/task={task}/*/*.parquet")
    return sorted({name.split("/")[2].removeprefix("model=") for name in names})


def stored_labels(folder: RunFolder, task: str) -> pa.Table:
    """Return all labels of a task.

    Raises:
        StoreError: there are none.
    """
    return joined(read_parts(folder, part_names(folder, "labels", task=task)))


def part_names(folder: RunFolder, table: str, *, task: str | None = None, model: str | None = None) -> list[str]:
    """Return the names of a table's parts, at least one: those of all models where none is given, model by model.

    Raises:
        ConfigError: the table, the task or the model is unknown, or one is given that the table doesn't have.
        StoreError: the table isn't there yet; the message names the command that makes it.
    """
    _check_keys(table, task, model)
    steps = [table, *([f"task={task}"] if task else [])]
    if TABLES_BY_TASK.get(table):
        steps.append("*" if model is None else f"model={model}")
    names = [] if model is not None and not _is_name(model) else folder.list("/".join([*steps, "*.parquet"]))
    if names:
        return names
    if task is None:
        raise StoreError(f"'{folder.url}' has no {table} yet: run 'miqd degrade' first.")
    known = models_with(folder, table, task) if model is not None else []
    if known:
        raise ConfigError(
            f"'{folder.url}' has no {table} of model '{model}' for task {task}.{did_you_mean(str(model), known)} "
            f"There are those of {', '.join(known)}."
        )
    raise StoreError(f"'{folder.url}' has no {table} for task {task}: run 'miqd label --task {task}' first.")


def read_parts(folder: RunFolder, names: Sequence[str], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield the rows of parts, one part at a time, each with its checksum looked at.

    Raises:
        StoreError: a part is missing or damaged.
    """
    for name in names:
        yield read_part(folder, name, None if columns is None else list(columns))


def joined(parts: Iterator[pa.Table]) -> pa.Table:
    """Return parts as one table; a column that only some of them have is null in the others."""
    return pa.concat_tables(parts, promote_options="default")


def _check_keys(table: str, task: str | None, model: str | None) -> None:
    if table not in TABLES:
        raise ConfigError(f"Unknown table '{table}': expected one of {', '.join(TABLES)}.{did_you_mean(table, TABLES)}")
    by_task = table in TABLES_BY_TASK
    if by_task and task is None:
        raise ConfigError(f"Table {table} is kept by task: which one? Give task cls, det, ins or seg.")
    if task is not None:
        check_task(task)
    for key, value, known in (("task", task, by_task), ("model", model, by_task and TABLES_BY_TASK[table])):
        if value is not None and not known:
            raise ConfigError(f"Table {table} is the same for all {key}s: leave {key} '{value}' out.")


def _is_name(model: str) -> bool:
    """Whether a text can be a model's folder; globs are none."""
    return not set(model) & set("*?[]/")
