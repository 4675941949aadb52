"""``miqd status`` on runs that are finished, at work, killed, and that failed in places."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from miqd_builder.store.folder import RunFolder
from miqd_builder.store.keys import CommandKey
from pipelines.progress import heartbeat
from pipelines.progress.heartbeat import read_progress
from tests.conftest import ROOT, DataSet, Outcome, toy_entry, write_run, write_zoo

Miqd = Callable[..., Outcome]


def row(outcome: Outcome, name: str) -> list[int]:
    """Parts done, running, missing and quarantined, and rows, of one table."""
    found = [line.split()[1:] for line in outcome.out.splitlines() if line.split()[:1] == [name]]
    assert len(found) == 1, outcome.out
    return [int(cell) for cell in found[0]]


def test_finished_run(miqd: Miqd, run_file: Path) -> None:
    miqd("label", "--task", "det", "--run", run_file)
    status = miqd("status", "--run", run_file)
    assert status.code == 0
    assert "ROI masks by annotations: 4 of 4 stored in roi/" in status.out
    assert row(status, "variants") == [2, 0, 0, 0, 120]
    assert row(status, "responses/task=det/model=blobs") == [2, 0, 0, 0, 124]
    assert row(status, "labels/task=det") == [2, 0, 0, 0, 120]
    assert "label --task det: finished" in status.out
    assert "respond: 248 rows in" in status.out and "rows/s" in status.out


def test_statistics_of_the_work_outlast_a_run_that_found_nothing_to_do(miqd: Miqd, run_file: Path) -> None:
    miqd("label", "--task", "det", "--run", run_file)
    miqd("label", "--task", "det", "--run", run_file)
    assert "respond: 248 rows in" in miqd("status", "--run", run_file).out


def test_missing_is_what_the_last_run_wanted(miqd: Miqd, run_file: Path, tmp_path: Path) -> None:
    miqd("label", "--task", "det", "--run", run_file, "--limit", 2)
    assert row(miqd("status", "--run", run_file), "labels/task=det") == [1, 0, 0, 0, 60]
    (tmp_path / "out/scores/task=det/model=blobs/part-00000.parquet").unlink()
    assert row(miqd("status", "--run", run_file), "scores/task=det/model=blobs") == [0, 0, 1, 0, 0]


def test_quarantined_parts_and_their_errors(miqd: Miqd, data: DataSet, tmp_path: Path) -> None:
    zoo = write_zoo(tmp_path / "zoo.yaml", [toy_entry("broken", "cls", "crashing"), toy_entry("fine", "cls", "brightness")])
    run = write_run(tmp_path, data, zoo)
    assert miqd("label", "--task", "cls", "--run", run).code == 2
    status = miqd("status", "--out", tmp_path / "out-cls")
    assert status.code == 2
    assert row(status, "responses/task=cls/model=broken") == [0, 0, 0, 2, 0]
    assert row(status, "responses/task=cls/model=fine") == [2, 0, 0, 0, 124]
    assert "2 quarantined" in status.out and "no such luck" not in status.out
    assert "respond broken: RuntimeError: no such luck" in miqd("status", "--out", tmp_path / "out-cls", "--failed").out


def test_part_that_failed_altogether_is_quarantined_not_missing(
    miqd: Miqd, run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*arguments: object) -> None:
        raise RuntimeError("out of luck")

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.stages.score.score_responses", explode)
        assert miqd("label", "--task", "det", "--run", run_file).code == 2
    status = miqd("status", "--run", run_file, "--failed")
    assert row(status, "scores/task=det/model=blobs_strict") == [0, 0, 0, 2, 0]
    assert "score blobs_strict: RuntimeError: out of luck" in status.out
    assert miqd("label", "--task", "det", "--run", run_file).code == 0
    assert row(miqd("status", "--run", run_file), "scores/task=det/model=blobs_strict") == [2, 0, 0, 0, 124]


def start_gated(tmp_path: Path, data: DataSet) -> tuple[subprocess.Popen[bytes], Path, Path]:
    """Start a run in a process of its own whose model waits for a file; returns it once the model was asked."""
    gate = tmp_path / "gate"
    run = write_run(tmp_path, data, write_zoo(tmp_path / "zoo.yaml", [toy_entry("slow", "cls", "gated", gate=str(gate))]))
    command = [sys.executable, "-m", "pipelines.cli.main", "label", "--task", "cls", "--run", str(run)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = RunFolder(str(tmp_path / "out-cls"))
    deadline = time.monotonic() + 180
    command = CommandKey("label", "cls")
    while not (found := read_progress(folder)) or not found[command].running or found[command].stage != "respond":
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail("the model was never asked")
        time.sleep(0.05)
    return process, gate, tmp_path / "out-cls"


def test_running_run(miqd: Miqd, data: DataSet, tmp_path: Path) -> None:
    process, gate, out = start_gated(tmp_path, data)
    status = miqd("status", "--out", out)
    assert row(status, "variants") == [2, 0, 0, 0, 120]
    assert row(status, "responses/task=cls/model=slow") == [0, 1, 1, 0, 0]
    assert row(status, "labels/task=cls") == [0, 0, 2, 0, 0]
    assert f"process {process.pid}: respond 0/124 images" in status.out
    gate.touch()
    assert process.wait(timeout=60) == 0
    assert "label --task cls: finished" in miqd("status", "--out", out).out


def test_killed_run(miqd: Miqd, data: DataSet, tmp_path: Path) -> None:
    process, _, out = start_gated(tmp_path, data)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    status = miqd("status", "--out", out)
    assert row(status, "responses/task=cls/model=slow") == [0, 0, 2, 0, 0]
    assert "label --task cls: stopped before its end" in status.out


@pytest.mark.parametrize("ahead", [-7200, 7200])
def test_another_machine_with_a_wrong_clock(
    miqd: Miqd, run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """Its times look old or lie in the future; whether they change tells if it is alive."""
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_BEATS", 0.2)
    miqd("degrade", "--run", run_file)
    file = tmp_path / "out/progress/degrade.json"
    there = json.loads(file.read_text()) | {"host": "elsewhere", "state": "running", "updated": time.time() + ahead}
    file.write_text(json.dumps(there))
    assert "degrade: stopped before its end, on elsewhere" in miqd("status", "--run", run_file).out
    beat = (
        "import json, pathlib, sys, time; file = pathlib.Path(sys.argv[1])\n"
        "while True:\n there = json.loads(file.read_text()); there['updated'] += 0.1\n"
        " new = file.with_suffix('.new'); new.write_text(json.dumps(there)); new.replace(file); time.sleep(0.1)"
    )
    process = subprocess.Popen([sys.executable, "-c", beat, str(file)])
    try:
        assert "degrade: running on elsewhere" in miqd("status", "--run", run_file).out
    finally:
        process.kill()
        process.wait()


def test_progress_of_layout_1_is_read(tmp_path: Path) -> None:
    """Its command and task were one text."""
    folder = RunFolder(str(tmp_path))
    stages = {"label": {"computed": 3, "reused": 0, "failures": 0, "wall_s": 2.0, "seconds": {}}}
    old = {"command": "label det", "models": ["m"], "parts": [0], "host": "h", "pid": 1, "started": 5.0, "state": "finished"}
    folder.write("progress/label-det.json", json.dumps({**old, "stages": stages}).encode())
    folder.write("progress/label-cls.json", json.dumps({**old, "command": "frobnicate"}).encode())
    found = read_progress(folder)
    assert list(found) == [CommandKey("label", "det")] and found[CommandKey("label", "det")].stages == stages
    with heartbeat.Heartbeat(folder, CommandKey("label", "det"), models=["m"], parts=[0]):
        content = json.loads(folder.read("progress/label-det.json"))
    assert (content["command"], content["task"], content["stages"]) == ("label", "det", stages)
