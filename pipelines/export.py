"""A run in the published form: what is to be written, all parts of it, and the splits."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from miqd_builder.config import RunConfig, load_run
from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.formats import published
from miqd_builder.formats.writing import split_csv, validation_sources
from miqd_builder.sources import SourceImage
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.lineage import LabelsLineage
from miqd_builder.store.parts import read_footer, read_part
from miqd_builder.store.record import RunRecord
from miqd_builder.store.schema import table_path
from miqd_builder.tasks import check_task
from pipelines.context import Context, open_context
from pipelines.export_part import export_part, place
from pipelines.items import ExportPart
from pipelines.model_part import class_index
from pipelines.progress import progress
from pipelines.schedulers import open_scheduler

IMAGES_RECORD = "images.json"
"""Beside the images of a tree: what decided their pixels. Labels of another run must not stand beside them."""


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
        tree: folder of the labels.
        sources: source images.
        images: degraded images.
        new: degraded images that were not there before.
        train, val: sources of the splits.
        left_out: sources in neither split, for want of ground truth.
        failed: parts that failed, with their error.
    """

    tree: Path
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


def export_run(config: RunConfig, task: str, to: Path, split: Split) -> ExportSummary:
    """Write the labels and images of one task in the published form; what is there already is kept.

    Args:
        config: run file of a labelled run; its scheduler renders the images of a run that kept none.
        task: cls, det or ins.
        to: folder that holds the trees ``miqa_cls``, ``miqa_det`` and ``miqa_ins``.
        split: how to divide the sources.

    Raises:
        ConfigError: the run has no labels of the task, or the images there are another run's.
        StoreError: something of the run is missing.
    """
    published.check_published_task(task)
    context = open_context(config)
    known = _composite_known(context, task)
    _check_distinct(task, known)
    _claim_images(context, task, to)
    images = sum(rows for _, rows in known.values())
    parts = [p for p in range(len(context.record.parts)) if context.folder.exists(table_path("labels", p, task=task))]
    items = [ExportPart(run=context.planned, part=part, task=check_task(task), to=to) for part in parts]
    new, failed = 0, []

    def fail(item: ExportPart, error: Exception) -> None:
        failed.append(f"{item.keys[0]}: {type(error).__name__}: {error}")

    with (
        open_scheduler(
            config.scheduler,
            workers=config.workers,
            device="cpu",
            folder=context.folder,
            worker_timeout=config.worker_timeout,
        ) as scheduler,
        progress(f"export {task}", images) as report,
    ):
        for _, result in scheduler.map(export_part, items, on_progress=report, on_failure=fail):
            new += result.computed
    _write_annotations(context, task, to)
    val, train = _write_splits(context, task, to, known, split)
    _write_record(context, task, to / published.tree(task), split, parts)
    return ExportSummary(
        to / published.tree(task), len(known), images, new, train, val, len(known) - train - val, tuple(failed)
    )


def _composite_known(context: Context, task: str) -> dict[str, tuple[bool, int]]:
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


def _check_distinct(task: str, ids: Mapping[str, Any]) -> None:
    stems: dict[str, str] = {}
    for source_id in ids:
        other = stems.setdefault(published.stem(task, source_id), source_id)
        if other != source_id:
            raise ConfigError(
                f"Images '{other}' and '{source_id}' would share the name '{published.stem(task, source_id)}' in the published "
                "form: rename one of them."
            )


def _claim_images(context: Context, task: str, to: Path) -> None:
    """Refuse to put a run's labels beside another run's images."""
    folder = RunFolder(str(to / published.image_tree(task)))
    mine = {"seed": context.record.seed, "roi": context.record.roi, "source": context.config.source.kind}
    if folder.exists(IMAGES_RECORD):
        there = json.loads(folder.read(IMAGES_RECORD))
        if there != mine:
            raise ConfigError(
                f"'{folder.url}' holds images of another run ({there}, this one has {mine}): choose another --to."
            )
        return
    folder.write(IMAGES_RECORD, json.dumps(mine).encode())


def _write_annotations(context: Context, task: str, to: Path) -> None:
    """Detection's readers look up the category of each image in COCO's annotations."""
    if task == "cls":
        return
    target = to / published.image_tree(task) / "additional_info" / "instances_val2017.json"
    if context.config.source.annotations is not None:
        place(context.config.source.annotations, target)
    else:
        nothing: dict[str, list[Any]] = {"images": [], "annotations": [], "categories": []}
        RunFolder(str(target.parent)).write(target.name, json.dumps(nothing).encode())


def _write_splits(
    context: Context, task: str, to: Path, known: Mapping[str, tuple[bool, int]], split: Split
) -> tuple[int, int]:
    """Write the two lists and return their lengths, val first; sources without accuracy are in neither if others have it."""
    usable = sorted(i for i, (has_composite, _) in known.items() if has_composite) or sorted(known)
    val = validation_sources(usable, fraction=split.fraction, seed=split.seed)
    quality = _quality(context.config) if task == "cls" else {}
    lists = {"train": [i for i in usable if i not in val], "val": [i for i in usable if i in val]}
    for name, ids in lists.items():
        rows = [_split_row(context, task, context.sources.by_id[i], quality) for i in ids]
        RunFolder(str(to)).write(f"dataset_splitting/{published.tree(task)}_{name}.csv", split_csv(task, rows))
    return len(lists["val"]), len(lists["train"])


def _split_row(context: Context, task: str, source: SourceImage, quality: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
    if task != "cls":
        return (published.stem(task, source.source_id),)
    folder_is_class = context.config.source.labels is None
    category = source.path.parent.name if folder_is_class else str(class_index(source))
    return source.path.name, *quality.get(source.source_id, (category, ""))


def _quality(config: RunConfig) -> dict[str, tuple[str, str]]:
    """Category and quality score by source id, where the run file names the quality CSV."""
    if config.source.quality is None:
        return {}
    with config.source.quality.open(newline="", encoding="utf-8-sig") as file:
        return {Path(row["Image Name"]).stem: (row["Category"], row["Quality Score"]) for row in csv.DictReader(file)}


def _write_record(context: Context, task: str, tree: Path, split: Split, parts: list[int]) -> None:
    """State what the labels are and how the split was made."""
    footer = read_footer(context.folder, table_path("labels", parts[0], task=task))
    lineage = footer.lineage if footer else None
    labels = read_part(context.folder, table_path("labels", parts[0], task=task), ["recipe"])
    content = {
        "format": "miqd",
        "run": context.folder.url,
        "seed": context.record.seed,
        "recipe": pc.unique(labels["recipe"]).to_pylist(),
        "model_weights": dict(lineage.weights) if isinstance(lineage, LabelsLineage) else {},
        "validation_fraction": split.fraction,
        "split_seed": split.seed,
        "versions": context.record.versions,
    }
    RunFolder(str(tree)).write("export.json", json.dumps(content, indent=1).encode())
