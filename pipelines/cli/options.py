"""Options that several commands share, and how they become a resolved run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from miqd_builder.config import RunConfig
    from miqd_builder.tasks import Task

COMPLETE, WRONG_USE, QUARANTINED, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""

Run = Annotated[Path | None, typer.Option("--run", help="Run file (YAML).")]
Out = Annotated[str | None, typer.Option("--out", help="Run folder: a path or a url such as s3://bucket/run.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a field of the run file; repeatable.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Take the first N source images.")]
Images = Annotated[str | None, typer.Option("--images", help="png keeps the degraded images, none renders them in memory.")]
SchedulerName = Annotated[
    str | None, typer.Option("--scheduler", help="inline, dask, or tcp://host:8786 of a running Dask scheduler.")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Worker processes; default one a GPU, else one a core.")]
Plugins = Annotated[list[str] | None, typer.Option("--plugin", help="Module that registers further distortions; repeatable.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")]
TaskOptions = Annotated[
    list[str] | None,
    typer.Option("--task", help="cls, det, ins or seg; repeatable; all: every task that the run file describes."),
]
TaskOption = Annotated[str | None, typer.Option("--task", help="cls, det, ins or seg.")]
ZooFiles = Annotated[list[Path] | None, typer.Option("--zoo", help="Zoo file; repeatable; default the models that ship.")]


def load(run: Path | None, task: str | None, out: str | None, settings: list[str] | None, **options: Any) -> RunConfig:
    """Resolve the run file and what the command line adds."""
    from miqd_builder.config import load_run
    from miqd_builder.tasks import check_task

    if task is not None:
        check_task(task)
    return load_run(run, task=task, settings=settings or [], out=out, **options)


def load_tasks(
    run: Path | None, tasks: list[str] | None, out: str | None, settings: list[str] | None, **options: Any
) -> dict[Task, RunConfig]:
    """Resolve the run file for each task that was asked for, in the order of the tasks.

    ``all`` means every task of which the run file's models and source are: its zoo has a model of the task that it asks for,
    and its source can serve it.
    """
    from miqd_builder.errors import ConfigError
    from miqd_builder.tasks import TASKS, check_task

    if not tasks:
        raise ConfigError(f"Which task? Give --task {'|'.join(TASKS)}, several of them, or all.")
    named = [check_task(task) for task in tasks if task != "all"]
    wanted = set(TASKS if "all" in tasks else named)
    configs = {task: load(run, task, out, settings, **options) for task in TASKS if task in wanted}
    if "all" in tasks:
        configs = {task: config for task, config in configs.items() if _describes(config, task)}
        if not configs:
            raise ConfigError("--task all: the run file has no model of a task that its source serves: correct models or zoo.")
    return configs


def _describes(config: RunConfig, task: Task) -> bool:
    """Tell whether a run file has models of a task, and a source for them."""
    from miqd_builder.sources import SOURCES
    from pipelines.context import open_zoo

    return open_zoo(config).has(config.models, task) and task in SOURCES[config.source.kind].tasks


def run_folder(run: Path | None, out: str | None, settings: list[str] | None, task: str | None) -> str:
    """The run folder, from --out alone or from the run file."""
    from miqd_builder.errors import ConfigError
    from miqd_builder.store.folder import RunFolder
    from miqd_builder.store.record import NAME
    from miqd_builder.tasks import check_task

    if task is not None:
        check_task(task)
    url = out if out is not None and run is None else load(run, task, out, settings).out
    if not RunFolder(url).exists(NAME):
        raise ConfigError(f"'{url}' holds no run: run 'miqd degrade' or 'miqd label' first, or correct --out.")
    return url
