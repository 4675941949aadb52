"""What the commands show on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from miqd_builder.audit import statistics
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer
from miqd_builder.store.quarantine import read_failures
from miqd_builder.store.record import RunRecord

if TYPE_CHECKING:
    from miqd_builder.zoo.entry import ModelEntry
    from pipelines.run import Plan, StageSummary

out = Console(highlight=False, soft_wrap=True)
MAX_NOTES = 5
BYTES_PER_IMAGE = 600_000
"""Stored size of a degraded image, about that of a noisy 500x375 PNG; for the estimate of a plan."""


def show_plan(plan: Plan) -> None:
    """Print what there is to do."""
    context, config = plan.context, plan.context.config
    todo = plan.images_in(plan.degrade)
    out.print(f"Run folder   {config.out}")
    out.print(
        f"Source       {config.source.kind}, {plan.sources} of {len(context.sources.images)} images in {len(plan.parts)} parts"
    )
    show_notes(context.sources.notes)
    size = f", about {todo * BYTES_PER_IMAGE / 1e9:.1f} GB" if config.images == "png" and todo else ""
    out.print(
        f"Variants     {len(context.names)} an image: {plan.images_in(plan.parts)} in all, {todo} to render{size} "
        f"({len(plan.parts) - len(plan.degrade)} of {len(plan.parts)} parts done)"
    )
    for entry in plan.entries:
        parts = plan.respond[entry.name]
        done = f"{len(plan.parts) - len(parts)} of {len(plan.parts)} parts done"
        out.print(f"Model        {entry.name} ({entry.backend}): {plan.looks_in(parts)} images to look at ({done})")
    if plan.entries:
        out.print(f"Labels       recipe {config.recipe}, weights {config.weights}, over {len(plan.entries)} models")
    out.print(f"Scheduler    {config.scheduler}, device {config.device}")


def show_stages(stages: Sequence[StageSummary]) -> None:
    """Print what was done, a line a stage."""
    table = Table(box=None, pad_edge=False)
    for column, justify in [
        ("stage", "left"),
        *((c, "right") for c in ("parts", "done before", "computed", "kept", "quarantined", "time", "rate")),
    ]:
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for stage in stages:
        rate = f"{stage.computed / stage.wall_s:.1f}/s" if stage.computed and stage.wall_s else ""
        cells = (stage.parts, stage.done_before, stage.computed, stage.reused, stage.failures, f"{stage.wall_s:.1f} s", rate)
        table.add_row(stage.stage, *map(str, cells))
    out.print(table)
    for stage in stages:
        if stage.seconds:
            spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in stage.seconds.most_common())
            out.print(f"Worker time in {stage.stage}: {spent}")
        show_notes(stage.notes)
    failures = sum(stage.failures for stage in stages)
    if failures:
        out.print(f"{failures} quarantined: 'miqd status --failed' names them, the next run tries them again.", style="yellow")


def show_notes(notes: Sequence[str]) -> None:
    """Print what a user should know, the first few of many."""
    for note in notes[:MAX_NOTES]:
        out.print(f"Note         {note}", style="yellow")
    if len(notes) > MAX_NOTES:
        out.print(f"Note         ... and {len(notes) - MAX_NOTES} more like this.", style="yellow")


def hint(text: str) -> None:
    """Print where to look and what to do next."""
    out.print(text, style="green")


def show_labels(url: str, task: str) -> None:
    """Print the mean label of each distortion at each uniform severity."""
    rows = statistics.severity_table(RunFolder(url), task)
    cells = {(row["distortion"], row["severity"]): row for row in rows}
    title = f"{task}: mean consistency at uniform severity 1..5 (accuracy in brackets)"
    _print_grid(title, list(dict.fromkeys(row["distortion"] for row in rows)), range(1, 6), cells)


def show_audit(url: str, task: str) -> None:
    """Print what :func:`show_labels` prints, the mean label of each distortion in each region, and the run's statistics."""
    show_labels(url, task)
    rows = statistics.region_table(RunFolder(url), task)
    cells = {(row["distortion"], row["region"]): row for row in rows}
    title = f"{task}: mean consistency by where the distortion is stronger (accuracy in brackets)"
    _print_grid(title, list(dict.fromkeys(row["distortion"] for row in rows)), ("uniform", "roi", "background"), cells)
    numbers = statistics.fingerprint(RunFolder(url), task)
    out.print(f"{task}: " + ", ".join(f"{name} {value:.4g}" for name, value in numbers.items()))


def _print_grid(title: str, names: Sequence[str], columns: Sequence[Any], cells: dict[tuple[str, Any], dict[str, Any]]) -> None:
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("distortion")
    for column in columns:
        table.add_column(str(column), justify="right")
    for name in names:
        table.add_row(name, *(_cell(cells.get((name, column))) for column in columns))
    out.print(table)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    consistency, accuracy = ("-" if row[name] is None else f"{row[name]:.2f}" for name in ("consistency", "accuracy"))
    return f"{consistency} ({accuracy})"


def show_status(folder: RunFolder) -> None:
    """Print which parts are done, for each table, task and model."""
    record = RunRecord.load(folder)
    assert record is not None
    sources = sum(map(len, record.parts))
    out.print(f"Run folder {folder.url}: {sources} images x {len(record.degradations)} degradations, seed {record.seed}")
    table = Table(box=None, pad_edge=False)
    for column in ("table", "parts done", "incomplete", "rows"):
        table.add_column(column, justify="left" if column == "table" else "right")
    for name, parts in _tables(folder).items():
        footers = [footer for part in parts if (footer := read_footer(folder, part)) is not None]
        complete = sum(footer.complete for footer in footers)
        table.add_row(name, f"{complete}/{len(record.parts)}", str(len(footers) - complete), str(sum(f.rows for f in footers)))
    out.print(table)


def _tables(folder: RunFolder) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    for pattern in ("variants/*.parquet", "responses/*/*/*.parquet", "scores/*/*/*.parquet", "labels/*/*.parquet"):
        for name in folder.list(pattern):
            tables.setdefault(name.rsplit("/", 1)[0], []).append(name)
    return tables


def show_failures(folder: RunFolder, *, full: bool) -> int:
    """Print what is quarantined, one line each if ``full``; returns how many there are."""
    failures = read_failures(folder)
    if failures:
        out.print(f"{len(failures)} quarantined; the next run tries them again.", style="yellow")
    for failure in failures if full else []:
        what = " ".join(filter(None, (failure.source_id, failure.model)))
        out.print(f"  {failure.stage} {what}: {failure.error}: {failure.message}")
    return len(failures)


def show_verification(checked: Iterator[tuple[str, str | None]]) -> int:
    """Print what is wrong and how much was checked; returns the number of problems."""
    count = problems = 0
    for name, problem in checked:
        count += 1
        if problem is not None:
            problems += 1
            out.print(f"{name} {problem}.", style="red")
    out.print(f"Checked {count} files, {problems} with problems.", style="red" if problems else "green")
    return problems


def show_zoo(entries: Sequence[ModelEntry], *, as_json: bool) -> None:
    """Print the models as a table or as JSON."""
    if as_json:
        print(json.dumps([entry.model_dump(mode="json") for entry in entries], indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "task", "backend", "metric", "license", "paper"):
        table.add_column(column)
    for entry in entries:
        metric = f"{entry.metric.name} {entry.metric.value:g}" if entry.metric else "-"
        table.add_row(entry.name, entry.task, entry.backend, metric, entry.license or "-", entry.paper or "-")
    out.print(table)


def show_zoo_verification(checked: Iterable[tuple[ModelEntry, str | None]]) -> int:
    """Print what is wrong with each model, a line each; returns how many failed."""
    failed = 0
    for entry, problem in checked:
        failed += problem is not None
        out.print(f"{entry.name} ({entry.task}): {problem or 'ok'}", style="red" if problem else "green")
    return failed
