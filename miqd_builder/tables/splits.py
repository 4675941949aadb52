"""How the sources of an export are divided into training and validation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def validation_sources(source_ids: Iterable[str], *, fraction: float, seed: int) -> set[str]:
    """Choose the sources of the validation split: those of the smallest hash of (seed, id), at least one if there are two.

    The order of the files plays no role, and new sources move few of the others.

    Args:
        source_ids: all sources.
        fraction: share of the validation split, 0..1.
        seed: of the split.
    """
    ordered = sorted(source_ids, key=lambda i: (hashlib.sha256(f"{seed} {i}".encode()).hexdigest(), i))
    count = round(fraction * len(ordered))
    if fraction and len(ordered) > 1:
        count = max(1, count)
    return set(ordered[:count])
