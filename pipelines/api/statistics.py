"""``audit`` and ``compare``: the commands that read labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miqd_builder.auditing import comparison, statistics
from miqd_builder.auditing import label_statistics as with_intervals
from miqd_builder.auditing.document import RESAMPLES, AuditDocument, TaskDocument, write_document
from miqd_builder.auditing.label_statistics import LabelStatistics
from miqd_builder.auditing.report import write_report
from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import labelled_tasks
from miqd_builder.tasks import Task, check_task
from pipelines.api.fields import Settings, command, run_folder

_LABELS = ("consistency", "accuracy", "composite", "psnr")


@dataclass(frozen=True, slots=True)
class TaskAudit:
    """How each distortion hurts the models of one task.

    Attributes:
        severities: a row a distortion and uniform severity: distortion, category, severity, consistency, accuracy, composite,
            psnr (median), n. None where there is no accuracy or no finite PSNR.
        regions: a row a distortion and region: distortion, category, region, consistency, accuracy, composite, n.
        statistics: of all labels: ``n``, standard deviations and correlations.
        document: all statistics with their intervals, and why others are absent.
    """

    severities: statistics.Rows
    regions: statistics.Rows
    statistics: dict[str, float]
    document: TaskDocument


@dataclass(frozen=True, slots=True)
class Audited:
    """What ``audit`` found.

    Attributes:
        report: path or url of the page that it wrote.
        json: path or url of ``report/audit.json``.
        tasks: the figures, by task.
        document: the content of ``report/audit.json``.
    """

    report: str
    json: str
    tasks: dict[str, TaskAudit]
    document: AuditDocument


@command
def audit(
    out: str | Path | None = None,
    *,
    task: str | None = None,
    run: str | Path | None = None,
    settings: Settings = None,
    baseline: str | None = None,
    against: str | Path | None = None,
    models: str | Sequence[str] | None = None,
    against_models: str | Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Audited:
    """Say how each distortion hurts the models, and write ``report/audit.json`` and ``report/index.html`` into the run folder.

    docs/audit.md defines every statistic. What can't be computed is absent, with the reason.

    Args:
        out: run folder, a path or a url; by default that of the run file.
        task: ``cls``, ``det``, ``ins`` or ``seg``; by default all that have labels.
        run: run file (YAML).
        settings: fields of the run file as ``key=value``.
        baseline: model that mean corruption errors are taken against.
        against: another run folder, a path or a url: the differences of this run from it, paired by source image.
        models: names or globs of models to compare with others of the run; by default all but the others.
        against_models: names or globs of these others.
        resamples: bootstrap draws for the intervals; 0 for none.
        seed: of the draws and samples.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: there is no run, the task is unknown, or no task has the baseline model or one that a glob
            matches (names the nearest).
        StoreError: there are no labels, a part is damaged, or the report can't be written.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> fields = {"degradations": "darkness_5", "limit": 2, "models": "demo_resnet10t", "scheduler": "inline"}
        >>> made = mb.label(task="cls", run="pipelines/demo.yaml", out=tempfile.mkdtemp() + "/run", **fields)
        >>> audited = mb.audit(made.outs[0])
        >>> [(row["distortion"], row["severity"], row["n"]) for row in audited.tasks["cls"].severities]
        [('darkness', 5, 2)]
        >>> [(r.label, r.n) for r in audited.document.tasks["cls"].statistics["severity"].records]
        [('consistency', 2), ('accuracy', 2), ('composite', 2)]
    """
    from miqd_builder.auditing.audit import audit_run

    if resamples < 0:
        raise ConfigError(f"resamples {resamples}: expected 0 or more.")
    url = run_folder(out, run=run, task=task, settings=settings)
    folder = RunFolder(url)
    other = None if against is None else RunFolder(run_folder(against))
    chosen = [task] if task else None
    sets = {"models": _listed(models), "against_models": _listed(against_models)}
    document = audit_run(folder, tasks=chosen, baseline=baseline, against=other, **sets, resamples=resamples, seed=seed)
    written = write_document(folder, document)
    write_report(folder, document)
    tasks = {name: _task_audit(folder, name, found) for name, found in document.tasks.items()}
    return Audited(f"{url}/report/index.html", written, tasks, document)


def _listed(globs: str | Sequence[str] | None) -> list[str] | None:
    return [globs] if isinstance(globs, str) else list(globs) if globs else None


def _task_audit(folder: RunFolder, task: str, document: TaskDocument) -> TaskAudit:
    severities = _rows(document, ("severity", "psnr"), ("distortion", "category", "severity"))
    regions = _rows(document, ("region",), ("distortion", "category", "region"))
    return TaskAudit(severities, regions, statistics.point_statistics(folder, task), document)


def _rows(document: TaskDocument, names: Sequence[str], keys: Sequence[str]) -> statistics.Rows:
    """Records of statistics as rows with a column a label; those that lack a key, being over all distortions, are left out."""
    records = [record for name in names if name in document.statistics for record in document.statistics[name].records]
    rows: dict[tuple[object, ...], dict[str, Any]] = {}
    for record in records:
        key = tuple(getattr(record, name) for name in keys)
        if None not in key:
            empty = {**dict(zip(keys, key, strict=True)), **dict.fromkeys(_LABELS), "n": record.n}
            rows.setdefault(key, empty)[record.label] = record.value
    return list(rows.values())


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
