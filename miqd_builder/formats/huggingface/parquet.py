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
        groups = _RowGroups(writer, most_rows)
        for table in tables:
            rows += table.num_rows
            groups.add(table)
        groups.finish()
        writer.add_key_value_metadata({_INPUTS: inputs})
    return rows


class _RowGroups:
    """Collects tables and writes them as row groups, cut by bytes and by rows.

    Args:
        writer: of the file.
        most_rows: of a row group; None for as many as its bytes allow.
    """

    def __init__(self, writer: pq.ParquetWriter, most_rows: int | None) -> None:
        self._writer, self._most = writer, most_rows
        self._pending: list[pa.Table] = []
        self._bytes = self._rows = 0

    def add(self, table: pa.Table) -> None:
        """Add some rows; full groups are written."""
        self._pending.append(table)
        self._bytes += table.nbytes
        self._rows += table.num_rows
        if self._bytes >= ROW_GROUP_BYTES or (self._most is not None and self._rows >= self._most):
            self._write(everything=False)

    def finish(self) -> None:
        """Write what is left."""
        if self._rows:
            self._write(everything=True)

    def _write(self, *, everything: bool) -> None:
        table = pa.concat_tables(self._pending)
        per_group = max(1, self._rows * ROW_GROUP_BYTES // max(self._bytes, 1))
        per_group = min(per_group, self._most or per_group)
        start = 0
        while self._rows - start >= per_group or (everything and start < self._rows):
            group = table.slice(start, per_group)
            self._writer.write_table(group.cast(self._writer.schema), row_group_size=group.num_rows)
            start += group.num_rows
        rest = table.slice(start)
        self._pending, self._bytes, self._rows = [rest], rest.nbytes, rest.num_rows


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
