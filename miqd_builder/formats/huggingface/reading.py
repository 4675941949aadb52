"""Labels of a repository, read back as they were."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from miqd_builder.errors import ConfigError
from miqd_builder.formats.contract import Reader, Sources
from miqd_builder.tables.schema import LABELS
from miqd_builder.tasks import TASKS, Task


def _files(folder: Path, task: Task) -> list[Path]:
    return sorted((folder / f"labels-{task}").glob("*.parquet"))


def _tasks_in(folder: Path) -> list[Task]:
    return [task for task in TASKS if _files(folder, task)]


def _sources(folder: Path, task: Task) -> Sources:
    """The file of each source; a source is in one file."""
    files = _files(folder, task)
    if not files:
        raise ConfigError(f"'{folder}' has no Parquet file in 'labels-{task}': give the folder of the repository.")
    found: dict[str, tuple[Path, ...]] = {}
    for file in files:
        for source_id in _read(file, ["source_id"])["source_id"].unique().to_pylist():
            if source_id in found:
                raise ConfigError(
                    f"Image '{source_id}' is in '{found[source_id][0].name}' and in '{file.name}': remove one of them."
                )
            found[source_id] = (file,)
    return dict(sorted(found.items()))


def _labels(task: Task, sources: Sources) -> pa.Table:
    wanted = pa.array(list(sources), pa.string())
    order = {source_id: place for place, source_id in enumerate(sources)}
    tables = []
    for file in dict.fromkeys(file for files in sources.values() for file in files):
        table = _read(file, None)
        lacking = [name for name in LABELS[task].names if name not in table.column_names]
        if lacking:
            raise ConfigError(f"Label file '{file}' has no column '{lacking[0]}'.")
        table = table.select(LABELS[task].names).replace_schema_metadata(None)
        try:
            tables.append(table.filter(pc.is_in(table["source_id"], value_set=wanted)).cast(LABELS[task]))
        except pa.ArrowInvalid as error:
            raise ConfigError(f"Label file '{file}' has a column of another type ({error}).") from None
    rows = pa.concat_tables(tables).combine_chunks()
    places = pa.array([order[source_id] for source_id in rows["source_id"].to_pylist()], pa.int64())
    # Within a source the rows keep their order: sorting by two keys is stable.
    keys = rows.append_column("place", places).append_column("row", pa.array(range(rows.num_rows), pa.int64()))
    return rows.take(pc.sort_indices(keys, [("place", "ascending"), ("row", "ascending")]))


def _read(file: Path, columns: list[str] | None) -> pa.Table:
    try:
        with pq.ParquetFile(file) as parquet:
            lacking = sorted(set(columns or ()) - set(parquet.schema_arrow.names))
            if lacking:
                raise ConfigError(f"Label file '{file}' has no column '{lacking[0]}'.")
            return parquet.read(columns=columns)
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigError(f"Label file '{file}' can't be read: {' '.join(str(error).split())}.") from None


READER = Reader(_tasks_in, _sources, _labels)
