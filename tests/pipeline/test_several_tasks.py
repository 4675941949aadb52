"""``miqd label`` of several tasks in one command."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import DataSet, Outcome, part_bytes, toy_entry, write_run, write_zoo

Miqd = Callable[..., Outcome]
TABLES = ("variants", "responses", "scores", "labels")


@pytest.fixture
def shared_run(tmp_path: Path, data: DataSet, zoo: Path) -> Path:
    """A run file whose tasks share the run folder; cls has a source of its own."""
    tasks = {"cls": {"source": {"kind": "imagenet", "labels": str(data.labels), "annotations": None}}}
    return write_run(tmp_path, data, zoo, tasks=tasks, roi={"kind": "saliency"})


def test_all_tasks_at_once_are_those_one_by_one(miqd: Miqd, shared_run: Path, tmp_path: Path) -> None:
    together = miqd("label", "--task", "all", "--run", shared_run, "--out", tmp_path / "together")
    assert together.code == 0, together.err
    assert together.err.count("degrade: ") == 1, "variants are made once"
    for task in ("cls", "det", "ins"):
        assert miqd("label", "--task", task, "--run", shared_run, "--out", tmp_path / "one").code == 0
    for table in TABLES:
        parts = part_bytes(tmp_path / "together", table)
        assert parts and parts == part_bytes(tmp_path / "one", table)
    again = miqd("label", "--task", "all", "--run", shared_run, "--out", tmp_path / "together")
    assert again.code == 0 and "degrade" not in again.err


def test_some_tasks_and_folders_of_their_own(miqd: Miqd, run_file: Path, tmp_path: Path) -> None:
    assert miqd("label", "--task", "ins", "--task", "cls", "--run", run_file).code == 0
    assert {name.split("/")[1] for name in part_bytes(tmp_path / "out")} == {"task=ins"}
    assert {name.split("/")[1] for name in part_bytes(tmp_path / "out-cls")} == {"task=cls"}


def test_one_process_tree(miqd: Miqd, data: DataSet, tmp_path: Path) -> None:
    """The same worker runs the models of both tasks."""
    log = tmp_path / "log"
    counting = {"log": str(log), "process": True}
    entries = [toy_entry("one", "cls", "counting", **counting), toy_entry("two", "cls", "counting", **counting)]
    zoo = write_zoo(tmp_path / "zoo.yaml", [entries[0], toy_entry("blobs", "det", "blobs")])
    run = write_run(tmp_path, data, zoo, tasks={}, scheduler="dask", workers=1, degradations=["darkness_1"], images="none")
    assert miqd("label", "--task", "cls", "--task", "det", "--run", run).code == 0
    processes = set(log.read_text().split())
    assert len(processes) == 1 and str(os.getpid()) not in processes


@pytest.mark.parametrize(
    ("tasks", "message"), [((), "Which task?"), (("all", "dett"), "Unknown task 'dett'"), (("dett",), "Unknown task 'dett'")]
)
def test_tasks_that_are_none(miqd: Miqd, run_file: Path, tasks: tuple[str, ...], message: str) -> None:
    options = [option for task in tasks for option in ("--task", task)]
    result = miqd("label", *options, "--run", run_file, "--dry-run")
    assert result.code == 1 and message in result.err


def test_all_without_a_model(miqd: Miqd, data: DataSet, tmp_path: Path) -> None:
    zoo = write_zoo(tmp_path / "zoo.yaml", [toy_entry("colours", "seg", "colours")])
    result = miqd("label", "--task", "all", "--run", write_run(tmp_path, data, zoo))
    assert result.code == 1 and "no model of a task that its source serves" in result.err
