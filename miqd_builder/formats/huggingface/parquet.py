"""Parquet files as the Hub likes them: small row groups, a page index, pages cut by content, features in the schema."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from miqd_builder.formats.huggingface.features import with_features
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import TAIL_BYTES, footer_bytes
from miqd_builder.store.streams import HashedStream

ROW_GROUP_BYTES = 32 * 2**20
"""In memory; the viewer refuses to read row groups of more than 300 MB, and reads one to show its first rows."""
IMAGES_PER_GROUP = 100
_INPUTS = "miqd.inputs"


def write_parquet(
    stream: HashedStream, schema: pa.Schema, tables: Iterable[pa.Table], inputs: str, *, most_rows: int | None = None
) -> int:
    """Write tables into one file and return the number of rows; the same tables give the same bytes.

    Pages are cut where the content says (``use_content_defined_chunking``), so that inserted rows leave the other pages as
    they are, and a store that keeps equal pieces once takes only what is new.

    Args:
        stream: the file.
        schema: of the file; the tables have its columns.
        tables: the rows, in order.
        inputs: kept in the footer, see :func:`stored_inputs`.
        most_rows: of a row group, which is also cut at :data:`ROW_GROUP_BYTES`.
    """
    rows = 0
    with pq.ParquetWriter(
        pa.PythonFile(stream, mode="w"),
        with_features(schema),
        compression="zstd",
        write_page_index=True,
        use_content_defined_chunking=True,
    ) as writer:
        pending: list[pa.Table] = []
        for table in tables:
            rows += table.num_rows
            pending.append(table)
            pending = _write_groups(writer, pending, most_rows, everything=False)
        _write_groups(writer, pending, most_rows, everything=True)
        writer.add_key_value_metadata({_INPUTS: inputs})
    return rows


def _write_groups(writer: pq.ParquetWriter, pending: list[pa.Table], most: int | None, *, everything: bool) -> list[pa.Table]:
    """Write the full row groups of what is pending, or all of it; returns the rest."""
    size, rows = sum(table.nbytes for table in pending), sum(table.num_rows for table in pending)
    full = size >= ROW_GROUP_BYTES or (most is not None and rows >= most)
    if not rows or not (full or everything):
        return pending
    table = pa.concat_tables(pending)
    per_group = max(1, rows * ROW_GROUP_BYTES // max(size, 1))
    per_group = min(per_group, most or per_group)
    start = 0
    while rows - start >= per_group or (everything and start < rows):
        group = table.slice(start, per_group)
        writer.write_table(group.cast(writer.schema), row_group_size=group.num_rows)
        start += group.num_rows
    return [table.slice(start)] if start < rows else []


def stored_inputs(folder: RunFolder, name: str) -> str | None:
    """Return what :func:`write_parquet` kept in a file's footer; None if there is no such file, or it isn't whole."""
    try:
        tail = folder.read(name, last=TAIL_BYTES)
        if (length := footer_bytes(tail)) > len(tail):
            tail = folder.read(name, last=length)
        metadata = pq.read_metadata(pa.BufferReader(tail)).metadata or {}
        return metadata[_INPUTS.encode()].decode()
    except (OSError, KeyError, ValueError):
        return None


def stored_rows(folder: RunFolder, name: str) -> int:
    """Return the number of rows of a file that is there."""
    tail = folder.read(name, last=TAIL_BYTES)
    if (length := footer_bytes(tail)) > len(tail):
        tail = folder.read(name, last=length)
    return int(pq.read_metadata(pa.BufferReader(tail)).num_rows)
