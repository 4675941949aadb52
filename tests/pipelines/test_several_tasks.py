"""``miqd label`` of several tasks in one command."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import degradations
from miqd_builder.sources.png import decode_png
from miqd_builder.tables import images
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


def test_every_image_is_read_once_for_all_tasks(
    miqd: Miqd, shared_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    monkeypatch.setattr(images, "decode_png", lambda data: (decoded.append(len(data)), decode_png(data))[1])
    assert miqd("label", "--task", "all", "--run", shared_run).code == 0
    degraded = 4 * len(degradations.select(["darkness_*", "gaussian_noise_?"]))
    assert len(decoded) == degraded
    decoded.clear()
    for task in ("cls", "det", "ins"):
        assert miqd("label", "--task", task, "--run", shared_run, "--out", tmp_path / "one").code == 0
    assert len(decoded) == 3 * degraded


def test_tasks_with_other_images_are_done_one_after_the_other(miqd: Miqd, data: DataSet, zoo: Path, tmp_path: Path) -> None:
    """det takes three of the images that ins takes: the same folder, but not the same parts."""
    run = write_run(tmp_path, data, zoo, tasks={"det": {"limit": 3}})
    result = miqd("label", "--task", "det", "--task", "ins", "--run", run)
    assert result.code == 0 and result.err.count("respond: ") == 2
    rows = {task: labelled(tmp_path / "out", task) for task in ("det", "ins")}
    assert len({source for source, _ in rows["det"]}) == 3 and len({source for source, _ in rows["ins"]}) == 4


def test_wrong_annotations_cost_the_tasks_that_use_them(miqd: Miqd, data: DataSet, shared_run: Path, tmp_path: Path) -> None:
    content = json.loads(data.annotations.read_text())
    content["images"][1]["width"] = 65
    data.annotations.write_text(json.dumps(content))
    assert miqd("label", "--task", "all", "--run", shared_run).code == 2
    failed = " ".join(miqd("status", "--run", shared_run, "--failed").out.split())
    for model in ("blobs", "blobs_strict", "blob_masks"):
        assert f"respond scene_1 {model}: UnreadableImageError: Image 'scene_1.png' is 64x48 pixels" in failed
    assert "respond scene_1 bright" not in failed
    answered = {task: {s for (s, _), n in labelled(tmp_path / "out", task).items() if n} for task in ("cls", "det", "ins")}
    assert answered["cls"] - answered["det"] == {"scene_1"} and answered["det"] == answered["ins"]


def test_status_of_tasks_that_shared_their_images(miqd: Miqd, shared_run: Path) -> None:
    assert miqd("label", "--task", "all", "--run", shared_run).code == 0
    status = miqd("status", "--run", shared_run).out
    assert "label --task det: finished" in status and status.count("respond (cls, det, ins together): ") == 3
    assert status.count("  score: ") == 3, "each task has scores of its own"


def labelled(folder: Path, task: str) -> dict[tuple[str, str], int]:
    """Number of models behind each label."""
    parts = sorted(folder.glob(f"labels/task={task}/*.parquet"))
    rows = [row for part in parts for row in pq.ParquetFile(part).read().to_pylist()]
    return {(row["source_id"], row["degradation"]): row["n_models"] for row in rows}


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
