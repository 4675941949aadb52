"""A run folder with made-up labels, and tables of measures beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import miqd_builder as mb
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import encode_table
from tests.conftest import make_data_set, toy_entry, write_run, write_zoo

Key = tuple[str, str]


def write_measure(out: Path, measure: str, values: Mapping[Key, float | None], parts: int = 2, seed: int = 0) -> None:
    """Write a measure's table, its rows shuffled over the parts; keys are (source, degradation)."""
    keys = list(values)
    order = np.random.default_rng(seed).permutation(len(keys))
    for part, places in enumerate(np.array_split(order, parts)):
        rows = [{"source_id": keys[i][0], "degradation": keys[i][1], "value": values[keys[i]]} for i in places]
        schema = pa.schema([("source_id", pa.string()), ("degradation", pa.string()), ("value", pa.float64())])
        name = f"measures/measure={measure}/part-{part:05d}.parquet"
        RunFolder(str(out)).write(name, encode_table(pa.Table.from_pylist(rows, schema=schema), {}))


def label_rows(out: Path, task: str) -> dict[Key, dict[str, object]]:
    """Rows of the labels by (source, degradation)."""
    return {(row["source_id"], row["degradation"]): row for row in mb.open_run(out).labels(task).to_pylist()}


@pytest.fixture(scope="package")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled run: 5 images, 25 degradations, det with 4 models. The last image has no annotations."""
    folder = tmp_path_factory.mktemp("benchmark")
    strict = {f"blobs_{t}": float(t) for t in (110, 140, 170)}
    entries = [
        toy_entry("blobs", "det", "blobs", 50.0),
        *(toy_entry(name, "det", "blobs", 25.0, threshold=value) for name, value in strict.items()),
    ]
    data, zoo = make_data_set(folder / "data", count=5), write_zoo(folder / "zoo.yaml", entries)
    degradations = ["darkness_?", "gaussian_noise_?", "darkness_fg_stronger_*", "snow_?"]
    write_run(folder, data, zoo, degradations=degradations)
    mb.label(task="det", run=folder / "run.yaml", images="none")
    return folder / "out"
