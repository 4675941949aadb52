"""One small labelled run of three tasks, shared by the tests of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

import miqd_builder as mb
from tests.conftest import make_data_set, toy_entry, write_run, write_zoo


@pytest.fixture(scope="package")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of ``run.yaml``, ``out`` (det, ins, with images) and ``out-cls`` (rendered again): 4 images, 4 degradations."""
    folder = tmp_path_factory.mktemp("api")
    entries = [
        toy_entry("bright", "cls", "brightness", 80.0),
        toy_entry("blobs", "det", "blobs", 50.0),
        toy_entry("blobs_strict", "det", "blobs", 25.0, threshold=140.0),
        toy_entry("blob_masks", "ins", "blobs", 30.0),
    ]
    data, zoo = make_data_set(folder / "data"), write_zoo(folder / "zoo.yaml", entries)
    write_run(folder, data, zoo, degradations=["darkness_[15]", "gaussian_noise_[15]"])
    mb.label(task=["det", "ins"], run=folder / "run.yaml")
    mb.label(task="cls", run=folder / "run.yaml", images="none")
    return folder
