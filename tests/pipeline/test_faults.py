"""Killed runs: the next one gives the bytes of an undisturbed run and leaves no temporary files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, part_bytes

TABLES = ("variants", "responses", "scores", "labels")


def command(run: Path, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "pipelines.cli", "label", "--task", "det", "--run", str(run), "--out", str(out), *options]


@pytest.mark.parametrize("table", ["variants", "responses"])
def test_killed_run_goes_on_where_it_stopped(miqd, run_file: Path, tmp_path: Path, table: str) -> None:
    out, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    process = subprocess.Popen(
        command(run_file, out, "--scheduler", "inline"),
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list((out / table).rglob("part-*.parquet")) and process.poll() is None:
        assert time.monotonic() < deadline, "the run never wrote a part"
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run was over before it was killed"
    early = {name: (out / name).stat().st_mtime_ns for name in part_bytes(out, table)}
    assert early
    assert miqd("label", "--task", "det", "--run", run_file, "--out", out).code == 0
    assert miqd("label", "--task", "det", "--run", run_file, "--out", undisturbed).code == 0
    for name in TABLES:
        assert part_bytes(out, name) == part_bytes(undisturbed, name)
    assert early == {name: (out / name).stat().st_mtime_ns for name in early}, "a finished part was written again"
    assert not list(out.rglob("*.tmp"))


def test_interrupt_says_what_to_do(run_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "interrupted"
    process = subprocess.Popen(
        command(run_file, out, "--scheduler", "inline"),
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (out / "run.json").exists() and process.poll() is None:
        assert time.monotonic() < deadline, "the run never started"
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert process.returncode == 130
    assert "run the same command again" in err
