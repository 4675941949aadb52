"""Export a run in a format: all its parts, then the files of the whole run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from miqd_builder.config import RunConfig, load_run
from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.formats.contract import ExportedRun, Format, ImagePlaces
from miqd_builder.formats.registry import format_code, writer_of
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer, read_part
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.lineage import LabelsLineage
from miqd_builder.tables.schema import table_path
from miqd_builder.tables.splits import validation_sources
from miqd_builder.tasks import Task, check_task
from pipelines.context import Context, open_context
from pipelines.progress.bar import progress
from pipelines.schedulers import open_scheduler
from pipelines.stages.export_part import export_part, link_or_copy
from pipelines.stages.items import ExportPart


@dataclass(frozen=True, slots=True)
class Split:
    """How sources are divided into training and validation.

    Attributes:
        fraction: share of the validation split, 0..1.
        seed: of the split.
    """

    fraction: float
    seed: int


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What an export of one task wrote.

    Attributes:
        sources: source images.
        images: degraded images; 0 in a format of labels alone.
        new: degraded images that were not there before.
        train, val: sources of the splits.
        left_out: sources in neither split, because they have no ground truth.
        failed: parts that failed, with their error.
    """

    sources: int
    images: int
    new: int
    train: int
    val: int
    left_out: int
    failed: tuple[str, ...]


def recorded_config(url: str, task: str, settings: list[str], **options: Any) -> RunConfig:
    """Return the run file that a run folder's labels of a task were made with, changed by settings and options.

    Raises:
        ConfigError: the folder has no run, or no labels of the task.
    """
    record = RunRecord.load(RunFolder(url))
    made = record.command("label", check_task(task)) if record else None
    if made is None:
        raise ConfigError(f"'{url}' has no labels for task {task} that were made here: run 'miqd label --task {task}' first.")
    return load_run(
        None, settings=settings, **{**made.config, "out": url, **{k: v for k, v in options.items() if v is not None}}
    )


def export_run(config: RunConfig, task: Task, to: Path, split: Split, form: Format, *, images: bool = True) -> ExportSummary:
    """Write the labels and images of one task in a format; what is there already is kept.

    Args:
        config: run file of a labelled run; its scheduler renders the images of a run that kept none.
        task: one that the format has.
        to: folder that everything goes below.
        split: how to divide the sources.
        form: the format.
        images: whether images are written too, in a format that has them.

    Raises:
        ConfigError: the run has no labels of the task, or the images there are another run's.
        StoreError: something of the run is missing.
    """
    writer = writer_of(form)
    context = open_context(config)
    known = _composite_known(context, task)
    if writer.images and images:
        _check_distinct(context, task, known, writer.images)
        _claim_images(context, task, to, writer.images)
    parts = [p for p in range(len(context.record.parts)) if context.folder.exists(table_path("labels", p, task=task))]
    code = format_code(form.name)
    items = [
        ExportPart(run=context.planned, part=part, task=task, form=form.name, code=code, to=to, images=images) for part in parts
    ]
    rows = sum(rows for _, rows in known.values())
    new, failed = _write_parts(context, items, rows)
    run = _exported_run(context, task, parts, known, split)
    for name, content in writer.run_files(run).items():
        _write(to, name, content)
    left_out = len(known) - len(run.train) - len(run.val)
    written = rows if writer.images and images else 0
    return ExportSummary(len(known), written, new, len(run.train), len(run.val), left_out, tuple(failed))


def _write_parts(context: Context, items: Sequence[ExportPart], rows: int) -> tuple[int, list[str]]:
    """Write all parts; returns the number of new images, and what failed."""
    config, new = context.config, 0
    failed: list[str] = []

    def fail(item: ExportPart, error: Exception) -> None:
        failed.append(f"{item.keys[0]}: {type(error).__name__}: {error}")

    with (
        open_scheduler(
            config.scheduler, workers=config.workers, device="cpu", worker_timeout=config.worker_timeout
        ) as scheduler,
        progress(f"export {items[0].task}", rows) as report,
    ):
        scheduler.enter(context.folder)
        for _, result in scheduler.map(export_part, items, on_progress=report, on_failure=fail):
            new += result.computed
    return new, failed


def _write(to: Path, name: str, content: bytes | Path) -> None:
    if isinstance(content, Path):
        link_or_copy(content, to / name)
    else:
        RunFolder(str(to)).write(name, content)


def _composite_known(context: Context, task: Task) -> dict[str, tuple[bool, int]]:
    """Whether each labelled source has a composite, and its number of rows."""
    found: dict[str, tuple[bool, int]] = {}
    for part in range(len(context.record.parts)):
        name = table_path("labels", part, task=task)
        if context.folder.exists(name):
            table = read_part(context.folder, name, ["source_id", "composite"])
            groups = table.group_by("source_id").aggregate([("composite", "count"), ("source_id", "count")])
            for row in groups.to_pylist():
                found[row["source_id"]] = row["composite_count"] > 0, row["source_id_count"]
    if not found:
        raise StoreError(f"'{context.folder.url}' has no labels for task {task}: run 'miqd label --task {task}' first.")
    return found


def _check_distinct(context: Context, task: Task, ids: Iterable[str], places: ImagePlaces) -> None:
    taken: dict[str, str] = {}
    for image in context.part_sources(list(ids)):
        name = places.original(task, image)
        other = taken.setdefault(name, image.source_id)
        if other != image.source_id:
            raise ConfigError(f"Images '{other}' and '{image.source_id}' would both become '{name}': rename one of them.")


def _claim_images(context: Context, task: Task, to: Path, places: ImagePlaces) -> None:
    """Refuse to put a run's labels beside another run's images."""
    folder, name = RunFolder(str(to)), places.record(task)
    mine = {"seed": context.record.seed, "roi": context.record.roi, "source": context.config.source.kind}
    if folder.exists(name):
        there = json.loads(folder.read(name))
        if there != mine:
            where = folder.path(name).removesuffix(f"/{PurePosixPath(name).name}")
            raise ConfigError(f"'{where}' holds images of another run ({there}, this one has {mine}): choose another --to.")
        return
    folder.write(name, json.dumps(mine).encode())


def _exported_run(
    context: Context, task: Task, parts: Sequence[int], known: Mapping[str, tuple[bool, int]], split: Split
) -> ExportedRun:
    """Describe the labels and split the sources; those without accuracy are in neither split if others have it."""
    usable = sorted(i for i, (has_composite, _) in known.items() if has_composite) or sorted(known)
    val = validation_sources(usable, fraction=split.fraction, seed=split.seed)
    tables = [table_path("labels", part, task=task) for part in parts]
    footer = read_footer(context.folder, tables[0])

    def labels() -> Iterator[pa.Table]:
        return (read_part(context.folder, table) for table in tables)

    lineage = footer.lineage if footer else None
    return ExportedRun(
        task=task,
        url=context.folder.url,
        record=context.record,
        source=context.config.source,
        images={image.source_id: image for image in context.part_sources(sorted(known))},
        labels=labels,
        train=tuple(i for i in usable if i not in val),
        val=tuple(i for i in usable if i in val),
        val_fraction=split.fraction,
        split_seed=split.seed,
        recipes=tuple(pc.unique(read_part(context.folder, tables[0], ["recipe"])["recipe"]).to_pylist()),
        weights=dict(lineage.weights) if isinstance(lineage, LabelsLineage) else {},
    )
