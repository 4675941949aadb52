"""Parquet parts whose footer says what they were made from.

A part's inputs are a small JSON object: a hash for each source image, one for each distortion, one for the names of the
degradations, one for the model. Their hash is the part's fingerprint. A part with the wanted fingerprint is done; of another
one, the rows whose source, distortion and model are unchanged can be taken over, so that new sources and new distortions cost
only themselves.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from miqd_builder.errors import StoreError
from miqd_builder.store.checksum import BLANK, KEY, is_sealed, seal
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.schema import SCHEMA_VERSION

ROW_GROUP_BYTES = 64 * 2**20
"""Row groups are cut at this size in memory, below the 100 MB that viewers of Parquet data sets ask for."""

_FINGERPRINT, _INPUTS, _COMPLETE, _EXTRA = "miqd.fingerprint", "miqd.inputs", "miqd.complete", "miqd.extra"
_TAIL_BYTES = 2**16
"""Read for a footer at first; a longer footer costs a second read."""


@dataclass(frozen=True, slots=True)
class Footer:
    """What a part's footer says.

    Attributes:
        fingerprint: hash of the inputs.
        inputs: what the part was made from.
        complete: False if some of the wanted rows are missing (quarantined).
        rows: number of rows.
        extra: what a table keeps beside its rows, for example the candidates' PSNRs of ``variants``.
    """

    fingerprint: str
    inputs: dict[str, Any]
    complete: bool
    rows: int
    extra: dict[str, Any] = field(default_factory=dict)


def fingerprint(inputs: dict[str, Any]) -> str:
    """Return the hash of a part's inputs, 32 hex digits."""
    canonical = json.dumps({**inputs, "schema_version": SCHEMA_VERSION}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def write_part(
    folder: RunFolder,
    name: str,
    table: pa.Table,
    inputs: dict[str, Any],
    *,
    complete: bool = True,
    extra: dict[str, Any] | None = None,
) -> Footer:
    """Write a part atomically; the same table and inputs give the same bytes.

    Raises:
        StoreError: the disk is full or the folder can't be written.
    """
    footer = Footer(fingerprint(inputs), inputs, complete, table.num_rows, extra or {})
    metadata = {
        _FINGERPRINT: footer.fingerprint,
        _INPUTS: _compact_json(inputs),
        _COMPLETE: "true" if complete else "false",
    }
    if footer.extra:
        metadata[_EXTRA] = _compact_json(footer.extra)
    folder.write(name, encode_table(table, metadata))
    return footer


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

    Raises:
        ValueError: the file is damaged.
    """
    if not is_sealed(data):
        raise ValueError("its bytes are not those that its checksum was made of")
    return pq.read_table(pa.BufferReader(data), columns=columns).replace_schema_metadata(None)


def _compact_json(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def read_footer(folder: RunFolder, name: str) -> Footer | None:
    """Return a part's footer; None if there is no such part, or none that counts (torn, or of another origin)."""
    try:
        tail = folder.read(name, last=_TAIL_BYTES)
        length = int.from_bytes(tail[-8:-4], "little") + 8
        if length > len(tail) == _TAIL_BYTES:
            tail = folder.read(name, last=length)
        metadata = pq.read_metadata(pa.BufferReader(tail))
        pairs = metadata.metadata or {}
        if KEY.encode() not in pairs:
            return None
        return Footer(
            fingerprint=pairs[_FINGERPRINT.encode()].decode(),
            inputs=json.loads(pairs[_INPUTS.encode()]),
            complete=pairs[_COMPLETE.encode()] == b"true",
            rows=metadata.num_rows,
            extra=json.loads(pairs.get(_EXTRA.encode(), b"{}")),
        )
    except (OSError, KeyError, ValueError):
        return None


def read_part(folder: RunFolder, name: str, columns: list[str] | None = None) -> pa.Table:
    """Return a part's rows.

    Raises:
        StoreError: the part is missing or damaged.
    """
    try:
        return decode_table(folder.read(name), columns)
    except FileNotFoundError:
        raise StoreError(f"Part '{folder.path(name)}' is missing: run the stage that writes it again.") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"Part '{folder.path(name)}' is damaged ({error}): delete it and run again.") from error


def is_done(footer: Footer | None, inputs: dict[str, Any]) -> bool:
    """Tell whether a part holds all that the inputs ask for."""
    return footer is not None and footer.complete and footer.fingerprint == fingerprint(inputs)
