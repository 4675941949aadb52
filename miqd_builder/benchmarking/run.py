"""The benchmark of a whole run folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from miqd_builder.auditing.label_statistics import obstacles
from miqd_builder.benchmarking.directions import lower_better
from miqd_builder.benchmarking.joined import TaskTable, chosen_measures, measured, read_task
from miqd_builder.benchmarking.records import benchmark_task
from miqd_builder.benchmarking.report import TaskBenchmark
from miqd_builder.correlation.draws import RESAMPLES
from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.queries import labelled_tasks
from miqd_builder.tables.splits import check_split, split_sources


@dataclass(frozen=True)
class Selection:
    """Which images are compared with what.

    Attributes:
        measures: names; None for all with values.
        split: ``test``, ``validation`` or ``train``; None for all sources.
        split_seed: of the split.
    """

    measures: Sequence[str] | None = None
    split: str | None = None
    split_seed: int = 0

    @property
    def words(self) -> str:
        """Which sources, in words."""
        return "all sources" if self.split is None else f"sources of split {self.split} (seed {self.split_seed})"


def task_tables(folder: RunFolder, tasks: Sequence[str] | None, selection: Selection) -> Iterator[TaskTable]:
    """Yield the labels of each task with the measures; nothing is read before everything is checked.

    Args:
        folder: the run folder.
        tasks: None for all that have labels.
        selection: which images and measures.

    Raises:
        ConfigError: a measure or the split is unknown, or there is no run.
        StoreError: there are no labels, or no values of a measure.
    """
    sources = _sources(folder, selection)
    chosen = list(tasks) if tasks else labelled_tasks(folder)
    if not chosen or any(task not in labelled_tasks(folder) for task in chosen):
        there = measured(folder)
        has = f" has measures ({', '.join(there)}) but" if there else " has"
        of_task = f" for task {chosen[0]}" if chosen else ""
        raise StoreError(
            f"'{folder.url}'{has} no labels{of_task}: run 'miqd label --task {chosen[0] if chosen else 'det'}' first."
        )
    measures = chosen_measures(folder, selection.measures)
    for task in chosen:
        table = read_task(folder, task, measures)
        if sources is not None:
            table = table.of_sources(sources)
        if not table.rows.num_rows:
            raise StoreError(f"'{folder.url}' has no labels for task {task} among {selection.words}.")
        yield table


def benchmark_table(
    folder: RunFolder, table: TaskTable, selection: Selection, *, resamples: int = RESAMPLES, seed: int = 0
) -> TaskBenchmark:
    """Return the benchmark of one task.

    Args:
        folder: the run folder.
        table: from :func:`task_tables`.
        selection: what the table holds.
        resamples: bootstrap draws.
        seed: of the draws and of the halvings of the models.
    """
    sources = len(table.rows["source_id"].unique())
    return TaskBenchmark(
        task=table.task,
        images=table.rows.num_rows,
        sources=sources,
        basis=f"{selection.words}, {resamples} bootstrap draws of sources with seed {seed}",
        records=tuple(benchmark_task(folder, table, resamples=resamples, seed=seed)),
        notes=tuple(_notes(table)),
        obstacles=tuple(obstacles(table.task, table.rows, sources)),
    )


def _sources(folder: RunFolder, selection: Selection) -> list[str] | None:
    if selection.split is None:
        return None
    name = check_split(selection.split)
    record = RunRecord.load(folder)
    if record is None:
        raise ConfigError(f"'{folder.url}' holds no run: run 'miqd degrade' or 'miqd label' first.")
    ids = (source_id for part in record.parts for source_id in part)
    return split_sources(ids, seed=selection.split_seed)[name]


def _notes(table: TaskTable) -> Iterator[str]:
    for measure, values in table.measures.items():
        if lower_better(measure) is None:
            yield f"{measure} has no record: more is taken as better."
        if not (values == values).any():
            yield f"{measure} has no value for any of these images."
    for label, values in table.labels.items():
        if not (values == values).any():
            yield f"There is no {label} for any of these images."
