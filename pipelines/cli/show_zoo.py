"""What the ``miqd zoo`` commands show on a terminal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from miqd_builder.zoo.weights.cache import cache_folder, place
from pipelines.cli.terminal import out
from pipelines.progress.bar import console as progress_console

if TYPE_CHECKING:
    from miqd_builder.zoo.entry import ModelEntry
    from miqd_builder.zoo.weights.fetch import Fetched, RemoteFile

WIDEST = 500
NUMBERS = ("input", "M params", "clean metric")
LEAST_WANTED = ("input", "paper", "family", "backend", "license", "M params")
"""Columns that a narrow terminal goes without, the first to go first."""


def show_models(entries: Sequence[ModelEntry], *, as_json: bool) -> None:
    """Print the models as a table or as JSON."""
    if as_json:
        print(json.dumps([entry.model_dump(mode="json") for entry in entries], indent=1))
        return
    for left_out in range(len(LEAST_WANTED) + 1):
        table = _table(entries, without=LEAST_WANTED[:left_out])
        width = out.measure(table, options=out.options.update(max_width=WIDEST)).maximum
        if not out.is_terminal or width <= out.width:
            break
    Console(highlight=False, width=max(width, out.width)).print(table)
    counts = Counter(entry.task for entry in entries)
    out.print(f"{len(entries)} models: " + ", ".join(f"{count} {task}" for task, count in counts.items()))


def _table(entries: Sequence[ModelEntry], *, without: Sequence[str]) -> Table:
    """A row a model, a line between tasks."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    rows = [{column: cell for column, cell in _cells(entry).items() if column not in without} for entry in entries]
    for column in rows[0]:
        table.add_column(column, justify="right" if column in NUMBERS else "left", no_wrap=True)
    for number, row in enumerate(rows):
        ends = number + 1 < len(rows) and rows[number + 1]["task"] != row["task"]
        table.add_row(*row.values(), end_section=ends)
    return table


def _cells(entry: ModelEntry) -> dict[str, str]:
    height_width = "x".join(map(str, entry.input_size)) if entry.input_size else "-"
    params = f"{entry.params:.1f}" if entry.params else "-"
    metric = f"{entry.metric.name} {entry.metric.value:.1f}" if entry.metric else "-"
    checkpoint = entry.checkpoint
    if checkpoint is None:
        weights = "-"
    elif place(checkpoint).is_file():
        weights = "on disk"
    else:
        weights = "missing" if checkpoint.path else "fetch"
    return {
        "name": entry.name,
        "task": entry.task,
        "family": entry.family or "-",
        "backend": entry.backend,
        "input": height_width,
        "M params": params,
        "clean metric": metric,
        "license": entry.license or "-",
        "paper": entry.paper or "-",
        "weights": weights,
    }


def show_fetch_plan(files: Sequence[RemoteFile]) -> None:
    """Print what would be downloaded and where it would go: enough to copy files by hand to a machine without a network."""
    for file in files:
        out.print(f"{file.url} -> {file.target}{' (is there)' if file.is_there() else ''}")


def show_fetched(files: Sequence[RemoteFile], fetched: Iterator[Fetched]) -> int:
    """Print each file as it is done, and a summary; returns how many failed."""
    new = there = new_bytes = 0
    problems: list[str] = []
    for number, result in enumerate(fetched, 1):
        names = ", ".join(result.file.names)
        if result.problem is not None:
            problems.append(f"{names}: {result.problem}")
        state = "failed" if result.problem else f"downloaded, {decimal(result.new_bytes)}" if result.new_bytes else "is there"
        progress_console.print(f"[{number}/{len(files)}] {names}: {state}", markup=False, soft_wrap=True)
        new += bool(result.new_bytes)
        there += result.problem is None and not result.new_bytes
        new_bytes += result.new_bytes
    for problem in problems:
        out.print(problem, style="red", markup=False)
    failed = f", {len(problems)} failed" if problems else ""
    out.print(
        f"{new} downloaded ({decimal(new_bytes)}), {there} there before{failed}; cache folder {cache_folder()}",
        style="red" if problems else "green",
    )
    return len(problems)


def show_own_files(entries: Sequence[ModelEntry]) -> None:
    """Name the models whose checkpoint is a file of the user's that is missing: nothing can fetch it."""
    for entry in entries:
        checkpoint = entry.checkpoint
        if checkpoint is not None and checkpoint.path is not None and not checkpoint.path.is_file():
            note = f" {entry.note}" if entry.note else ""
            out.print(
                f"{entry.name}: has no address, put its weights at {checkpoint.path}.{note}", style="yellow", markup=False
            )


@contextmanager
def fetch_progress() -> Iterator[Any]:
    """Show a bar for each running download; yields the function that moves them. Nothing where there is no terminal."""
    if not progress_console.is_terminal:
        yield lambda file, done, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=progress_console, refresh_per_second=4) as bars:
        tasks: dict[RemoteFile, Any] = {}

        def report(file: RemoteFile, done: int, total: int | None) -> None:
            if file not in tasks:
                # What was there before doesn't count towards the speed.
                tasks[file] = bars.add_task(file.names[0], total=total, completed=done)
            bars.update(tasks[file], completed=done, total=total, visible=done != total)

        yield report
