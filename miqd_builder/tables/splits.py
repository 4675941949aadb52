"""How source images are divided for training: those of an export into two, those of a run into three.

Sources are ordered by the SHA-256 of the UTF-8 bytes of the seed in decimal, one space and the source id (``0 scene_1``), as
hexadecimal text. A split takes the first of them, so that the order of the files plays no role and new sources move few of the
others. Variants of a source are always in one split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal, get_args

from miqd_builder.errors import ConfigError, did_you_mean

SplitName = Literal["test", "validation", "train"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)


def validation_sources(source_ids: Iterable[str], *, fraction: float, seed: int) -> set[str]:
    """Choose the sources of the validation split: those of the smallest hash of (seed, id), at least one if there are two.

    Args:
        source_ids: all sources.
        fraction: share of the validation split, 0..1.
        seed: of the split.
    """
    return set(_first(source_ids, fraction, seed))


def split_sources(source_ids: Iterable[str], *, seed: int) -> dict[SplitName, list[str]]:
    """Divide sources into a test split, the fifth of smallest hash, validation, the first tenth of the rest, and training.

    Numbers are rounded to the nearest whole one (a half to the even one); test has at least one of two sources, validation at
    least one of the two or more that are left.

    Args:
        source_ids: all sources.
        seed: of the split.

    Returns:
        ids by split, each sorted; every source is in one of them.

    Examples:
        >>> {name: len(ids) for name, ids in split_sources(map(str, range(100)), seed=0).items()}
        {'test': 20, 'validation': 8, 'train': 72}
    """
    ids = set(source_ids)
    test = set(_first(ids, 0.2, seed))
    validation = set(_first(ids - test, 0.1, seed))
    return {"test": sorted(test), "validation": sorted(validation), "train": sorted(ids - test - validation)}


def check_split(name: str) -> SplitName:
    """Return the split of this name.

    Raises:
        ConfigError: there is none.
    """
    for split in SPLITS:
        if split == name:
            return split
    raise ConfigError(f"Unknown split '{name}': expected one of {', '.join(SPLITS)}.{did_you_mean(name, SPLITS)}")


def _first(source_ids: Iterable[str], fraction: float, seed: int) -> list[str]:
    """The share of smallest hash, at least one of two."""
    ordered = sorted(source_ids, key=lambda i: (hashlib.sha256(f"{seed} {i}".encode()).hexdigest(), i))
    count = round(fraction * len(ordered))
    if fraction and len(ordered) > 1:
        count = max(1, count)
    return ordered[:count]
