"""Runs whose workers start slowly, leave, come back or never were there: each goes on or ends with one line, none hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from miqd_builder.errors import NoWorkersError
from miqd_builder.store.folder import RunFolder
from pipelines.cluster import Expected
from pipelines.schedulers import Dask, Report, Task
from tests.conftest import ROOT, DataSet, Outcome, toy_entry, write_run, write_zoo
from tests.pipeline.children import scheduler_process, worker_process

Miqd = Callable[..., Outcome]


def test_worker_that_starts_late_and_dies_twice(data: DataSet, tmp_path: Path) -> None:
    """Dask closes a nanny for good whose worker isn't back within ``lost-worker-timeout``, and the run waited for ever."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import sys, time\nif sys.argv[:1] == ['-c']:\n    time.sleep(2.5)\n")
    poison = toy_entry("poison", "cls", "", log=str(tmp_path / "log"), cure=str(tmp_path / "cure"))
    zoo = write_zoo(tmp_path / "zoo.yaml", [poison | {"target": "tests.fault_models:poison"}])
    run = write_run(tmp_path, data, zoo, degradations=["darkness_5"], limit=2, images="none", workers=1)
    result = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "label", "--task", "cls", "--run", str(run), "--scheduler", "dask"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{site}:{ROOT}", "DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "1s"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 2, result.stderr
    assert (tmp_path / "log").read_text() == "died\n" * 3


def pause(task: Task, report: Report) -> int:
    """Work that takes a moment."""
    time.sleep(task["seconds"])
    report(1)
    return os.getpid()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    file = tmp_path / "address"
    with scheduler_process(file):
        yield file.read_text()


def dask(client: Client, folder: Path, timeout: float) -> Dask:
    """A scheduler of a cluster that was joined."""
    (folder / "run.json").write_text("{}")
    return Dask(lambda: client, Expected.of(RunFolder(str(folder))), worker_timeout=timeout)


def work(scheduler: Dask, seconds: list[float]) -> list[Any]:
    """Map some pauses and return the results."""
    failures: list[Any] = []
    tasks: list[Task] = [{"key": f"pause-{i}", "seconds": s} for i, s in enumerate(seconds)]
    results = scheduler.map(pause, tasks, on_progress=lambda _: None, on_failure=lambda *args: failures.append(args))
    done = [result for _, result in results]
    assert not failures
    return done


def test_scheduler_that_never_had_a_worker(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Client(address) as client, pytest.raises(NoWorkersError, match="None came within 1 s"):
        work(dask(client, tmp_path, 1.0), [0.0])
    said = capsys.readouterr().err
    assert said.count("There is no worker at tcp://") == 1 and "Waiting up to 1 s for one." in said


def test_command_on_a_scheduler_without_workers(miqd: Miqd, run_file: Path, address: str) -> None:
    started = time.monotonic()
    options = ("--scheduler", address, "--set", "worker_timeout=2")
    result = miqd("label", "--task", "det", "--run", run_file, *options)
    assert result.code == 1 and "Traceback" not in result.err and time.monotonic() - started < 60
    assert result.err.splitlines()[-1].startswith("Error: There is no worker at tcp://")


def test_last_worker_that_leaves_and_comes_back(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Client(address) as client:
        done: list[Any] = []
        with worker_process(address) as worker:
            client.wait_for_workers(1)
            scheduler = dask(client, tmp_path, 120.0)
            thread = threading.Thread(target=lambda: done.extend(work(scheduler, [0.0, 0.0, 2.0, 0.0])))
            thread.start()
            time.sleep(1.0)
            os.kill(worker.pid, signal.SIGKILL)
        time.sleep(2.0)
        with worker_process(address):
            thread.join(100)
            assert not thread.is_alive() and len(done) == 4
    assert "Waiting up to 120 s for one." in capsys.readouterr().err


def test_last_worker_that_leaves_for_good(address: str, tmp_path: Path) -> None:
    with Client(address) as client, worker_process(address) as worker:
        client.wait_for_workers(1)
        threading.Timer(0.5, lambda: os.kill(worker.pid, signal.SIGKILL)).start()
        with pytest.raises(NoWorkersError, match="start workers, and run the same command again"):
            work(dask(client, tmp_path, 2.0), [0.0, 5.0])
