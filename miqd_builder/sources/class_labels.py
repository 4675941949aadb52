"""Label files of image classification: a csv, or the ground-truth list of the ILSVRC2012 devkit."""

from __future__ import annotations

import csv
from pathlib import Path

from miqd_builder.errors import ConfigError
from miqd_builder.sources.files import some

NUM_CLASSES = 1000


def read_class_labels(path: Path) -> dict[str, int]:
    """Read a label file into ``{file name: class index 0..999}``.

    Raises:
        ConfigError: the file is missing or malformed; the message names the row.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Label file '{path}' can't be read ({error}): set source.labels.") from None
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and all(line.strip().isdigit() for line in lines):
        return _devkit_labels(path, [int(line) for line in lines])
    rows = list(csv.DictReader(lines))
    if not rows or not {"file", "label"} <= set(rows[0]):
        raise ConfigError(f"Label file '{path}' needs the columns file,label, or must be the devkit's ground-truth list.")
    labels: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        name, value = row["file"], row["label"]
        if not (value or "").strip().isdigit() or int(value) >= NUM_CLASSES:
            raise ConfigError(
                f"Label file '{path}', line {number}: label {value!r} of '{name}' is no class index 0..{NUM_CLASSES - 1}."
            )
        if name in labels:
            raise ConfigError(f"Label file '{path}', line {number}: '{name}' is listed twice; keep one of the rows.")
        labels[name] = int(value)
    return labels


def _devkit_labels(path: Path, ids: list[int]) -> dict[str, int]:
    """The devkit counts its synsets 1..1000 in an order of its own; class indices follow the sorted WordNet ids."""
    from scipy.io import loadmat

    meta = path.parent / "meta.mat"
    if not meta.is_file():
        raise ConfigError(
            f"The devkit's list '{path.name}' needs 'meta.mat' beside it, which says what its ids mean: copy it there."
        )
    try:
        synsets = loadmat(meta, squeeze_me=True, struct_as_record=True)["synsets"]
        wnids = {int(s["ILSVRC2012_ID"]): str(s["WNID"]) for s in synsets if int(s["ILSVRC2012_ID"]) <= NUM_CLASSES}
    except Exception as error:  # SciPy raises whatever it stumbles on in a damaged file
        raise ConfigError(f"'{meta}' is damaged, or not of the devkit ({type(error).__name__}): copy it again.") from error
    index = {wnid: i for i, wnid in enumerate(sorted(wnids.values()))}
    unknown = sorted(set(ids) - set(wnids))
    if unknown:
        raise ConfigError(f"The devkit's list '{path.name}' has ids that 'meta.mat' doesn't know: {some(unknown)}.")
    return {f"ILSVRC2012_val_{n:08d}.JPEG": index[wnids[i]] for n, i in enumerate(ids, start=1)}
