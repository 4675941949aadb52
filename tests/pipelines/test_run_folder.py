"""Run folders that can't be written: held by another run, read-only, on a full disk. And a model that kills its process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from miqd_builder.store.folder import RunFolder
from miqd_builder.store.keys import CommandKey
from miqd_builder.store.lock import RunLock
from tests.conftest import DataSet, part_bytes, toy_entry, write_run, write_zoo

TABLES = ("variants", "responses", "scores", "labels")


def one_line(err: str) -> str:
    lines = err.strip().splitlines()
    said = [line for line in lines if line.startswith("Error")]
    assert len(said) == 1 and "Traceback" not in err
    return said[0]


@contextmanager
def mounted(*options: str) -> Iterator[None]:
    """Mount something, or skip where that takes rights that the tests don't have."""
    if os.geteuid() != 0 or subprocess.run(["mount", *options], capture_output=True).returncode != 0:
        pytest.skip("mounting a file system takes root")
    try:
        yield
    finally:
        subprocess.run(["umount", options[-1]], check=True)


def test_second_run_on_one_folder_is_refused(miqd, run_file: Path, tmp_path: Path) -> None:
    miqd("degrade", "--run", run_file)
    before = sorted(tmp_path.rglob("out/**/*"))
    with RunLock(RunFolder(str(tmp_path / "out")), CommandKey("label", "det")):
        for command in (("degrade",), ("label", "--task", "det")):
            result = miqd(*command, "--run", run_file)
            assert result.code == 1
            said = one_line(result.err)
            assert f"is held by 'miqd label --task det' on host {os.uname().nodename}, process {os.getpid()}, since" in said
            assert "Wait for it to end or stop it" in said
        for command in (("status",), ("verify",), ("label", "--task", "det", "--dry-run")):
            assert miqd(*command, "--run", run_file).code == 0
    assert sorted(tmp_path.rglob("out/**/*")) == before
    assert miqd("label", "--task", "det", "--run", run_file).code == 0


def test_read_only_folder(miqd, run_file: Path, tmp_path: Path) -> None:
    miqd("degrade", "--run", run_file)
    out = tmp_path / "out"
    with mounted("--bind", str(out), str(out)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(out)], check=True)
        for command in (("degrade",), ("label", "--task", "det")):
            result = miqd(*command, "--run", run_file)
            assert result.code == 1
            assert one_line(result.err).startswith(f"Error: Can't write '{out}/run.lock' (Read-only file system).")
        assert miqd("status", "--run", run_file).code == 0 and miqd("verify", "--run", run_file).code == 0


def test_really_full_disk_then_room(miqd, run_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=856k", "tmpfs", str(out)):
        result = miqd("label", "--task", "det", "--run", run_file)
        assert result.code == 1
        assert one_line(result.err).startswith(f"Error: No space left while writing '{out}")
        assert part_bytes(out, "variants") and len(part_bytes(out, "labels")) < 2
        assert not list(out.rglob("*.tmp")) and not (out / "run.lock").exists()
        subprocess.run(["mount", "-o", "remount,size=20m", str(out)], check=True)
        assert miqd("label", "--task", "det", "--run", run_file).code == 0
        assert miqd("label", "--task", "det", "--run", run_file, "--out", tmp_path / "undisturbed").code == 0
        for table in TABLES:
            assert part_bytes(out, table) == part_bytes(tmp_path / "undisturbed", table)


def test_model_that_kills_its_process_costs_its_part(miqd, data: DataSet, tmp_path: Path) -> None:
    """Three workers die at each part that holds dark images; the run goes on, and the next one, once it works, completes."""
    log, cure, out = tmp_path / "log", tmp_path / "cure", tmp_path / "out-cls"
    half = out / "run.json.1a.tmp"
    poison = toy_entry("poison", "cls", "", log=str(log), cure=str(cure), half=str(half)) | {
        "target": "tests.fault_models:poison"
    }
    zoo = write_zoo(tmp_path / "zoo.yaml", [poison, toy_entry("fine", "cls", "brightness")])
    (data.images / "scene_0.png").unlink()
    options = {"degradations": ["darkness_5", "contrast_3"], "sources_per_part": 1, "models_per_pass": 1, "limit": 2}
    run = write_run(tmp_path, data, zoo, **options)
    result = miqd("label", "--task", "cls", "--run", run, "--scheduler", "dask", "--workers", 2)
    deaths = len(log.read_text().splitlines())
    assert result.code == 2 and deaths in (3, 6)
    assert not list(out.rglob("*.tmp"))
    failed = miqd("status", "--out", out, "--failed")
    assert "WorkerDiedError: the worker process died 3 times at this" in failed.out
    assert len(list(out.glob("quarantine/*-lost.parquet"))) == deaths // 3
    assert len(part_bytes(out, "responses/task=cls/model=fine")) == 2
    cure.touch()
    assert miqd("label", "--task", "cls", "--run", run).code == 0
    assert not list(out.glob("quarantine/*"))
    assert len(part_bytes(out, "responses/task=cls/model=poison")) == 2
