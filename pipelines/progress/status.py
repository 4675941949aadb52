"""``miqd status``: what is done, running, missing and quarantined, for each task and model."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rich.table import Table

from miqd_builder.store.folder import RunFolder
from miqd_builder.store.footers import Footers
from miqd_builder.store.keys import CommandKey, PartKey
from miqd_builder.store.quarantine import read_failures
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.missing_models import missing_models
from miqd_builder.tables.schema import part_name, table_path
from pipelines.cli.console import by_step, out
from pipelines.progress.heartbeat import RunProgress, read_progress

TABLE_OF_STAGE = {"degrade": "variants", "respond": "responses", "score": "scores", "label": "labels"}


@dataclass
class TableStatus:
    """State of one table: ``candidates``, ``variants``, or ``responses``, ``scores`` or ``labels`` of a task and model.

    Attributes:
        name: folder of the table inside the run folder.
        done: parts that hold all their rows.
        running: parts that are being computed.
        missing: wanted parts that don't exist.
        quarantined: parts that lack rows or that failed as a whole.
        rows: rows that are there.
    """

    name: str
    done: int = 0
    running: int = 0
    missing: int = 0
    quarantined: int = 0
    rows: int = 0


@dataclass
class _Wanted:
    """Parts that the commands asked for, by table, and those of them that are being computed or that failed as a whole."""

    parts: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    running: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    lost: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


def show_status(folder: RunFolder) -> None:
    """Print the state of every table and the progress of each command."""
    record = RunRecord.load(folder)
    assert record is not None
    sources = sum(map(len, record.parts))
    out.print(f"Run folder {folder.url}: {sources} images x {len(record.degradations)} degradations, seed {record.seed}")
    commands = read_progress(folder)
    alive = {name for name, progress in commands.items() if progress.alive(folder)}
    table = Table(box=None, pad_edge=False)
    for column in ("parts of", "done", "running", "missing", "quarantined", "rows"):
        table.add_column(column, justify="left" if column == "parts of" else "right")
    for status in table_status(folder, commands.values(), alive):
        counts = (status.done, status.running, status.missing, status.quarantined, status.rows)
        table.add_row(status.name, *map(str, counts))
    out.print(table)
    for missing in missing_models(folder):
        out.print(str(missing), style="yellow")
    for name, progress in commands.items():
        out.print(_now(progress, name in alive))
        for stage, spent in progress.stages.items():
            rate = spent["computed"] / spent["wall_s"] if spent["wall_s"] else 0.0
            together = f" ({', '.join(spent['tasks'])} together)" if "tasks" in spent else ""
            out.print(f"  {stage}{together}: {spent['computed']} rows in {spent['wall_s']:.1f} s, {rate:.1f} rows/s")
            if spent["seconds"]:
                out.print(f"    worker time: {by_step(spent['seconds'])}")


def show_failures(folder: RunFolder, *, full: bool) -> int:
    """Print what is quarantined, one line each if ``full``; returns how many there are."""
    failures = read_failures(folder)
    if failures:
        out.print(f"{len(failures)} quarantined; the next run tries them again.", style="yellow")
    for failure in failures if full else []:
        what = " ".join(filter(None, (failure.stage, failure.source_id, failure.model)))
        out.print(f"  {what}: {failure.error}: {failure.message}")
    return len(failures)


def table_status(folder: RunFolder, commands: Iterable[RunProgress], alive: set[CommandKey]) -> list[TableStatus]:
    """Count the parts of every table that is wanted or there.

    Args:
        folder: the run folder.
        commands: last run of each command.
        alive: the commands that are running.
    """
    wanted = _wanted(commands, alive)
    for name in folder.list("quarantine/*-lost.parquet"):
        if (lost := _lost_part(name)) is not None:
            wanted.lost[lost[0]].add(lost[1])
    there: dict[str, set[int]] = defaultdict(set)
    for pattern in (
        "candidates/*.parquet",
        "variants/*.parquet",
        "responses/*/*/*.parquet",
        "scores/*/*/*.parquet",
        "labels/*/*.parquet",
    ):
        for name in folder.list(pattern):
            table, _, file = name.rpartition("/")
            there[table].add(int(file.removeprefix("part-").removesuffix(".parquet")))
    names = dict.fromkeys([*wanted.parts, *there])
    footers = Footers(folder)
    footers.load(f"{name}/{part_name(part)}" for name, parts in there.items() for part in parts)
    return [_count(footers, name, wanted, there[name]) for name in names]


def _count(footers: Footers, name: str, wanted: _Wanted, there: set[int]) -> TableStatus:
    status = TableStatus(name)
    for part in sorted(wanted.parts.get(name, set()) | there):
        footer = footers.get(f"{name}/{part_name(part)}") if part in there else None
        status.rows += footer.rows if footer else 0
        if part in wanted.running[name]:
            status.running += 1
        elif footer is not None and footer.complete:
            status.done += 1
        elif footer is not None or part in wanted.lost[name]:
            status.quarantined += 1
        else:
            status.missing += 1
    return status


def _wanted(commands: Iterable[RunProgress], alive: set[CommandKey]) -> _Wanted:
    wanted = _Wanted()
    for progress in commands:
        for table in _tables(progress):
            wanted.parts[table].update(progress.parts)
        if progress.key in alive and progress.stage:
            for item in progress.running:
                for model in item["models"] or [""]:
                    wanted.running[_table(progress, progress.stage, model)].add(item["part"])
    return wanted


def _tables(progress: RunProgress) -> Iterator[str]:
    yield from ("candidates", "variants")
    if progress.command == "label":
        for stage in ("respond", "score"):
            yield from (_table(progress, stage, model) for model in progress.models)
        yield _table(progress, "label", "")


def _table(progress: RunProgress, stage: str, model: str) -> str:
    table = TABLE_OF_STAGE[stage]
    return "/".join([table, *([f"task={progress.task}"] if stage != "degrade" else []), *([f"model={model}"] if model else [])])


def _lost_part(name: str) -> tuple[str, int] | None:
    """Table and part that a record of lost work stands for; its file is named after the work."""
    key = PartKey.parse(name.removeprefix("quarantine/").removesuffix(".parquet"))
    if key is None or not key.lost:
        return None
    return table_path(TABLE_OF_STAGE[key.stage], key.part, task=key.task, model=key.model).rpartition("/")[0], key.part


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
