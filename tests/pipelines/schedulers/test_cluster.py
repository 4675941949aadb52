"""A Dask cluster that was started by hand: a scheduler and its workers, real processes on this machine."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest
from distributed import Client

from pipelines.schedulers import Scheduler
from pipelines.schedulers.inline import Inline
from pipelines.schedulers.local import local_cluster
from tests.conftest import ROOT, DataSet, Outcome, make_data_set, part_bytes, toy_entry, write_run, write_zoo
from tests.pipelines.children import wait_for
from tests.pipelines.schedulers.cluster_processes import changed_code, start_scheduler, start_worker

Miqd = Callable[..., Outcome]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a scheduler of its own."""
    with start_scheduler(tmp_path_factory.mktemp("cluster") / "scheduler.json") as address:
        yield address


@pytest.fixture(scope="module")
def pair(address: str) -> Iterator[tuple[str, str]]:
    """Addresses of two workers with a GPU each, as they say; the second can't build the toy model ``picky``."""
    with (
        start_worker(address, "--resources", "GPU=1") as one,
        start_worker(address, "--resources", "GPU=1", MIQD_TOY_BROKEN="1") as other,
    ):
        yield one, other


def test_two_workers_started_by_hand_write_the_bytes_of_one_process(
    miqd: Miqd, run_file: Path, tmp_path: Path, address: str, pair: tuple[str, str]
) -> None:
    joined = miqd("label", "--task", "det", "--run", run_file, "--out", tmp_path / "cluster", "--scheduler", address)
    assert joined.code == 0, joined.err
    assert miqd("label", "--task", "det", "--run", run_file, "--out", tmp_path / "inline").code == 0
    for table in ("variants", "responses", "scores", "labels"):
        assert part_bytes(tmp_path / "cluster", table) == part_bytes(tmp_path / "inline", table)


def test_models_run_where_a_gpu_is_offered(
    miqd: Miqd, data: DataSet, tmp_path: Path, address: str, pair: tuple[str, str]
) -> None:
    log = tmp_path / "calls"
    zoo = write_zoo(tmp_path / "zoo.yaml", [toy_entry("counting", "cls", "counting", log=str(log), process=True)])
    run = write_run(tmp_path, data, zoo, sources_per_part=1)
    with start_worker(address) as without, Client(address) as client:
        assert miqd("label", "--task", "cls", "--run", run, "--scheduler", address).code == 0
        processes = client.run(os.getpid)
    assert set(map(int, log.read_text().split())) <= {processes[worker] for worker in pair}
    assert processes[without] not in set(map(int, log.read_text().split()))


def test_model_that_fails_on_one_worker_is_done_by_the_other(
    miqd: Miqd, data: DataSet, tmp_path: Path, address: str, pair: tuple[str, str]
) -> None:
    zoo = write_zoo(tmp_path / "zoo.yaml", [toy_entry("picky", "cls", "picky"), toy_entry("fine", "cls", "brightness")])
    run = write_run(tmp_path, data, zoo, sources_per_part=1)
    out = tmp_path / "out-cls"
    assert miqd("label", "--task", "cls", "--run", run, "--scheduler", address).code == 0
    assert miqd("label", "--task", "cls", "--run", run, "--out", tmp_path / "inline").code == 0
    assert part_bytes(out) == part_bytes(tmp_path / "inline")
    assert not list((out / "quarantine").glob("*"))


def test_model_that_fails_everywhere_is_quarantined_and_the_run_goes_on(
    miqd: Miqd, data: DataSet, tmp_path: Path, address: str, pair: tuple[str, str]
) -> None:
    """Also if it is the configuration that is wrong: this process can't know, since it builds no model."""
    zoo = write_zoo(tmp_path / "zoo.yaml", [toy_entry("gone", "cls", "gone"), toy_entry("fine", "cls", "brightness")])
    run = write_run(tmp_path, data, zoo)
    assert miqd("label", "--task", "cls", "--run", run, "--scheduler", address).code == 2
    status = miqd("status", "--out", tmp_path / "out-cls", "--failed")
    assert status.code == 2 and "respond gone: ConfigError: Model 'gone': 'tests.toy_models' has no function" in status.out
    assert len(part_bytes(tmp_path / "out-cls", "labels")) == 2


def refused(outcome: Outcome, out: Path) -> str:
    """The one line of a run that was refused before it rendered anything."""
    lines = outcome.err.strip().splitlines()
    assert outcome.code == 1 and "Traceback" not in outcome.err
    assert not (out / "variants").exists()
    return next(line for line in lines if line.startswith("Error"))


def test_worker_of_another_version(miqd: Miqd, run_file: Path, tmp_path: Path, address: str) -> None:
    site = tmp_path / "site"
    (site / "miqd_builder-9.9.dist-info").mkdir(parents=True)
    (site / "miqd_builder-9.9.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: miqd-builder\nVersion: 9.9\n")
    with start_worker(address, folder=site) as other:
        line = refused(miqd("label", "--task", "det", "--run", run_file, "--scheduler", address), tmp_path / "out")
    assert line.startswith(f"Error: Worker {other} has miqd-builder 9.9, this command is ")


def test_worker_with_other_code(miqd: Miqd, run_file: Path, tmp_path: Path, address: str) -> None:
    with start_worker(address, folder=changed_code(tmp_path / "code")) as other:
        line = refused(miqd("label", "--task", "det", "--run", run_file, "--scheduler", address), tmp_path / "out")
    assert line.startswith(f"Error: Worker {other} runs other code than this command")


def test_worker_with_several_threads(miqd: Miqd, run_file: Path, tmp_path: Path, address: str) -> None:
    with start_worker(address, "--nthreads", "3") as other:
        line = refused(miqd("label", "--task", "det", "--run", run_file, "--scheduler", address), tmp_path / "out")
    assert line.startswith(f"Error: Worker {other} has 3 threads") and "--nthreads 1" in line


def test_worker_that_does_not_see_the_run_folder(miqd: Miqd, run_file: Path, address: str, pair: tuple[str, str]) -> None:
    """A folder in this process's memory is one that no worker sees."""
    outcome = miqd("label", "--task", "det", "--run", run_file, "--out", "memory://unseen", "--scheduler", address)
    assert outcome.code == 1 and "Traceback" not in outcome.err
    assert any(f"Error: Worker {one} does not see the run folder 'memory://unseen'" in outcome.err for one in pair)


def test_unfit_worker_that_joins_during_the_run_is_sent_away(tmp_path: Path, address: str, pair: tuple[str, str]) -> None:
    gate = tmp_path / "gate"
    zoo = write_zoo(tmp_path / "zoo.yaml", [toy_entry("slow", "cls", "gated", gate=str(gate))])
    run = write_run(tmp_path, make_data_set(tmp_path / "data", count=9), zoo, sources_per_part=1)
    command = [sys.executable, "-m", "pipelines.cli.main", "label", "--task", "cls", "--run", str(run), "--scheduler", address]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    variants = tmp_path / "out-cls/variants"
    wait_for(lambda: len(list(variants.glob("*.parquet"))) == 9 or running.poll() is not None, "the images were never rendered")
    assert running.poll() is None, running.communicate()[1]
    with start_worker(address, "--resources", "GPU=1", folder=changed_code(tmp_path / "code")) as late:
        gate.touch()
        _, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    assert f"Warning: Worker {late} runs other code than this command" in err and "It gets no work" in err


class Weighing(Scheduler):
    """Notes the size of every item and result as it would travel."""

    def __init__(self) -> None:
        super().__init__(Inline(), worker_timeout=1)
        self.sizes: list[tuple[str, int, int]] = []

    def map(self, stage: Any, items: Any, **options: Any) -> Iterator[tuple[Any, Any]]:
        """See :class:`Scheduler`."""
        for item, result in super().map(stage, items, **options):
            self.sizes.append((stage.__name__, len(pickle.dumps((stage, item))), len(pickle.dumps(result))))
            yield item, result


def test_neither_models_nor_images_travel(
    miqd: Miqd, data: DataSet, zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks and results of a part with 250 variants of each image stay below 4 kB: an image here has 9 kB."""
    weighing = Weighing()

    @contextmanager
    def scheduler(*arguments: Any, **options: Any) -> Iterator[Weighing]:
        yield weighing

    monkeypatch.setattr("pipelines.schedulers.shared.open_scheduler", scheduler)
    run = write_run(tmp_path, data, zoo, degradations=["*"])
    assert miqd("label", "--task", "ins", "--run", run).code == 0
    assert {name for name, _, _ in weighing.sizes} == {"degrade_part", "respond_part", "score_part", "label_part"}
    assert max(task for _, task, _ in weighing.sizes) < 4096
    assert max(result for _, _, result in weighing.sizes) < 4096


def test_workers_too_busy_to_say_goodbye_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    with local_cluster(1, "cpu") as client:
        process = client.submit(os.getpid).result()
        cluster: Any = client.cluster
        monkeypatch.setattr(cluster, "close", Mock(side_effect=TimeoutError))
    wait_for(lambda: not psutil.pid_exists(process), "the worker is still there")
    monkeypatch.undo()
    cluster.close()
