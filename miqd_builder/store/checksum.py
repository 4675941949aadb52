"""Files that hold their own SHA-256, so that any changed byte shows, wherever it is.

A file is made with 64 zeros behind the name ``miqd.sha256``; its hash is then written over the zeros. Parquet page checksums
would cover the pages alone, not the headers, the statistics and the footer. A file read by another program is not affected.
"""

from __future__ import annotations

import hashlib
import re

KEY = "miqd.sha256"
BLANK = "0" * 64

_PLACE = re.compile(re.escape(KEY.encode()) + rb"[^0-9a-f]{1,4}([0-9a-f]{64})")


def seal(data: bytes) -> bytes:
    """Return the content of a file with its hash filled in.

    Args:
        data: content in which :data:`BLANK` follows :data:`KEY`.
    """
    start = _place(data)
    assert start is not None
    return data[:start] + hashlib.sha256(data).hexdigest().encode() + data[start + len(BLANK) :]


def is_sealed(data: bytes) -> bool:
    """Tell whether the content has a hash, and has the hash that it says."""
    start = _place(data)
    if start is None:
        return False
    stop = start + len(BLANK)
    digest = hashlib.sha256(data[:start])
    digest.update(BLANK.encode())
    digest.update(data[stop:])
    return digest.hexdigest().encode() == data[start:stop]


def _place(data: bytes) -> int | None:
    """Where the hash is: behind the last mention of the key, which Parquet puts into the footer."""
    key = data.rfind(KEY.encode())
    found = _PLACE.match(data, key) if key >= 0 else None
    return found.start(1) if found else None
