"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from pipelines.schedulers import Report

console = Console(stderr=True, highlight=False)
SECONDS_BETWEEN_LINES = 10.0
_shown: ContextVar[bool] = ContextVar("shown", default=True)


@contextmanager
def shown(show: bool) -> Iterator[None]:
    """Show progress inside, or don't: functions called from Python are silent unless they are asked to show it."""
    before = _shown.set(show)
    try:
        yield
    finally:
        _shown.reset(before)


@contextmanager
def progress(title: str, total: int) -> Iterator[Report]:
    """Show the progress of ``total`` images, unless :func:`shown` says no; yields the function that counts them."""
    if not total or not _shown.get():
        yield lambda images: None
        return
    show = _bar if console.is_terminal else _lines
    with show(title, total) as report:
        yield report


@contextmanager
def _bar(title: str, total: int) -> Iterator[Report]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(show_speed=False),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    start = time.monotonic()
    with Progress(*columns, console=console, refresh_per_second=4) as bar:
        task = bar.add_task(title, total=total, rate="")

        def report(images: int) -> None:
            done = bar.tasks[0].completed + images
            bar.update(task, advance=images, rate=f"{done / max(1e-9, time.monotonic() - start):.1f}/s")

        yield report


@contextmanager
def _lines(title: str, total: int) -> Iterator[Report]:
    start = last = time.monotonic()
    done = 0

    def line() -> None:
        seconds = max(1e-9, time.monotonic() - start)
        rate = done / seconds
        left = f", {(total - done) / rate:.0f} s left" if done and done < total else ""
        print(f"{title}: {done}/{total} ({100 * done / total:.0f} %), {rate:.1f}/s{left}", file=sys.stderr, flush=True)

    def report(images: int) -> None:
        nonlocal done, last
        done += images
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            line()

    yield report
    line()
