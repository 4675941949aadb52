"""Labels, measures and scores of several run folders as one table a task."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from machine_iqa.data.halves import labels_of_models
from machine_iqa.training.files import source_key
from miqd_builder.benchmarking.baselines import degradation_mean
from miqd_builder.benchmarking.ceilings import Ceilings, ceilings
from miqd_builder.benchmarking.directions import PSNR
from miqd_builder.benchmarking.filtering import OUTCOMES
from miqd_builder.benchmarking.joined import TaskTable, codes, measured, read_task
from miqd_builder.benchmarking.model_scores import score_matrices, voters
from miqd_builder.benchmarking.subsets import subset_rows
from miqd_builder.correlation.pairs import Floats
from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import labelled_tasks
from miqd_builder.tables.splits import check_split, split_sources


@dataclass(frozen=True)
class Pooled:
    """One task of several run folders.

    Attributes:
        table: labels and measures of the sources that count.
        folders: the run folders that have the task.
        weights: of the models that labelled, by name.
        share: of consistency in the composite.
    """

    table: TaskTable
    folders: tuple[RunFolder, ...]
    weights: dict[str, float]
    share: float

    def scores(self, models: Sequence[str], columns: Sequence[str]) -> dict[str, np.ndarray]:
        """Return columns of the scores by label row, float32 ``(rows, models)``; NaN where a model has none."""
        found = [score_matrices(folder, self.table.task, models, self.table.rows, columns) for folder in self.folders]
        return {name: _first_known([one[name] for one in found]) for name in columns}

    def outcomes(self) -> dict[str, np.ndarray]:
        """Return what each model reached, see :data:`miqd_builder.benchmarking.filtering.OUTCOMES`."""
        return self.scores(sorted(self.weights), list(OUTCOMES[self.table.task].values()))

    def ceilings(self, seed: int) -> Ceilings:
        """Return the noise ceiling of every label in every subset; empty without the scores of two models."""
        names = sorted(self.weights)
        if len(names) < 2:
            return {}
        found = self.scores(names, ["consistency", "accuracy"])
        weights = np.array([self.weights[name] for name in names], np.float64)
        subsets = subset_rows(self.table.rows)
        return ceilings(found["consistency"], found["accuracy"], weights, self.share, subsets, seed=seed)

    def labels_of(self, models: Collection[str]) -> dict[str, Floats]:
        """Return the labels that some of the models give, float64 ``(rows,)`` by label."""
        found = [labels_of_models(folder, self.table.task, self.table.rows, models) for folder in self.folders]
        return {str(name): _first_known([one[name] for one in found]) for name in found[0]}


def pooled_tasks(
    urls: Sequence[str], measures: Sequence[str] | None, seen: Collection[str], split: str | None, split_seed: int
) -> list[Pooled]:
    """Read every task that any of the run folders has labels of.

    Args:
        urls: of the run folders.
        measures: names; None for all that are there.
        seen: keys of the sources that a model has learned from, which are left out.
        split: take only the sources of ``test``, ``validation`` or ``train``; None for all that are left.
        split_seed: of the split.

    Raises:
        ConfigError: two runs have labels of one source for one task, a measure is nowhere, or no source is left.
        StoreError: there are no labels, or a part is damaged.
    """
    folders = [RunFolder(url) for url in urls]
    tasks = sorted({task for folder in folders for task in labelled_tasks(folder)})
    if not tasks:
        raise StoreError(f"{', '.join(urls)}: no labels. Run 'miqd label' first.")
    known = list(dict.fromkeys([PSNR, *(name for folder in folders for name in measured(folder))]))
    for name in measures or ():
        if name not in known:
            raise ConfigError(f"No run has measure '{name}': run 'miqd measure --measures {name}' first, or leave it out.")
    names = [name for name in known if not measures or name in measures]
    return [_pooled([f for f in folders if task in labelled_tasks(f)], task, names, seen, split, split_seed) for task in tasks]


def _pooled(
    folders: Sequence[RunFolder], task: str, names: Sequence[str], seen: Collection[str], split: str | None, split_seed: int
) -> Pooled:
    tables = [read_task(folder, task, [n for n in names if n == PSNR or n in measured(folder)]) for folder in folders]
    rows = pa.concat_tables([table.rows for table in tables], promote_options="permissive").combine_chunks()
    ids = [set(table.rows["source_id"].to_pylist()) for table in tables]
    twice = [source_id for source_id in set().union(*ids) if sum(source_id in one for one in ids) > 1]
    if twice:
        raise ConfigError(f"Two runs have labels of source '{min(twice)}' for task {task}: evaluate one of them.")
    labels = {name: np.concatenate([table.labels[name] for table in tables]) for name in tables[0].labels}
    values = {name: np.concatenate([_or_nan(table, name) for table in tables]) for name in names}
    degradation_of = codes(rows["degradation"])
    baselines = {name: degradation_mean(column, degradation_of) for name, column in labels.items()}
    kept = [source_id for source_id in sorted(set().union(*ids)) if source_key(source_id) not in seen]
    if split is not None:
        chosen = split_sources(set().union(*ids), seed=split_seed)[check_split(split)]
        kept = [source_id for source_id in kept if source_id in set(chosen)]
    if not kept:
        raise ConfigError(f"No source with labels of task {task} is left: a model has learned from all, or the split has none.")
    voting = [voters(folder, task) for folder in folders]
    weights = {name: weight for one in voting for name, weight in one.weights.items()}
    table = TaskTable(task, rows, labels, values, baselines).of_sources(kept)
    return Pooled(table, tuple(folders), weights, voting[0].consistency_share)


def _or_nan(table: TaskTable, name: str) -> Floats:
    return table.measures.get(name, np.full(table.rows.num_rows, np.nan))


def _first_known(arrays: Sequence[np.ndarray]) -> np.ndarray:
    found = arrays[0]
    for other in arrays[1:]:
        found = np.where(np.isnan(found), other, found)
    return found
