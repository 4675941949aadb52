"""Parquet parts with their lineage in the footer (:mod:`miqd_builder.tables.lineage`)."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from miqd_builder.errors import StoreError
from miqd_builder.store.checksum import BLANK, KEY, is_sealed, seal
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.lineage import Lineage, PartState, compact_json, content_hash, from_json, to_json
from miqd_builder.tables.schema import KEYS, schema_of

ROW_GROUP_BYTES = 64 * 2**20
"""Row groups are cut at this size in memory, below the 100 MB that viewers of Parquet data sets ask for."""

_CONTENT_HASH, _LINEAGE, _COMPLETE, _EXTRA = "miqd.fingerprint", "miqd.inputs", "miqd.complete", "miqd.extra"
TAIL_BYTES = 2**14
"""Read for a footer at first; a longer footer costs a second read."""


@dataclass(frozen=True, slots=True)
class PartStamp:
    """What decides whether a part is up to date.

    Attributes:
        content_hash: hash of the lineage.
        rows: number of rows.
        complete: False if some of the wanted rows are missing (quarantined).
    """

    content_hash: str
    rows: int
    complete: bool

    @property
    def state(self) -> PartState:
        """How the part is named in the lineage of those made from it."""
        return PartState(self.content_hash, self.rows)


@dataclass(frozen=True, slots=True)
class Footer(PartStamp):
    """Content of a part's footer.

    Attributes:
        lineage_json: the lineage as it is written.
        extra: what a table keeps beside its rows: the recipe of ``labels``, the precision of ``responses``.
    """

    lineage_json: bytes
    extra: dict[str, Any]

    @property
    def lineage(self) -> Lineage | None:
        """What the part was made from; None if this version can't read it."""
        try:
            return from_json(json.loads(self.lineage_json))
        except ValueError:
            return None


def write_part(
    folder: RunFolder,
    name: str,
    table: pa.Table,
    lineage: Lineage,
    *,
    complete: bool = True,
    extra: dict[str, Any] | None = None,
) -> None:
    """Write a part atomically; the same table and lineage give the same bytes.

    Raises:
        StoreError: the disk is full or the folder can't be written.
    """
    metadata = {
        _CONTENT_HASH: content_hash(lineage),
        _LINEAGE: compact_json(to_json(lineage)),
        _COMPLETE: "true" if complete else "false",
    }
    if extra:
        metadata[_EXTRA] = compact_json(extra)
    folder.write(name, encode_table(table, metadata))


def encode_table(table: pa.Table, metadata: dict[str, str]) -> bytes:
    """Return a table as a Parquet file that holds its own hash; the same content gives the same bytes.

    Args:
        table: the rows.
        metadata: further entries of the file's footer.
    """
    per_row = max(1, table.nbytes // max(1, table.num_rows))
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, table.schema.remove_metadata(), compression="zstd") as writer:
        writer.write_table(table.replace_schema_metadata(None), row_group_size=max(1, ROW_GROUP_BYTES // per_row))
        for key, value in (metadata | {KEY: BLANK}).items():
            writer.add_key_value_metadata({key: value})
    return seal(buffer.getvalue())


def decode_table(data: bytes, columns: list[str] | None = None) -> pa.Table:
    """Return the rows of a file made by :func:`encode_table`.

    Arrow's own threads take no part: one that lets go of ``data`` while the interpreter ends would abort the process.

    Raises:
        ValueError: the file is damaged, lacks one of the columns, or has one twice.
    """
    if not is_sealed(data):
        raise ValueError("its bytes are not those that its checksum was made of")
    try:
        with pq.ParquetFile(pa.BufferReader(data), pre_buffer=False) as file:
            names = file.schema_arrow.names
            lacking = sorted(set(columns or ()) - set(names))
            if lacking or len(set(names)) < len(names):
                raise ValueError(f"it has no column {lacking[0]}" if lacking else "it has a column twice")
            table = file.read(columns=columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:  # of which not all are ValueErrors
        raise ValueError(str(error)) from error
    return table.select(columns or table.column_names).replace_schema_metadata(None)


def read_footer(folder: RunFolder, name: str) -> Footer | None:
    """Return a part's footer; None if there is no such part, or no valid one (damaged, or of another origin)."""
    try:
        tail = folder.read(name, last=TAIL_BYTES)
        if (length := footer_bytes(tail)) > len(tail):
            tail = folder.read(name, last=length)
    except OSError:
        return None
    return parse_footer(tail)


def footer_bytes(tail: bytes) -> int:
    """Return how many bytes at its end a Parquet file's footer takes, from the last bytes of the file."""
    return int.from_bytes(tail[-8:-4], "little") + 8


def parse_footer(tail: bytes) -> Footer | None:
    """Return the footer at the end of a part's last bytes; None if it is not valid."""
    try:
        metadata = pq.read_metadata(pa.BufferReader(tail))
        pairs = metadata.metadata or {}
        if KEY.encode() not in pairs:
            return None
        return Footer(
            content_hash=pairs[_CONTENT_HASH.encode()].decode(),
            rows=metadata.num_rows,
            complete=pairs[_COMPLETE.encode()] == b"true",
            lineage_json=pairs[_LINEAGE.encode()],
            extra=json.loads(pairs.get(_EXTRA.encode(), b"{}")),
        )
    except (OSError, KeyError, ValueError):
        return None


def read_part(folder: RunFolder, name: str, columns: list[str] | None = None) -> pa.Table:
    """Return a part's rows.

    Raises:
        StoreError: the part is missing, damaged, or has other columns than its table.
    """
    try:
        table = decode_table(folder.read(name), columns)
        _check_columns(name, table, columns)
        return table
    except FileNotFoundError:
        raise StoreError(f"Part '{folder.path(name)}' is missing: run the stage that writes it again.") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"Part '{folder.path(name)}' is damaged ({error}): delete it and run again.") from error


def _check_columns(name: str, table: pa.Table, wanted: list[str] | None) -> None:
    """Refuse columns of other types than the table's, and rows without a name: the checksum of a stranger's part fits too."""
    schema = schema_of(name)
    if schema is None:
        return
    for field in schema:
        if field.name not in table.column_names:
            if wanted is None:
                raise ValueError(f"it has no column {field.name}")
            continue
        column = table.column(field.name)
        if column.type != field.type:
            raise ValueError(f"its column {field.name} is {column.type}, expected {field.type}")
        if column.null_count and field.name in KEYS:
            raise ValueError(f"its column {field.name} lacks {column.null_count} values")


def is_done(stamp: PartStamp | None, lineage: Lineage) -> bool:
    """Tell whether a part holds all that the lineage asks for."""
    return stamp is not None and stamp.complete and stamp.content_hash == content_hash(lineage)
