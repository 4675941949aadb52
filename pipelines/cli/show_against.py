"""What ``miqd audit --against`` shows on a terminal."""

from __future__ import annotations

from rich.table import Table

from miqd_builder.auditing.document import Against, AgainstTask, Record
from pipelines.cli.terminal import out

_LABELS = ("consistency", "accuracy", "composite")


def show_against(found: Against) -> None:
    """Print the differences of this run from another one: overall, by distortion, by model."""
    for task, of_task in found.tasks.items():
        _show_task(task, of_task, found.run.name)
    for task, reason in found.absent.items():
        out.print(f"{task}: not compared, {reason}.", style="yellow", markup=False)


def _show_task(task: str, found: AgainstTask, other: str) -> None:
    title = f"{task}: this run less '{other}' on {found.rows} shared images of {found.sources} sources, 95 % intervals"
    for name, key, labels in (
        ("overall_difference", None, _LABELS),
        ("distortion_difference", "distortion", _LABELS),
        ("models_difference", "model", ("P", "mPC", "consistency")),
    ):
        if name not in found.statistics:
            continue
        table = Table(title=title, title_justify="left", box=None)
        table.add_column(key or "all images")
        for label in labels:
            table.add_column(label, justify="right")
        rows: dict[str, dict[str, Record]] = {}
        for record in found.statistics[name].records:
            rows.setdefault(str(getattr(record, key)) if key else "", {})[record.label] = record
        for row, records in rows.items():
            table.add_row(row, *(_cell(records.get(label)) for label in labels))
        out.print(table)
        title = ""
    out.print(f"{task}: only here {found.only_here} images, only there {found.only_there}; * excludes 0.", markup=False)


def _cell(record: Record | None) -> str:
    if record is None:
        return "-"
    interval = f" [{record.low:+.2f}, {record.high:+.2f}]" if record.low is not None else ""
    return f"{record.value:+.3f}{interval}{'*' if record.excludes_zero else ''}"
