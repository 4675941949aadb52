"""What ``miqd audit --against`` shows on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from miqd_builder.auditing.document import Against, AgainstTask, Record, TaskDocument
from pipelines.cli.terminal import out

_LABELS = ("consistency", "accuracy", "composite")


def show_against(found: Against) -> None:
    """Print the differences of this run from another one: overall, by distortion, by model."""
    for task, of_task in found.tasks.items():
        _show_task(task, of_task, found.run.name)
    for task, reason in found.absent.items():
        out.print(f"{task}: not compared, {reason}.", style="yellow", markup=False)


def show_model_sets(task: str, found: TaskDocument) -> None:
    """Print the differences of two sets of models, where some were compared."""
    statistic = found.statistics.get("models_against")
    if statistic is not None:
        _show_records(f"{task}: {statistic.definition}", statistic.records, "distortion", ("consistency", "accuracy"))
        out.print(f"{task}: {statistic.interval}; * excludes 0.", markup=False)


def _show_task(task: str, found: AgainstTask, other: str) -> None:
    title = f"{task}: this run less '{other}' on {found.rows} shared images of {found.sources} sources, 95 % intervals"
    for name, key, labels in (
        ("overall_difference", None, _LABELS),
        ("distortion_difference", "distortion", _LABELS),
        ("models_difference", "model", ("P", "mPC", "consistency")),
    ):
        if name in found.statistics:
            _show_records(title, found.statistics[name].records, key, labels)
            title = ""
    out.print(f"{task}: only here {found.only_here} images, only there {found.only_there}; * excludes 0.", markup=False)


def _show_records(title: str, records: Sequence[Record], key: str | None, labels: Sequence[str]) -> None:
    """Print a table: a row a value of the key, a column a label."""
    table = Table(title=title, title_justify="left", box=None)
    for label in (key or "all images", *labels):
        table.add_column(label, justify="right" if label in labels else "left")
    rows: dict[str, dict[str, Record]] = {}
    for record in records:
        name = getattr(record, key) if key else None
        rows.setdefault(name or "all", {})[record.label] = record
    for name, of_row in rows.items():
        table.add_row(name, *(_cell(of_row.get(label)) for label in labels))
    out.print(table)


def _cell(record: Record | None) -> str:
    if record is None:
        return "-"
    interval = f" [{record.low:+.2f}, {record.high:+.2f}]" if record.low is not None else ""
    return f"{record.value:+.3f}{interval}{'*' if record.excludes_zero else ''}"
