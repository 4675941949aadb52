"""Two runs compared: differences of labels and of models on the images that both have, paired by source image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from miqd_builder.auditing.cells import REGIONS, Cells
from miqd_builder.auditing.document import Against, AgainstTask, Record
from miqd_builder.auditing.found import Found
from miqd_builder.auditing.label_means import LABELS, Group
from miqd_builder.auditing.model_means import ModelMeans
from miqd_builder.auditing.models import FIGURES, drawn_figures, extents
from miqd_builder.auditing.provenance import run_facts
from miqd_builder.auditing.resampling import DrawnSums, Resampling, placed, ratio, record
from miqd_builder.auditing.task_rows import Block, TaskFacts, blocks, task_facts
from miqd_builder.errors import StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import labelled_tasks, read_parts

if TYPE_CHECKING:
    import duckdb

NO_LABELS = "the other run has no labels of this task"
NOTHING_SHARED = "the runs share no degraded image of this task"
NO_SHARED_MODEL = "the runs share no model with scores"
NO_LABEL = "no image has it in both runs"

_OTHER = """
    insert into others select s.source, c.cell, consistency_weighted, accuracy_weighted, composite
    from other_part join shared s using (source_id) join cells c using (degradation)
"""
_DIFFERENCES = """
    select l.source, l.cell, l.consistency - o.consistency as consistency, l.accuracy - o.accuracy as accuracy,
           l.composite - o.composite as composite
    from labels l join others o using (source, cell)
"""


def compare_runs(folder: RunFolder, facts: dict[str, TaskFacts], other: RunFolder, *, resamples: int, seed: int) -> Against:
    """Compare this run with another one.

    Args:
        folder: this run.
        facts: of its tasks.
        other: the other run.
        resamples: bootstrap draws.
        seed: of the draws.

    Raises:
        StoreError: the other run has labels of none of the tasks, or a part is damaged.
    """
    there = set(labelled_tasks(other))
    if not there & set(facts):
        raise StoreError(
            f"'{folder.url}' has labels of {', '.join(facts)}, '{other.url}' of "
            f"{', '.join(sorted(there)) or 'none'}: nothing to compare."
        )
    tasks: dict[str, AgainstTask] = {}
    absent = {task: NO_LABELS for task in facts if task not in there}
    parts: list[str] = []
    for task in sorted(there & set(facts)):
        others = task_facts(other, task)
        parts += others.parts
        found = _compare_task(folder, facts[task], other, others, resamples=resamples, seed=seed)
        if found is None:
            absent[task] = NOTHING_SHARED
        else:
            tasks[task] = found
    return Against(run=run_facts(other, parts), tasks=tasks, absent=absent)


def _compare_task(
    folder: RunFolder, facts: TaskFacts, other: RunFolder, others: TaskFacts, *, resamples: int, seed: int
) -> AgainstTask | None:
    shared_cells = Cells(tuple(sorted(set(facts.cells.all) & set(others.cells.all))))
    ids = tuple(sorted(set(facts.source_ids) & set(others.source_ids)))
    models = tuple(sorted(set(facts.models) & set(others.models)))
    if not shared_cells.all or not ids:
        return None
    here, there = (
        replace(side, source_ids=ids, cells=shared_cells, models=models, weights=np.ones(len(models)))
        for side in (facts, others)
    )
    resampling = Resampling.draw(len(ids), len(models), resamples=resamples, seed=seed)
    sums, scores = (
        DrawnSums(resampling, len(shared_cells), len(LABELS)),
        [ModelMeans(side, resampling) for side in (here, there)],
    )
    joint = 0
    for block in blocks(folder, here):
        _load_other(block.database, other, there)
        joint += _add(block, sums)
        scores[0].collect(block)
    if not joint:
        return None
    for block in blocks(other, there):
        scores[1].collect(block)
    found = Found()
    _labels(found, sums, shared_cells, resampling)
    _models(found, scores, resampling)
    return AgainstTask(
        sources=int(sums.known.any(axis=(1, 2)).sum()),
        rows=joint,
        only_here=facts.rows - joint,
        only_there=others.rows - joint,
        statistics=found.statistics,
        absent=found.absent,
    )


def _load_other(database: duckdb.DuckDBPyConnection, other: RunFolder, facts: TaskFacts) -> None:
    """Load the other run's labels once, as codes: 32 bytes an image."""
    if database.execute("select 1 from duckdb_tables() where table_name = 'others'").fetchone():
        return
    import pyarrow as pa

    ids = pa.array(facts.source_ids, pa.string())
    database.register("shared", pa.table({"source_id": ids, "source": pa.array(range(len(ids)), pa.int32())}))
    database.execute(
        "create temp table others (source integer, cell integer, consistency double, accuracy double, composite double)"
    )
    columns = ["source_id", "degradation", "consistency_weighted", "accuracy_weighted", "composite"]
    for part in read_parts(other, facts.parts, columns):
        database.register("other_part", part)
        database.execute(_OTHER)


def _add(block: Block, sums: DrawnSums) -> int:
    """Add a block's differences and return the number of its shared images."""
    rows = block.query(_DIFFERENCES)
    if not len(rows["row"]):
        return 0
    shape = (len(block.sources), sums.total.shape[1])
    columns = zip(*(placed(shape, (rows["row"], rows["cell"]), rows[label]) for label in LABELS), strict=True)
    total, count = (np.stack(arrays, axis=-1) for arrays in columns)
    sums.add(block.sources, total, count)
    return len(rows["row"])


def _labels(found: Found, sums: DrawnSums, cells: Cells, resampling: Resampling) -> None:
    names = cells.categories.items()
    keys = {name: {"distortion": name, "category": category} for name, category in names}
    uniform = [(cells.all[code], code) for code in cells.uniform]
    groups: dict[str, tuple[str, list[Group]]] = {
        "overall": ("all shared degraded images", [Group(np.arange(len(cells)), {})]),
        "severity": (
            "one uniform severity each",
            [Group(np.array([code]), {**keys[c.distortion], "severity": c.roi_severity}) for c, code in uniform],
        ),
        "distortion": ("all uniform severities", [Group(cells.uniform_of(name), dict(keys[name])) for name in keys]),
        "region": ("all severities of the region", [Group(cells.where(region=r), {"region": r}) for r in REGIONS]),
    }
    for name, (severities, of_name) in groups.items():
        found.add(
            f"{name}_difference",
            (one for group in of_name if len(group.cells) for one in _differences(sums, group)),
            title=f"Difference of the runs: {name}",
            definition="Mean label in this run less that in the other run, over the degraded images that both have.",
            unit="score",
            severities=severities,
            baseline="the other run, on the same images",
            interval=resampling.text(),
            why_not="the runs share no uniform degradation",
            labels=LABELS,
            why_no_label=NO_LABEL,
        )


def _differences(sums: DrawnSums, group: Group) -> Iterator[Record | None]:
    for index, label in enumerate(LABELS):
        total, count = (values[:, group.cells, index].sum(axis=1) for values in (sums.total, sums.count))
        sources = int(sums.known[:, group.cells, index].any(axis=1).sum())
        yield record(ratio(total, count), n=count[0], sources=sources, difference=True, label=label, **group.keys)


def _models(found: Found, scores: list[ModelMeans], resampling: Resampling) -> None:
    here, there = (drawn_figures(side) for side in scores)
    found.add(
        "models_difference",
        (
            record(
                here[figure][:, index] - there[figure][:, index],
                n=extents(scores[0], figure, index)[0],
                sources=extents(scores[0], figure, index)[1],
                difference=True,
                label=figure,
                model=model,
            )
            for figure in FIGURES
            for index, model in enumerate(scores[0].models)
        ),
        title="Difference of the runs: models",
        definition="P, mPC, rPC and consistency of a model in this run less those in the other run, over shared images.",
        unit="score; rPC: a ratio",
        severities="all shared uniform severities; P: the originals",
        baseline="the same model in the other run, on the same source images",
        interval=resampling.text(),
        why_not=NO_SHARED_MODEL,
        labels=FIGURES,
        why_no_label=NO_LABEL,
    )
