"""One small labelled run of all three tasks, shared by the tests of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from miqd_builder.config import load_run
from miqd_builder.formats.registry import format_of
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import stored_labels
from pipelines.planning import plan_label
from pipelines.run import run_label
from pipelines.stages.export import Split, export_run, recorded_config
from tests.conftest import make_data_set, toy_entry, write_run, write_zoo

PUBLISHED_TASKS = ("cls", "det", "ins")


@dataclass(frozen=True)
class Labelled:
    """A run file and its run folders, labelled."""

    folder: Path
    run: Path

    def out(self, task: str) -> Path:
        """Run folder of a task."""
        return self.folder / ("out-cls" if task == "cls" else "out")

    def labels(self, task: str) -> pa.Table:
        """All labels of a task."""
        return stored_labels(RunFolder(str(self.out(task))), task)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    """Four images in 30 degradations, labelled by two models a task; the last image has no annotations."""
    folder = tmp_path_factory.mktemp("labelled")
    # The stricter model comes first: the order of the zoo is not the order of the names.
    entries = [
        toy_entry("bright_b", "cls", "brightness", 40.0, gain=1.3),
        toy_entry("bright_a", "cls", "brightness", 80.0),
        toy_entry("blobs_b", "det", "blobs", 25.0, threshold=140.0),
        toy_entry("blobs_a", "det", "blobs", 70.0),
        toy_entry("blobs_c", "det", "blobs", 33.0, threshold=60.0),
        toy_entry("masks_b", "ins", "blobs", 30.0, threshold=140.0),
        toy_entry("masks_a", "ins", "blobs", 20.0),
    ]
    run = write_run(folder, make_data_set(folder / "data"), write_zoo(folder / "zoo.yaml", entries))
    label(run, PUBLISHED_TASKS)
    return Labelled(folder, run)


def label(run: Path, tasks: tuple[str, ...], **options: Any) -> None:
    """Label some tasks of a run file."""
    for task in tasks:
        run_label([plan_label(load_run(run, task=task, **options), task)])


@pytest.fixture(scope="module")
def exported(labelled: Labelled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published trees of that run."""
    to = tmp_path_factory.mktemp("exported")
    for task in PUBLISHED_TASKS:
        export_run(recorded_config(str(labelled.out(task)), task, []), task, to, Split(0.25, 0), format_of("miqd"))
    return to
