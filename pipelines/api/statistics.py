"""``audit`` and ``compare``: the commands that read labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from miqd_builder.auditing import comparison, statistics
from miqd_builder.auditing import label_statistics as with_intervals
from miqd_builder.auditing.label_statistics import LabelStatistics
from miqd_builder.auditing.report import write_report
from miqd_builder.errors import StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import labelled_tasks
from miqd_builder.tasks import Task, check_task
from pipelines.api.fields import Settings, command, run_folder


@dataclass(frozen=True, slots=True)
class TaskAudit:
    """How each distortion hurts the models of one task.

    Attributes:
        severities: a row a distortion and uniform severity, see :func:`miqd_builder.auditing.statistics.severity_table`.
        regions: a row a distortion and region, see :func:`miqd_builder.auditing.statistics.region_table`.
        statistics: of all labels: ``n``, standard deviations and correlations.
    """

    severities: statistics.Rows
    regions: statistics.Rows
    statistics: dict[str, float]


@dataclass(frozen=True, slots=True)
class Audited:
    """What ``audit`` found.

    Attributes:
        report: path or url of the page that it wrote.
        tasks: the figures, by task.
    """

    report: str
    tasks: dict[str, TaskAudit]


@command
def audit(
    out: str | Path | None = None,
    *,
    task: str | None = None,
    run: str | Path | None = None,
    settings: Settings = None,
) -> Audited:
    """Summarise how each distortion hurts the models, and write ``report/index.html`` into the run folder.

    Args:
        out: run folder, a path or a url; by default that of the run file.
        task: ``cls``, ``det``, ``ins`` or ``seg``; by default all that have labels.
        run: run file (YAML).
        settings: fields of the run file as ``key=value``.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: there is no run, or the task is unknown.
        StoreError: there are no labels.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> fields = {"degradations": "darkness_5", "limit": 2, "models": "demo_resnet10t", "scheduler": "inline"}
        >>> made = mb.label(task="cls", run="pipelines/demo.yaml", out=tempfile.mkdtemp() + "/run", **fields)
        >>> audited = mb.audit(made.outs[0])
        >>> [(row["distortion"], row["severity"], row["n"]) for row in audited.tasks["cls"].severities]
        [('darkness', 5, 2)]
    """
    url = run_folder(out, run=run, task=task, settings=settings)
    folder = RunFolder(url)
    tasks = write_report(folder, tasks=[task] if task else None)
    return Audited(f"{url}/report/index.html", {name: _task_audit(folder, name) for name in tasks})


def _task_audit(folder: RunFolder, task: str) -> TaskAudit:
    return TaskAudit(
        statistics.severity_table(folder, task),
        statistics.region_table(folder, task),
        statistics.point_statistics(folder, task),
    )


@command
def label_statistics(
    out: str | Path | None = None,
    *,
    task: str | None = None,
    run: str | Path | None = None,
    settings: Settings = None,
    resamples: int = 1000,
) -> list[LabelStatistics]:
    """Return the statistics of a run's labels with their intervals, beside the paper's: ``miqd audit --label-statistics``.

    Args:
        out: run folder, a path or a url; by default that of the run file.
        task: ``cls``, ``det``, ``ins`` or ``seg``; by default all that have labels.
        run: run file (YAML).
        settings: fields of the run file as ``key=value``.
        resamples: bootstrap draws for the intervals.

    Returns:
        one a task, and in it why it may not be compared with the paper's.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: there is no run, or the task is unknown.
        StoreError: there are no labels.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> fields = {"degradations": "darkness_?", "limit": 2, "models": "demo_resnet10t", "scheduler": "inline"}
        >>> made = mb.label(task="cls", run="pipelines/demo.yaml", out=tempfile.mkdtemp() + "/run", **fields)
        >>> [(found.task, found.rows, found.sources) for found in mb.label_statistics(made.outs[0], resamples=10)]
        [('cls', 10, 2)]
    """
    folder = RunFolder(run_folder(out, run=run, task=task, settings=settings))
    tasks = [task] if task else labelled_tasks(folder)
    if not tasks:
        raise StoreError(f"'{folder.url}' has no labels yet: run 'miqd label' first.")
    return [with_intervals.label_statistics(folder, name, resamples=resamples) for name in tasks]


@command
def compare(a: str | Path, b: str | Path, *, task: str | None = None, worst: int = 10) -> list[comparison.Comparison]:
    """Say how well two sets of labels of the same degraded images agree: rank and linear correlation, error, worst cases.

    Args:
        a: run folder, a path or a url.
        b: run folder, a path or a url.
        task: ``cls``, ``det``, ``ins`` or ``seg``; by default all that both have.
        worst: number of disagreements to list.

    Returns:
        one comparison a task.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: there is no run, or the task is unknown.
        StoreError: one side has no labels of the task, or they share no degraded image.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> fields = {"degradations": "darkness_?", "limit": 1, "models": "demo_resnet10t", "scheduler": "inline"}
        >>> made = mb.label(task="cls", run="pipelines/demo.yaml", out=tempfile.mkdtemp() + "/run", **fields)
        >>> [(found.task, found.joint, found.agreements[0].rmse) for found in mb.compare(made.outs[0], made.outs[0])]
        [('cls', 5, 0.0)]
    """
    one, other = (RunFolder(run_folder(url)) for url in (a, b))
    tasks: Sequence[str | Task] = [check_task(task)] if task else comparison.common_tasks(one, other)
    return [comparison.compare(one, other, name, worst=worst) for name in tasks]
