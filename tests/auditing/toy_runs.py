"""Small labelled runs of three tasks with several models each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import miqd_builder as mb
from tests.conftest import make_data_set, toy_entry, write_run, write_zoo

BASELINE = {"cls": "bright", "det": "blobs", "ins": "blob_masks"}
DEGRADATIONS = ["darkness_*", "pixelate_*", "gaussian_noise_*"]


def make_runs(folder: Path, labelled: tuple[str, ...] = ("det", "ins", "cls"), **changes: Any) -> dict[str, Path]:
    """Label 5 images, the last of them without annotated objects, and return the run folder of each task."""
    entries = [toy_entry("bright", "cls", "brightness", 80.0), toy_entry("bright2", "cls", "brightness", 40.0, gain=1.3)]
    entries += [toy_entry("bright3", "cls", "brightness", 60.0, gain=0.9), toy_entry("blobs", "det", "blobs", 50.0)]
    entries += [toy_entry("blobs_strict", "det", "blobs", 25.0, threshold=140.0)]
    entries += [toy_entry("blobs_lax", "det", "blobs", 35.0, threshold=60.0), toy_entry("blob_masks", "ins", "blobs", 30.0)]
    entries += [toy_entry("masks2", "ins", "blobs", 20.0, threshold=70.0)]
    data, zoo = make_data_set(folder / "data", count=5), write_zoo(folder / "zoo.yaml", entries)
    write_run(folder, data, zoo, **{"degradations": DEGRADATIONS, "images": "none"} | changes)
    for task in labelled:
        mb.label(task=task, run=folder / "run.yaml")
    return {task: folder / ("out-cls" if task == "cls" else "out") for task in labelled}
