"""What ``miqd status`` shows."""

from __future__ import annotations

import time

from rich.table import Table

from pipelines.cli.console import by_step
from pipelines.cli.terminal import out
from pipelines.progress.heartbeat import RunProgress
from pipelines.progress.status import RunStatus


def show_status(found: RunStatus) -> None:
    """Print the state of every table, and what each command does now or did last."""
    out.print(f"Run folder {found.url}: {found.images} images x {found.degradations} degradations, seed {found.seed}")
    if found.masks:
        out.print(f"ROI masks by {found.roi}: {found.masks} of {found.images} stored in roi/")
    table = Table(box=None, pad_edge=False)
    for column in ("parts of", "done", "running", "missing", "quarantined", "rows"):
        table.add_column(column, justify="left" if column == "parts of" else "right")
    for status in found.tables:
        counts = (status.done, status.running, status.missing, status.quarantined, status.rows)
        table.add_row(status.name, *map(str, counts))
    out.print(table)
    for missing in found.missing_models:
        out.print(str(missing), style="yellow")
    for name, progress in found.commands.items():
        out.print(_now(progress, name in found.alive))
        for stage, spent in progress.stages.items():
            rate = spent["computed"] / spent["wall_s"] if spent["wall_s"] else 0.0
            together = f" ({', '.join(spent['tasks'])} together)" if "tasks" in spent else ""
            out.print(f"  {stage}{together}: {spent['computed']} rows in {spent['wall_s']:.1f} s, {rate:.1f} rows/s")
            if spent["seconds"]:
                out.print(f"    worker time: {by_step(spent['seconds'])}")


def show_failures(found: RunStatus, *, full: bool) -> None:
    """Print what is quarantined, one line each if ``full``."""
    if found.failures:
        out.print(f"{len(found.failures)} quarantined; the next run tries them again.", style="yellow")
    for failure in found.failures if full else ():
        what = " ".join(filter(None, (failure.stage, failure.source_id, failure.model)))
        out.print(f"  {what}: {failure.error}: {failure.message}")


def _now(progress: RunProgress, alive: bool) -> str:
    """Describe in one line what a command does or did."""
    who = f"{progress.key}: "
    seen = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(progress.updated))
    if progress.state == "finished":
        return f"{who}finished {seen}"
    where = f"on {progress.host}, process {progress.pid}"
    if not alive:
        return f"{who}stopped before its end, {where}, last seen {seen}: run the same command again to go on"
    if not progress.stage:
        return f"{who}running {where}"
    left = f", {_duration((progress.total - progress.done) / progress.rate)} left" if progress.rate else ""
    return f"{who}running {where}: {progress.stage} {progress.done}/{progress.total} images, {progress.rate:.1f} rows/s{left}"


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
