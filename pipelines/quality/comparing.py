"""Compare trained networks and measures on the photographs that no network has seen, which alone are scored."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from machine_iqa.data.batches import one_thread
from machine_iqa.evaluation.learned import Learned, all_learned
from machine_iqa.evaluation.pooled import pooled_tasks
from machine_iqa.evaluation.report import write_evaluation
from machine_iqa.evaluation.run import evaluate_pooled
from machine_iqa.training.files import SCORES, source_key
from machine_iqa.training.run import best_file
from miqd_builder.benchmarking.directions import PSNR
from miqd_builder.benchmarking.joined import TaskTable
from miqd_builder.errors import ConfigError
from miqd_builder.measures import create_measure
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.run_images import RunImages
from miqd_builder.tables.schema import ORIGINAL

KEY = ("source_id", "degradation")
TOGETHER = 8
"""Images of a source that a measure gets at a time."""


def compare(trainings: Sequence[Path], runs: Sequence[Path], measures: Sequence[str], work: Path, *, workers: int) -> Path:
    """Score the images that none of the trainings has seen by their networks and by measures, and write ``evaluation.md``.

    Measures are kept in ``work``, a file a run, and not computed again.

    Args:
        trainings: folders of finished trainings on the same split of the same runs.
        runs: run folders with the labels.
        measures: names of full-reference measures, beside PSNR.
        work: folder for measures and report.
        workers: processes that compute measures.

    Returns:
        the page.
    """
    models = all_learned([str(best_file(training)) for training in trainings])
    seen = {key for model in models for key in model.training["seen"]}
    work.mkdir(parents=True, exist_ok=True)
    tables = [scores(training, model) for training, model in zip(trainings, models, strict=True)]
    tables.append(pa.concat_tables(measured(runs, seen, tuple(measures), work, workers)))
    pooled = [
        replace(one, table=with_columns(one.table, tables))
        for one in pooled_tasks([str(run) for run in runs], [PSNR], seen, None, 0)
    ]
    return write_evaluation(evaluate_pooled(pooled, models, "sources that no model has learned from"), work)


def scores(training: Path, model: Learned) -> pa.Table:
    """Return what a training's best weights say of its test split: a column a measure of :class:`.learned.Learned`.

    Raises:
        ConfigError: the training hasn't ended.
    """
    file = training / SCORES
    if not file.exists():
        raise ConfigError(f"'{training}' holds no {SCORES}: train to the end first.")
    found = pq.ParquetFile(file).read()
    columns = {name: found[name] for name in KEY}
    for (task, label), measure in model.measures.items():
        predicted = f"{task}_{label}" in found.column_names
        own = [f"{task}_{one}" for one in ((label,) if predicted else ("consistency", "accuracy"))]
        columns[measure.name] = pa.array(np.mean([found[name].to_numpy().astype(np.float64) for name in own], axis=0))
    return pa.table(columns)


def measured(runs: Sequence[Path], seen: set[str], measures: tuple[str, ...], work: Path, workers: int) -> Iterator[pa.Table]:
    """Yield the measures of the sources that nobody has seen, a table a run."""
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), one_thread, (0,)) as pool:
        waiting = {}
        for run in runs:
            file = work / f"{run.name}-measures.parquet"
            if not _measured(file, unseen_sources(run, seen), measures):
                waiting[pool.submit(measure_run, run, seen, measures, file)] = run
        for number, done in enumerate(as_completed(waiting), 1):
            print(f"measure: {number}/{len(waiting)} runs, {waiting[done].name}: {done.result()} images", flush=True)
    for run in runs:
        yield pq.ParquetFile(work / f"{run.name}-measures.parquet").read()


def measure_run(run: Path, seen: set[str], measures: Sequence[str], file: Path) -> int:
    """Compute measures of the unseen sources of a run; returns the number of images."""
    folder, record = _opened(run)
    images = RunImages(folder, record)
    computed = [create_measure(name) for name in measures]
    keys: list[tuple[str, str]] = []
    values: list[list[np.ndarray]] = [[] for _ in measures]
    for source_id in unseen_sources(run, seen):
        reference = images.read(source_id, ORIGINAL)
        for at in range(0, len(record.degradations), TOGETHER):
            named = list(images.several(source_id, record.degradations[at : at + TOGETHER]))
            pixels = np.stack([image for _, image in named])
            keys += [(source_id, name) for name, _ in named]
            for column, measure in zip(values, computed, strict=True):
                column.append(measure(pixels, reference))
    columns: dict[str, pa.Array] = {name: pa.array([key[place] for key in keys], pa.string()) for place, name in enumerate(KEY)}
    for name, column in zip(measures, values, strict=True):
        columns[name] = pa.array(np.concatenate(column) if column else np.empty(0))
    _write(pa.table(columns), file)
    return len(keys)


def unseen_sources(run: Path, seen: set[str]) -> list[str]:
    """Return the sources of a run that nobody has seen."""
    return [one for part in _opened(run)[1].parts for one in part if source_key(one) not in seen]


def _opened(run: Path) -> tuple[RunFolder, RunRecord]:
    folder = RunFolder(str(run))
    record = RunRecord.load(folder)
    assert record is not None
    return folder, record


def _measured(file: Path, sources: Sequence[str], measures: Sequence[str]) -> bool:
    """Whether a file has these measures of these sources, and of no others: the split may have changed since."""
    if not file.exists() or set(pq.read_schema(file).names) != {*KEY, *measures}:
        return False
    return set(pq.ParquetFile(file).read(["source_id"])["source_id"].to_pylist()) == set(sources)


def with_columns(table: TaskTable, others: Sequence[pa.Table]) -> TaskTable:
    """Return a task's table with the measures of other tables; NaN where these lack an image."""
    keys = list(zip(*(table.rows[name].to_pylist() for name in KEY), strict=True))
    added = {}
    for other in others:
        place = {key: row for row, key in enumerate(zip(*(other[name].to_pylist() for name in KEY), strict=True))}
        rows = np.array([place.get(key, -1) for key in keys])
        for name in other.column_names:
            if name not in KEY:
                added[name] = np.where(rows < 0, np.nan, other[name].to_numpy()[rows].astype(np.float64))
    return replace(table, measures=table.measures | added)


def _write(table: pa.Table, file: Path) -> None:
    unfinished = file.with_name(f".{file.name}.part")
    pq.write_table(table, unfinished)
    unfinished.replace(file)
