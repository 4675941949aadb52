"""The noise floor of a toy run: unchanged images are exactly consistent, and severity 1 is that of the scores."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

import miqd_builder as mb
from benchmarks.noise_floor import CONTROLS, table
from tests.conftest import make_data_set, toy_entry, write_run, write_zoo


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two detectors on four images, the last of which has no annotations."""
    folder = tmp_path_factory.mktemp("noise")
    entries = [toy_entry("blobs", "det", "blobs", 50.0), toy_entry("blobs_strict", "det", "blobs", 25.0, threshold=140.0)]
    data, zoo = make_data_set(folder / "data"), write_zoo(folder / "zoo.yaml", entries)
    write_run(folder, data, zoo, degradations=["darkness_[13]", "gaussian_noise_1"])
    mb.label(task="det", run=folder / "run.yaml")
    return folder / "out"


def test_rows_of_the_table(run: Path) -> None:
    title, _, _, _, *rows, _ = table(str(run), "det", None)
    assert title == "### out, det: 2 models, 4 sources"
    cells = {line.split(" | ")[0].strip("| "): [cell.strip(" |") for cell in line.split(" | ")[1:]] for line in rows}
    assert cells["the same pixels"][:3] == ["1.000", "100.0%", "1.000"]
    assert float(cells["one pixel to the right"][0]) < 1, "a pixel is 8 % of these boxes' width"
    scores = duckdb.sql(
        f"from '{run}/scores/task=det/*/*.parquet' where degradation in ('darkness_1', 'gaussian_noise_1')"
    ).df()
    wanted = [scores.consistency.mean(), (scores.consistency == 1).mean(), scores.consistency.min(), scores.accuracy.mean()]
    assert cells["severity 1 of the run"] == [f"{wanted[0]:.3f}", f"{wanted[1]:.1%}", f"{wanted[2]:.3f}", f"{wanted[3]:.3f}"]


def test_controls_change_what_they_say() -> None:
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3) * 4
    image[0, 0] = 255
    changed = {name: change(image) for name, change in CONTROLS.items()}
    np.testing.assert_array_equal(changed["the same pixels"], image)
    np.testing.assert_array_equal(changed["one pixel to the right"][:, 1:], image[:, :-1])
    difference = changed["one grey level brighter"].astype(int) - image
    assert set(np.unique(difference[1:])) == {1} and difference[0, 0].tolist() == [0, 0, 0]
    assert np.abs(changed["JPEG, quality 100"].astype(int) - image).max() <= 3
