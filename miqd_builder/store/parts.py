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
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.schema import SCHEMA_VERSION

ROW_GROUP_BYTES = 64 * 2**20
"""Row groups are cut at this size in memory, below the 100 MB that viewers of Parquet data sets ask for."""

_FINGERPRINT, _INPUTS, _COMPLETE, _EXTRA = b"miqd.fingerprint", b"miqd.inputs", b"miqd.complete", b"miqd.extra"


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
        _FINGERPRINT: footer.fingerprint.encode(),
        _INPUTS: json.dumps(inputs, sort_keys=True, separators=(",", ":")).encode(),
        _COMPLETE: b"true" if complete else b"false",
    }
    if footer.extra:
        metadata[_EXTRA] = json.dumps(footer.extra, sort_keys=True, separators=(",", ":")).encode()
    table = table.replace_schema_metadata(metadata)
    per_row = max(1, table.nbytes // max(1, table.num_rows))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=max(1, ROW_GROUP_BYTES // per_row))
    folder.write(name, buffer.getvalue())
    return footer


def read_footer(folder: RunFolder, name: str) -> Footer | None:
    """Return a part's footer; None if there is no such part, or none that counts (torn, or of another origin)."""
    try:
        with folder.fs.open(folder.path(name), "rb") as file:
            metadata = pq.ParquetFile(file).metadata
            pairs = metadata.metadata or {}
            return Footer(
                fingerprint=pairs[_FINGERPRINT].decode(),
                inputs=json.loads(pairs[_INPUTS]),
                complete=pairs[_COMPLETE] == b"true",
                rows=metadata.num_rows,
                extra=json.loads(pairs.get(_EXTRA, b"{}")),
            )
    except (FileNotFoundError, pa.ArrowInvalid, KeyError, ValueError):
        return None


def read_part(folder: RunFolder, name: str, columns: list[str] | None = None) -> pa.Table:
    """Return a part's rows.

    Raises:
        StoreError: the part is missing or damaged.
    """
    try:
        return pq.read_table(pa.BufferReader(folder.read(name)), columns=columns).replace_schema_metadata(None)
    except FileNotFoundError:
        raise StoreError(f"Part '{folder.path(name)}' is missing: run the stage that writes it again.") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError(f"Part '{folder.path(name)}' is damaged ({error}): delete it and run again.") from error


def is_done(footer: Footer | None, inputs: dict[str, Any]) -> bool:
    """Tell whether a part holds all that the inputs ask for."""
    return footer is not None and footer.complete and footer.fingerprint == fingerprint(inputs)
