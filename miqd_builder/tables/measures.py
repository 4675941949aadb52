"""The measures of a run as one table, a column a measure."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from miqd_builder.errors import ConfigError, StoreError, did_you_mean
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_part
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.schema import MEASURES, table_path

KEYS = MEASURES.names[:2]
MOVED = "column of variants"
"""In the place of a measure's content hash: its values were a column of ``variants`` in an earlier layout of the run folder."""


def measured(folder: RunFolder) -> list[str]:
    """Return the names of the measures that have parts, sorted."""
    return sorted({name.split("/")[1].removeprefix("measure=") for name in folder.list("measures/*/*.parquet")})


def read_measures(folder: RunFolder, record: RunRecord, names: Sequence[str] | None = None) -> pa.Table:
    """Return measures of the degraded images: ``source_id``, ``degradation`` and a float64 column a measure.

    Args:
        folder: the run folder.
        record: its record.
        names: of the measures, in the wanted order; None for all that are there.

    Returns:
        a row for each image that any of them has, part by part in canonical order; null where a measure is undefined or was
        not computed.

    Raises:
        ConfigError: the run has no such measure (names the nearest).
        StoreError: it has none at all, or a part is damaged.
    """
    there = measured(folder)
    if not there:
        raise StoreError(f"'{folder.url}' has no measures yet: run 'miqd measure --out {folder.url} --measures ...' first.")
    wanted = there if names is None else list(dict.fromkeys(names))
    for name in wanted:
        if name not in there:
            raise ConfigError(
                f"'{folder.url}' has no measure '{name}', there are {', '.join(there)}.{did_you_mean(name, there)} "
                f"To compute it, run: miqd measure --out {folder.url} --measures {name}"
            )
    files = {name: set(folder.list(f"measures/measure={name}/*.parquet")) for name in wanted}
    parts = []
    for number in range(len(record.parts)):
        paths = {name: table_path("measures", number, measure=name) for name in wanted}
        tables = {name: read_part(folder, path) for name, path in paths.items() if path in files[name]}
        if tables:
            parts.append(_side_by_side(tables, wanted, record, number))
    return pa.concat_tables(parts) if parts else _schema(wanted).empty_table()


def _schema(names: Sequence[str]) -> pa.Schema:
    return pa.schema([*(MEASURES.field(key) for key in KEYS), *(pa.field(name, pa.float64()) for name in names)])


def _side_by_side(tables: dict[str, pa.Table], names: Sequence[str], record: RunRecord, part: int) -> pa.Table:
    """Measures of one part, which may lack rows or be of fewer degradations than others."""
    first = next(iter(tables.values())).select(KEYS)
    if len(tables) == len(names) and all(table.select(KEYS).equals(first) for table in tables.values()):
        columns = [tables[name]["value"] for name in names]
        return pa.table([*first.columns, *columns], schema=_schema(names))
    values = {name: dict(zip(_keys(table), table["value"].to_pylist(), strict=True)) for name, table in tables.items()}
    known = set().union(*values.values())
    order = [(s, d) for s in record.parts[part] for d in record.degradations if (s, d) in known]
    arrays = [pa.array([key[place] for key in order], pa.string()) for place in range(2)]
    arrays += [pa.array([values.get(name, {}).get(key) for key in order], pa.float64()) for name in names]
    return pa.table(arrays, schema=_schema(names))


def _keys(table: pa.Table) -> list[tuple[str, str]]:
    return list(zip(*(table[key].to_pylist() for key in KEYS), strict=True))
