"""The evaluation of quality models beside classical measures, on the labels of one or several run folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from machine_iqa.evaluation.held_out import HeldOutRecord, held_out_records
from machine_iqa.evaluation.learned import Learned
from machine_iqa.evaluation.pooled import Pooled, pooled_tasks
from machine_iqa.evaluation.twins import TwinRecord, twin_records
from miqd_builder.auditing.label_statistics import obstacles
from miqd_builder.benchmarking.filtering import Filtering, filter_scores
from miqd_builder.benchmarking.records import BenchmarkRecord, compare
from miqd_builder.benchmarking.report import TaskBenchmark
from miqd_builder.benchmarking.subsets import ALL


@dataclass(frozen=True)
class TransferRecord:
    """How well scores that a model learned for one task serve another.

    Attributes:
        model: its name.
        label: consistency, accuracy or composite.
        train_task, test_task: what the scores are of, and what the labels are of.
        n, srcc, srcc_low, srcc_high: as in :class:`miqd_builder.benchmarking.records.BenchmarkRecord`.
    """

    model: str
    label: str
    train_task: str
    test_task: str
    n: int
    srcc: float
    srcc_low: float
    srcc_high: float


@dataclass(frozen=True)
class Evaluation:
    """What ``miqd evaluate`` found.

    Attributes:
        tasks: the benchmark of each task.
        filtering: filtering curves, of tasks with scores of models.
        transfer: every train task against every test task.
        held_out: labels of half of the models.
        twins: ROI- against background-dominated degradations.
    """

    tasks: tuple[TaskBenchmark, ...]
    filtering: tuple[Filtering, ...]
    transfer: tuple[TransferRecord, ...]
    held_out: tuple[HeldOutRecord, ...]
    twins: tuple[TwinRecord, ...]


def evaluate_models(
    urls: Sequence[str],
    models: Sequence[Learned],
    *,
    measures: Sequence[str] | None = None,
    split: str | None = None,
    split_seed: int = 0,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Compare the scores of models, which are measures of the runs already, and other measures with the labels.

    Sources that any of the models has learned from, or was chosen on, are left out.

    Args:
        urls: of the run folders; all that have a task are taken together.
        models: the quality models.
        measures: names of others; None for all that are there.
        split: take only the sources of ``test``, ``validation`` or ``train`` among those left.
        split_seed: of the split.
        resamples: bootstrap draws.
        seed: of the draws, and of the halvings of the models.

    Raises:
        ConfigError: a measure is nowhere, or no source is left.
        StoreError: there are no labels, or a part is damaged.
    """
    own = [measure.name for model in models for measure in model.measures.values()]
    seen = {key for model in models for key in model.training.get("seen", ())}
    chosen = None if measures is None else list(dict.fromkeys([*own, *measures]))
    words = "sources that no model has learned from" if seen else "all sources"
    words += f", split {split} (seed {split_seed})" if split else ""
    return evaluate_pooled(pooled_tasks(urls, chosen, seen, split, split_seed), models, words, resamples=resamples, seed=seed)


def evaluate_pooled(
    pooled: Sequence[Pooled], models: Sequence[Learned], words: str, *, resamples: int = 1000, seed: int = 0
) -> Evaluation:
    """Compare the measures of tables with their labels, and those of quality models among them also across tasks.

    Args:
        pooled: a table a task.
        models: the quality models whose measures the tables hold.
        words: what sources they are of.
        resamples: bootstrap draws.
        seed: of the draws, and of the halvings of the models.
    """
    options = {"resamples": resamples, "seed": seed}
    tasks = [_benchmark(one, f"{words}; {resamples} bootstrap draws of sources with seed {seed}", options) for one in pooled]
    return Evaluation(
        tuple(tasks),
        tuple(curve for one in pooled if one.weights for curve in _filtering(one)),
        tuple(transfer_records([record for task in tasks for record in task.records], models)),
        tuple(record for one in pooled for record in held_out_records(one, models, **options)),
        tuple(record for one in pooled for record in twin_records(one.table, **options)),
    )


def transfer_records(records: Sequence[BenchmarkRecord], models: Sequence[Learned]) -> list[TransferRecord]:
    """Return every train task against every test task, for the same label, from the benchmark's records."""
    predicts = {m.name: (model.name, task, label) for model in models for (task, label), m in model.measures.items()}
    found = []
    for one in records:
        model, task, label = predicts.get(one.measure, ("", "", ""))
        if one.subset == ALL and label == one.label:
            found.append(TransferRecord(model, label, task, one.task, one.n, one.srcc, one.srcc_low, one.srcc_high))
    return sorted(found, key=lambda one: (one.model, one.label, one.train_task, one.test_task))


def _filtering(pooled: Pooled) -> list[Filtering]:
    return filter_scores(pooled.table, sorted(pooled.weights), pooled.outcomes())


def _benchmark(pooled: Pooled, basis: str, options: dict[str, int]) -> TaskBenchmark:
    table = pooled.table
    sources = len(table.rows["source_id"].unique())
    records = tuple(compare(table, pooled.ceilings(options["seed"]), **options))
    known = tuple(obstacles(table.task, table.rows, sources))
    return TaskBenchmark(table.task, table.rows.num_rows, sources, basis, records, (), known)
