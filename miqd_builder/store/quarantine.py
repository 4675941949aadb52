"""Records of failures: one small table for each stage and part, replaced by the next attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

from miqd_builder.errors import StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import decode_table, encode_table
from miqd_builder.tables.schema import QUARANTINE


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed image, model or part.

    Attributes:
        stage: degrade, respond, score, label or measure.
        source_id: the image; empty if a whole part failed.
        model: the model or measure; empty where none is involved.
        error: class of the error.
        message: its text, in one line.
    """

    stage: str
    source_id: str
    model: str
    error: str
    message: str

    @classmethod
    def of(cls, error: BaseException, *, stage: str, source_id: str = "", model: str = "") -> Failure:
        """Describe an exception."""
        return cls(stage, source_id, model, type(error).__name__, " ".join(str(error).split())[:500])


def write_failures(folder: RunFolder, key: str, failures: Sequence[Failure]) -> None:
    """Record the failures of one stage and part, in place of those of an earlier attempt; none removes the record.

    Args:
        folder: the run folder.
        key: stage, model and part, for example ``degrade-part-00000``.
        failures: what failed.
    """
    name = f"quarantine/{key}.parquet"
    if not failures:
        folder.remove(name)
        return
    folder.write(name, encode_table(pa.Table.from_pylist([asdict(f) for f in failures], schema=QUARANTINE), {}))


def read_failures(folder: RunFolder, pattern: str = "quarantine/*.parquet") -> list[Failure]:
    """Return the failures recorded in the files that match, by file name."""
    failures = []
    for name in folder.list(pattern):
        try:
            rows = decode_table(folder.read(name)).to_pylist()
        except ValueError as error:
            raise StoreError(f"'{folder.path(name)}' is damaged ({error}): delete it and run again.") from error
        failures += [Failure(**row) for row in rows]
    return failures
