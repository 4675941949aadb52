"""``miqd status``: what is done, running, missing and quarantined, for each task and model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from miqd_builder.roi.stored import mask_path
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.footers import Footers
from miqd_builder.store.keys import CommandKey, PartKey
from miqd_builder.store.quarantine import Failure, read_failures
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.missing_models import MissingModels, missing_models
from miqd_builder.tables.schema import part_name, table_path
from pipelines.progress.heartbeat import RunProgress, read_progress

TABLE_OF_STAGE = {"degrade": "variants", "respond": "responses", "score": "scores", "label": "labels", "measure": "measures"}


@dataclass
class TableStatus:
    """State of one table.

    A table is ``candidates``, ``variants``, ``measures`` of a measure, or ``responses``, ``scores`` or ``labels`` of a task and
    model.

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


@dataclass(frozen=True)
class RunStatus:
    """State of a run folder.

    Attributes:
        url: of the folder.
        images: number of source images.
        degradations: number of degradations.
        seed: run seed.
        roi: kind of the ROI masks.
        masks: number of source images whose ROI mask is stored.
        tables: of every table that is wanted or there.
        missing_models: tasks whose labels are of fewer models than were asked for.
        commands: what each command does now or did last.
        alive: the commands that are running.
        failures: what is quarantined; the next run tries it again.
    """

    url: str
    images: int
    degradations: int
    seed: int
    roi: str
    masks: int
    tables: tuple[TableStatus, ...]
    missing_models: tuple[MissingModels, ...]
    commands: dict[CommandKey, RunProgress]
    alive: frozenset[CommandKey]
    failures: tuple[Failure, ...]


def run_status(folder: RunFolder) -> RunStatus:
    """Return the state of a run folder that holds a run."""
    record = RunRecord.load(folder)
    assert record is not None
    sources = {mask_path(source_id) for part in record.parts for source_id in part}
    commands = read_progress(folder)
    alive = {name for name, progress in commands.items() if progress.alive(folder)}
    return RunStatus(
        url=folder.url,
        images=len(sources),
        degradations=len(record.degradations),
        seed=record.seed,
        roi=record.roi,
        masks=len(sources.intersection(folder.list("roi/*.png"))),
        tables=tuple(table_status(folder, commands.values(), alive)),
        missing_models=tuple(missing_models(folder)),
        commands=commands,
        alive=frozenset(alive),
        failures=tuple(read_failures(folder)),
    )


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
        "measures/*/*.parquet",
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
    elif progress.command == "measure":
        yield from (_table(progress, "measure", measure) for measure in progress.models)


def _table(progress: RunProgress, stage: str, model: str) -> str:
    table = TABLE_OF_STAGE[stage]
    if stage == "measure":
        return f"{table}/measure={model}"
    return "/".join([table, *([f"task={progress.task}"] if stage != "degrade" else []), *([f"model={model}"] if model else [])])


def _lost_part(name: str) -> tuple[str, int] | None:
    """Table and part that a record of lost work stands for; its file is named after the work."""
    key = PartKey.parse(name.removeprefix("quarantine/").removesuffix(".parquet"))
    if key is None or not key.lost:
        return None
    if key.stage == "measure":
        # Its name may begin like a task's.
        return f"{TABLE_OF_STAGE[key.stage]}/measure={'-'.join(filter(None, (key.task, key.model)))}", key.part
    return table_path(TABLE_OF_STAGE[key.stage], key.part, task=key.task, model=key.model).rpartition("/")[0], key.part
