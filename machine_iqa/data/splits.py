"""Which sources train, which choose and which are reported: by hash, or by the published lists."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from machine_iqa.data.labelled import Labelled
from miqd_builder.errors import ConfigError
from miqd_builder.formats.miqd.published import INDEX_DIGITS
from miqd_builder.tables.splits import SplitName, split_sources, validation_sources

VALIDATION = 0.1
"""Share of the training list that chooses: the published lists have two parts, of which the second is reported."""


def split_data(data: Labelled, *, seed: int, train_csv: Path | None, test_csv: Path | None) -> dict[SplitName, Labelled]:
    """Divide labelled images by their sources; images of one source in several runs stay together.

    Args:
        data: all of them.
        seed: of the split, see :func:`miqd_builder.tables.splits.split_sources`.
        train_csv: published list of the sources to train on, a tenth of which (by hash) chooses; None to split by hash.
        test_csv: published list of the sources to report on.

    Raises:
        ConfigError: one of two lists is missing or malformed, or a split is empty.
    """
    ids = {source.source_id for source in data.sources}
    if train_csv is None and test_csv is None:
        parts = split_sources(ids, seed=seed)
    elif train_csv is None or test_csv is None:
        raise ConfigError("train_csv and test_csv belong together: give both, or neither to split by hash.")
    else:
        train, test = _listed(train_csv, ids), _listed(test_csv, ids)
        if both := train & test:
            raise ConfigError(f"'{train_csv}' and '{test_csv}' both list '{min(both)}' ({len(both)} in both): correct one.")
        choosing = validation_sources(train, fraction=VALIDATION, seed=seed)
        parts = {"test": sorted(test), "validation": sorted(choosing), "train": sorted(train - choosing)}
    found = {name: data.of_sources(chosen) for name, chosen in parts.items()}
    for name, part in found.items():
        if not part.sources:
            raise ConfigError(
                f"The {name} split is empty: {len(ids)} sources have labels, and a split by hash needs 3 or more."
                if train_csv is None
                else f"The {name} split is empty: the lists name none of the {len(ids)} sources that have labels."
            )
    return found


def _listed(file: Path, ids: Iterable[str]) -> set[str]:
    """Ids that a published list names: image names in its first column, with or without suffix, filled with zeros or not."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = [row for row in csv.reader(lines) if row][1:]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"Split list '{file}' can't be read: {error}.") from None
    named = {row[0] for row in rows} | {Path(row[0]).stem for row in rows}
    return {source_id for source_id in ids if source_id in named or source_id.zfill(INDEX_DIGITS) in named}
