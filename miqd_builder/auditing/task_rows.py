"""The labels and scores of a task, block by block of its parts, as tables of DuckDB.

Sources, models and cells are codes there. Labels are read with their checksums; scores straight from the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.auditing.cells import Cell, Cells
from miqd_builder.benchmarking.model_scores import Voters, voters
from miqd_builder.errors import StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import joined, part_names, read_parts
from miqd_builder.tables.schema import ORIGINAL
from miqd_builder.tables.views import files_sql, open_database

if TYPE_CHECKING:
    import duckdb

Columns = dict[str, NDArray[Any]]

ROWS_AT_ONCE = 1_000_000
"""Scores of a block: about 100 MB in memory."""

_IDENTITY = ["degradation", "distortion", "category", "region", "roi_severity", "bg_severity"]
_LABEL_COLUMNS = ["source_id", "degradation", "consistency_weighted", "accuracy_weighted", "composite"]

_SOURCES = "create or replace temp table sources as select source_id, code::integer as source from found_sources"
_LABELS = """
    create or replace temp table labels as
    select s.source, c.cell, l.consistency_weighted as consistency, l.accuracy_weighted as accuracy, l.composite
    from label_parts l join sources s using (source_id) join cells c using (degradation)
"""
_SCORES = """
    create or replace temp table scores as
    select s.source, m.model, c.cell, c.distortion, c.severity, f.consistency, f.accuracy
    from {files} f
    join models m on m.name = regexp_extract(f.filename, '/model=([^/]*)/[^/]*$', 1)
    join sources s using (source_id) join scored_cells c using (degradation)
    where f.consistency is not null
"""


@dataclass(frozen=True)
class TaskFacts:
    """What is known of a task's labels before their values are looked at.

    Attributes:
        task: cls, det, ins or seg.
        source_ids: sorted; the index of a source is its code.
        cells: its degradations.
        models: those that the labels are made of, with scores; the index of a model is its code.
        weights: of the models in the labels.
        voters: the models and the share of consistency in the composite.
        recipe: of the labels.
        parts: names of the parts of labels.
        rows, rows_with_accuracy, incomplete_rows: labels; those with a ground truth; those that lack a model.
        most_models: models of the label that has most of them; None where imported labels don't say it.
    """

    task: str
    source_ids: tuple[str, ...]
    cells: Cells
    models: tuple[str, ...]
    weights: NDArray[np.float64]
    voters: Voters
    recipe: str
    parts: tuple[str, ...]
    rows: int
    rows_with_accuracy: int
    incomplete_rows: int
    most_models: int | None

    @property
    def share(self) -> float:
        """Share of consistency in the composite."""
        return self.voters.consistency_share


@dataclass(frozen=True)
class Block:
    """Some parts of a task, loaded.

    Attributes:
        database: with the tables ``labels`` (source, cell, consistency, accuracy, composite) and ``scores`` (source, model,
            cell, distortion, severity, consistency, accuracy), the latter of uniform degradations and originals only.
        sources: codes of the block's sources, int64, rising.
        facts: of the task.
    """

    database: duckdb.DuckDBPyConnection
    sources: NDArray[np.int64]
    facts: TaskFacts

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Consistency and accuracy, ``(sources, models, places, 2)``: the uniform cells in their order, then the original.

        NaN where there is none.
        """
        rows = self.query("select source, model, cell, consistency, accuracy from scores")
        facts = self.facts
        tensor = np.full((len(self.sources), len(facts.models), len(facts.cells.uniform) + 1, 2), np.nan)
        place = facts.cells.places[rows["cell"]]
        for index, name in enumerate(("consistency", "accuracy")):
            tensor[rows["row"], rows["model"], place, index] = rows[name]
        return tensor

    def query(self, sql: str, values: Sequence[Any] = ()) -> Columns:
        """Return columns as arrays, float columns with NaN for null; ``row`` is the place of the source in the block."""
        found = {name: _filled(column) for name, column in self.database.execute(sql, list(values)).fetchnumpy().items()}
        if "source" in found:
            found["row"] = np.searchsorted(self.sources, found["source"])
        return found


def task_facts(folder: RunFolder, task: str) -> TaskFacts:
    """Look at a task's labels.

    Raises:
        StoreError: there are none, or a part is damaged.
    """
    names = part_names(folder, "labels", task=task)
    with open_database(folder) as database:
        labels = files_sql(folder, names)
        sources = [row[0] for row in database.execute(f"select distinct source_id from {labels} order by all").fetchall()]
        kinds = database.execute(f"select distinct {', '.join(_IDENTITY)} from {labels}").fetchall()
        recipes = database.execute(f"select distinct recipe from {labels} order by all").fetchall()
        by_models = database.execute(
            f"select n_models, count(*), count(accuracy_weighted) from {labels} group by all"
        ).fetchall()
    try:
        cells = sorted({Cell(**dict(zip(_IDENTITY, kind, strict=True))) for kind in kinds})
    except TypeError:  # nothing where other rows have a text or a number
        raise StoreError(
            f"'{folder.url}': labels of task {task} don't say of every image what was done to it. Run 'miqd verify' to find "
            "the damaged part, and 'miqd label' again."
        ) from None
    votes = voters(folder, task)
    most = max((models for models, _, _ in by_models if models is not None), default=None)
    all_models = max(most or 0, len(votes.models))
    return TaskFacts(
        task=task,
        source_ids=tuple(sources),
        cells=Cells(tuple(cells)),
        models=tuple(votes.models),
        weights=np.array([votes.weights[model] for model in votes.models], np.float64),
        voters=votes,
        recipe=", ".join(recipe for (recipe,) in recipes),
        parts=tuple(names),
        rows=sum(rows for _, rows, _ in by_models),
        rows_with_accuracy=sum(rows for _, _, rows in by_models),
        incomplete_rows=sum(rows for models, rows, _ in by_models if models is not None and models < all_models),
        most_models=most,
    )


def blocks(folder: RunFolder, facts: TaskFacts) -> Iterator[Block]:
    """Load a task's parts, several at a time; the next block takes the place of the one before.

    Raises:
        StoreError: a part is damaged.
    """
    rows_a_part = max(1, facts.rows // len(facts.parts) * max(1, len(facts.models)))
    parts_at_once = max(1, ROWS_AT_ONCE // rows_a_part)
    code_of = {source_id: code for code, source_id in enumerate(facts.source_ids)}
    scores = model_parts(folder, facts)
    with open_database(folder) as database:
        _register(database, facts)
        for start in range(0, len(facts.parts), parts_at_once):
            parts = facts.parts[start : start + parts_at_once]
            table = joined(read_parts(folder, parts, _LABEL_COLUMNS))
            ids = [source_id for source_id in table["source_id"].unique().to_pylist() if source_id in code_of]
            codes = np.array(sorted(code_of[source_id] for source_id in ids), np.int64)
            database.register("label_parts", table)
            database.register("found_sources", _codes(ids, code_of))
            database.execute(_SOURCES)
            database.execute(_LABELS)
            _load_scores(database, folder, [name for part in parts for name in scores.get(part.rsplit("/", 1)[1], ())])
            yield Block(database, codes, facts)


def _codes(ids: Sequence[str], code_of: dict[str, int]) -> pa.Table:
    return pa.table({"source_id": pa.array(ids, pa.string()), "code": pa.array([code_of[i] for i in ids], pa.int32())})


def model_parts(folder: RunFolder, facts: TaskFacts, table: str = "scores") -> dict[str, list[str]]:
    """Return the parts of scores or responses of the labels' models by file name: parts of one name have the same sources."""
    found: dict[str, list[str]] = {}
    models = {f"model={model}" for model in facts.models}
    for name in folder.list(f"{table}/task={facts.task}/model=*/*.parquet") if models else []:
        _, _, model, file = name.split("/")
        if model in models:
            found.setdefault(file, []).append(name)
    return found


def _register(database: duckdb.DuckDBPyConnection, facts: TaskFacts) -> None:
    """Tables that give codes: of all degradations, of those whose scores count, of the models."""
    cells = facts.cells
    rows = [{"degradation": cell.degradation, "cell": code} for code, cell in enumerate(cells.all)]
    distortions = {name: code for code, name in enumerate(cells.distortions)}
    scored = [
        {
            "degradation": cells.all[code].degradation,
            "cell": int(code),
            "distortion": distortions[cells.all[code].distortion],
            "severity": cells.all[code].roi_severity,
        }
        for code in cells.uniform
    ]
    scored.append({"degradation": ORIGINAL, "cell": cells.original, "distortion": -1, "severity": 0})
    models = pa.table({"name": pa.array(facts.models, pa.string()), "model": pa.array(range(len(facts.models)), pa.int32())})
    for name, table in (
        ("cells", pa.Table.from_pylist(rows)),
        ("scored_cells", pa.Table.from_pylist(scored)),
        ("models", models),
    ):
        database.register(f"_{name}", table)
        database.execute(f"create temp table {name} as select * from _{name}")


def _load_scores(database: duckdb.DuckDBPyConnection, folder: RunFolder, names: Sequence[str]) -> None:
    if not names:
        database.execute(
            "create or replace temp table scores (source integer, model integer, cell integer, distortion integer, "
            "severity integer, consistency double, accuracy double)"
        )
        return
    database.execute(_SCORES.format(files=files_sql(folder, names, "filename=true")))


def _filled(column: Any) -> NDArray[Any]:
    """An array without mask: NaN for null in float columns."""
    if isinstance(column, np.ma.MaskedArray):
        return np.asarray(column.filled(np.nan) if column.dtype.kind == "f" else column.filled(-1))
    return np.asarray(column)
