"""One HTML file of a run: all label rows, scores by model, and pictures and predictions of a sample of its sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pyarrow as pa

from miqd_builder.errors import ConfigError, MiqdError, StoreError
from miqd_builder.exploring.assembly import assemble
from miqd_builder.exploring.blocks import Blocks, json_block
from miqd_builder.exploring.catalog import IDENTITY, Catalog, catalog_of
from miqd_builder.exploring.numbers import LABEL_COLUMNS, LabelMatrices, label_matrices, model_scores
from miqd_builder.exploring.predictions import MIN_SCORE, MOST
from miqd_builder.exploring.sample import PicturedSources, TaskPredictions, sampled
from miqd_builder.sources.class_names import class_names
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.queries import labelled_tasks, part_names, read_parts
from miqd_builder.tasks import Task, check_task

MOST_BYTES = 30_000_000
"""Size of the file."""
ROOM_FOR_PAGE = 400_000
"""Of it, for the page itself and what it has to know of its data."""

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Explorer:
    """The page, and what is in it.

    Attributes:
        page: the HTML file.
        tasks: labelled tasks.
        rows: label rows.
        sources: sources that have labels.
        pictured: ids of those with pictures, sorted.
        notes: what a reader should know, a line each.
    """

    page: bytes
    tasks: tuple[Task, ...]
    rows: int
    sources: int
    pictured: tuple[str, ...]
    notes: tuple[str, ...]


def build_explorer(folder: RunFolder, record: RunRecord, *, task: Task | None, sources: int, seed: int) -> Explorer:
    """Build the page of a run. Tables are read part by part.

    Args:
        folder: the run folder.
        record: its record.
        task: which one; None for all that have labels.
        sources: how many sources get pictures and predictions, as far as the file has room for them.
        seed: of the choice of sources.

    Raises:
        StoreError: there are no labels, or a part is damaged.
        ConfigError: the labels alone don't fit into the file.
    """
    tasks = [task] if task else [check_task(name) for name in labelled_tasks(folder)]
    if not tasks:
        raise StoreError(f"'{folder.url}' has no labels yet: run 'miqd label --task det' (or cls, ins, seg) first.")
    kinds = ["source_id", *IDENTITY]
    catalog = catalog_of(chain.from_iterable(_labels(folder, name, kinds) for name in tasks), record.degradations)
    order = sampled(catalog.sources, seed)[:sources]
    predictions = [TaskPredictions.of(folder, record, name) for name in tasks]
    blocks, notes = Blocks(), [one.note for one in predictions if one.note]
    labels = {name: label_matrices(_labels(folder, name, LABEL_COLUMNS), catalog) for name in tasks}
    facts = [_task_facts(folder, record, one, catalog, labels[one.task], order, blocks) for one in predictions]
    if blocks.size > MOST_BYTES - ROOM_FOR_PAGE:
        raise ConfigError(
            f"The labels of '{folder.url}' take {blocks.size / 1e6:.0f} MB, the explorer has room for "
            f"{MOST_BYTES / 1e6:.0f}: choose one task with --task, or a run with fewer sources."
        )
    if all(command.command == "import" for command in record.commands):
        notes.append("There are no pictures: the run holds no images, its labels were imported.")
        order = []
    pictured = _pictured(PicturedSources(folder, record, catalog, predictions, blocks), order, blocks, notes)
    name = folder.url.rstrip("/").rsplit("/", 1)[-1]
    page = {
        "run_seed": record.seed,
        "sample_seed": seed,
        "notes": notes,
        "sources": catalog.sources,
        "degradations": [kind.row() for kind in catalog.degradations],
        "pictured": pictured,
        "tasks": facts,
        "limits": {"score": MIN_SCORE, "objects": MOST},
    }
    html = assemble(f"{name}: explorer", f"{json_block(page)}\n{blocks.markup()}")
    ids = tuple(catalog.sources[one["source"]] for one in pictured)
    rows = sum(one.rows for one in labels.values())
    return Explorer(html.encode(), tuple(tasks), rows, len(catalog.sources), ids, tuple(notes))


def _labels(folder: RunFolder, task: Task, columns: Sequence[str]) -> Iterator[pa.Table]:
    return read_parts(folder, part_names(folder, "labels", task=task), columns)


def _task_facts(
    folder: RunFolder,
    record: RunRecord,
    of: TaskPredictions,
    catalog: Catalog,
    labels: LabelMatrices,
    order: Sequence[str],
    blocks: Blocks,
) -> Facts:
    """Add the labels and scores of a task, and return what the page has to know of them."""
    scores = model_scores(folder, of.task, catalog, [catalog.sources.index(source_id) for source_id in order])
    command = record.command("label", of.task)
    config = None if command is None else command.run_file(folder)
    names = class_names(config.source) if config is not None and of.task != "seg" else {}
    return {
        "task": of.task,
        "labels": blocks.add_arrays(labels.values),
        "recipe": ", ".join(labels.recipes),
        "scorers": scores.models,
        "scored": None if len(scores.scored) == len(catalog.sources) else scores.scored,
        "scores": blocks.add_arrays(scores.arrays()) if scores.models else None,
        "models": of.models,
        "names": {str(number): name for number, name in sorted(names.items())},
        "confident": of.confident,
    }


def _pictured(pictures: PicturedSources, order: Iterable[str], blocks: Blocks, notes: list[str]) -> list[Facts]:
    """Add sources until the file is full; sorted by their ids."""
    added, failed = list[Facts](), list[str]()
    for source_id in order:
        before = blocks.length
        try:
            known = pictures.add(source_id)
        except MiqdError as error:
            failed.append(str(error))
            continue
        if blocks.size > MOST_BYTES - ROOM_FOR_PAGE:
            blocks.forget(before)
            notes.append(f"The file has room for the pictures of {len(added)} sources: more would take it beyond 30 MB.")
            break
        added.append(known)
    if failed:
        notes.append(f"No pictures of {len(failed)} sources: {failed[0]}")
    return sorted(added, key=lambda one: int(one["source"]))
