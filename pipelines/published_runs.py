"""Run folders as they are to be published: what they hold, and what an unfinished one lacks."""

from __future__ import annotations

from collections.abc import Sequence

import degradations
from miqd_builder import user_code
from miqd_builder.errors import ConfigError
from miqd_builder.formats.publication.described import PublishedRun, PublishedTask
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.lock import refuse_if_held
from miqd_builder.store.parts import read_footer, read_part
from miqd_builder.store.record import NAME, RunRecord
from miqd_builder.tables import queries
from miqd_builder.tables.lineage import LabelsLineage
from miqd_builder.tables.measures import measured
from miqd_builder.tables.schema import table_path
from miqd_builder.tables.splits import SPLITS, SplitName, split_sources
from miqd_builder.tasks import Task, check_task
from pipelines.progress.status import RunStatus, run_status

MOST_LINES = 12


def open_published_run(url: str, split_seed: int) -> PublishedRun:
    """Look at a run folder; no row of scores or responses is read.

    Args:
        url: of the run folder.
        split_seed: of the splits.

    Raises:
        ConfigError: it holds no labelled run of its own, or labels of several recipes.
        StoreError: it is being written, or damaged.
    """
    folder = RunFolder(url)
    record = RunRecord.load(folder)
    if record is None:
        raise ConfigError(f"'{url}' holds no run (no {NAME}): correct --out.")
    refuse_if_held(folder)
    configs = tuple(c.run_file(folder) for c in record.commands if c.command in ("degrade", "label"))
    tasks = queries.labelled_tasks(folder)
    if not tasks:
        raise ConfigError(f"'{url}' has no labels: run 'miqd label' first.")
    if not configs:
        raise ConfigError(f"'{url}' holds imported labels: only a run that was made here can be published.")
    _register_distortions([module for config in configs for module in config.plugins])
    return PublishedRun(
        url=url,
        record=record,
        configs=configs,
        tasks=tuple(_task(folder, record, check_task(task)) for task in tasks),
        measures=tuple(measured(folder)),
        splits=_splits(folder, record, split_seed),
        missing=tuple(_missing(run_status(folder))),
    )


def _register_distortions(modules: Sequence[str]) -> None:
    try:
        for module in dict.fromkeys(modules):
            degradations.load_plugin(module, user_code.load)
        degradations.load_installed(user_code.load)
    except degradations.PluginError as error:
        raise ConfigError(str(error)) from None


def _task(folder: RunFolder, record: RunRecord, task: Task) -> PublishedTask:
    parts = [table_path("labels", part, task=task) for part in range(len(record.parts))]
    parts = [part for part in parts if folder.exists(part)]
    recipes: dict[str, None] = {}
    for part in parts:
        recipes |= dict.fromkeys(read_part(folder, part, ["recipe"])["recipe"].unique().to_pylist())
    if len(recipes) != 1:
        raise ConfigError(
            f"'{folder.url}' has labels of task {task} by {len(recipes)} recipes ({', '.join(recipes)}), which are not one "
            f"data set: run 'miqd label --task {task}' again, which brings all of them to one recipe."
        )
    footer = read_footer(folder, parts[0])
    lineage = footer.lineage if footer else None
    weights = dict(lineage.weights) if isinstance(lineage, LabelsLineage) else {}
    return PublishedTask(task, tuple(queries.models_with(folder, "scores", task)), next(iter(recipes)), weights)


def _splits(folder: RunFolder, record: RunRecord, seed: int) -> dict[SplitName, tuple[str, ...]]:
    """Sources that have variants by split, in the order of the parts."""
    everything = [source_id for part in record.parts for source_id in part]
    chosen = split_sources(everything, seed=seed)
    split_of = {source_id: name for name, ids in chosen.items() for source_id in ids}
    there: set[str] = set()
    for part in range(len(record.parts)):
        name = table_path("variants", part)
        if folder.exists(name):
            there |= set(read_part(folder, name, ["source_id"])["source_id"].unique().to_pylist())
    return {split: tuple(i for i in everything if i in there and split_of[i] == split) for split in SPLITS}


def _missing(status: RunStatus) -> list[str]:
    """What a run lacks, a line each, the first of many."""
    lines = []
    for table in status.tables:
        wanted = table.done + table.missing + table.quarantined + table.running
        lacking = wanted - table.done
        # Without candidates the same images are rendered, only slower.
        if lacking and table.name != "candidates":
            lines.append(f"{table.name}: {lacking} of {wanted} parts are missing or lack rows")
    lines += [str(missing) for missing in status.missing_models]
    if status.failures:
        first = status.failures[0]
        lines.append(f"{len(status.failures)} failures in the quarantine, the first: {first.stage} {first.message}"[:300])
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"and {len(lines) - MOST_LINES} more tables"]
    return lines
