"""How two parts of the same name differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from miqd_builder.errors import MiqdError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer, read_part
from miqd_builder.tables.lineage import changed_fields

_PLACE = {"variants": "images", "labels": "variants"}
"""Fields of the lineage that record whether images are kept, which changes no row."""


def difference(stored: RunFolder, again: RunFolder, name: str) -> str | None:
    """Compare a stored part with the one that was made again from the same inputs.

    Returns:
        what is different: inputs, rows, or columns with the first row and the largest difference; None if nothing is.
    """
    try:
        before, now = read_part(stored, name), read_part(again, name)
    except MiqdError as error:
        return f"can't be compared: {error}"
    keys = ["source_id", *(["distortion", "candidate"] if name.startswith("candidates/") else ["degradation"])]
    return _lineage(stored, again, name) or _rows(before, now, keys) or _columns(before, now, keys)


def _lineage(stored: RunFolder, again: RunFolder, name: str) -> str | None:
    before, now = read_footer(stored, name), read_footer(again, name)
    assert before is not None and now is not None
    old, new = before.lineage, now.lineage
    if old is None or new is None or type(old) is not type(new):
        return "was made from something else than there is now: run the stage again"
    changed = [field for field in changed_fields(old, new) if field != _PLACE.get(name.split("/")[0])]
    if changed:
        return f"was made from other inputs than there are now ({', '.join(changed)}): run the stage again"
    return None


def _rows(before: pa.Table, now: pa.Table, names: Sequence[str]) -> str | None:
    keys = [list(zip(*(table[name].to_pylist() for name in names), strict=True)) for table in (before, now)]
    if keys[0] == keys[1]:
        return None
    extra = sorted(set(keys[0]) ^ set(keys[1]))
    if not extra:
        return "lists its rows in another order than when made again"
    where = "has" if extra[0] in set(keys[0]) else "lacks"
    return f"{where} the row {' '.join(map(str, extra[0]))}, which it {'lacks' if where == 'has' else 'has'} when made again"


def _columns(before: pa.Table, now: pa.Table, keys: Sequence[str]) -> str | None:
    if before.schema != now.schema:
        return "has other columns than when made again"
    for name in before.column_names:
        if before[name].equals(now[name]):
            continue
        old, new = before[name].to_pylist(), now[name].to_pylist()
        rows = [row for row, pair in enumerate(zip(old, new, strict=True)) if not _same(*pair)]
        if rows:
            first = " ".join(str(before[key][rows[0]]) for key in keys)
            largest = max((_distance(old[row], new[row]) for row in rows), default=0.0)
            by = f", by at most {largest:.3g}" if np.isfinite(largest) else ""
            return f"differs in {name} when made again, in {len(rows)} of {len(old)} rows{by}, first {first}"
    return None


def _same(a: Any, b: Any) -> bool:
    """Equal, with NaN equal to NaN."""
    return a == b or (a != a and b != b)


def _distance(a: Any, b: Any) -> float:
    """Largest difference of two numbers or two lists of numbers; infinite if they can't be subtracted."""
    try:
        x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
        return float(np.abs(x - y).max(initial=0.0))
    except (TypeError, ValueError):
        return float("inf")
