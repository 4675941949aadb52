"""Clients, workers and schedulers killed at random moments, 20 times: the next run gives the bytes of an undisturbed one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from miqd_builder.config import load_run
from pipelines.planning import plan_label
from pipelines.run import run_label
from pipelines.work import StageSummary
from tests.conftest import make_data_set, part_bytes, toy_entry, write_run, write_zoo
from tests.pipelines.children import is_alive, miqd_process, scheduler_process, wait_for, worker_process

TABLES = ("variants", "responses", "scores", "labels")
SOURCES, IMAGES = 12, 7
"""One source a part; its original and six degraded images."""
PARTS = {"variants": SOURCES, "responses": 2 * SOURCES, "scores": 2 * SOURCES, "labels": SOURCES}


@dataclass(frozen=True)
class Case:
    """A small run, what it gives when nothing disturbs it, and the means to hold it in the middle of its work."""

    folder: Path
    run: Path
    hold: Path
    log: Path
    reference: dict[str, dict[str, bytes]]

    def label(self, out: Path, *options: object) -> tuple[object, ...]:
        """The command."""
        return ("label", "--task", "cls", "--run", self.run, "--out", out, *options)

    def working(self) -> list[int]:
        """Processes that showed images to the model so far, the latest first."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [int(line.split()[0]) for line in reversed(lines)]

    def shown(self) -> int:
        """Images that the model saw so far."""
        return sum(int(line.split()[1]) for line in self.log.read_text().splitlines())

    @contextmanager
    def held(self) -> Iterator[None]:
        """The model never returns."""
        self.log.unlink(missing_ok=True)
        self.hold.touch()
        try:
            yield
        finally:
            self.hold.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("faults")
    hold, log = folder / "hold", folder / "log"
    held = toy_entry("held", "cls", "", log=str(log), hold=str(hold)) | {"target": "tests.fault_models:held"}
    zoo = write_zoo(folder / "zoo.yaml", [held, toy_entry("fine", "cls", "brightness")])
    data = make_data_set(folder / "data", count=SOURCES)
    run = write_run(folder, data, zoo, degradations=["darkness_[1-3]", "contrast_[1-3]"], sources_per_part=1)
    case = Case(folder, run, hold, log, {})
    with miqd_process(folder / "reference.txt", *case.label(folder / "reference")) as process:
        process.join()
    assert process.exitcode == 0, (folder / "reference.txt").read_text()
    case.reference.update({table: part_bytes(folder / "reference", table) for table in TABLES})
    assert {table: len(parts) for table, parts in case.reference.items()} == PARTS
    return case


def finished(out: Path) -> dict[str, tuple[int, int]]:
    """Parts that are there, with what changes when one is written again."""
    parts = [path for table in TABLES for path in (out / table).rglob("part-*.parquet")]
    return {str(path.relative_to(out)): (path.stat().st_mtime_ns, path.stat().st_ino) for path in parts}


def assert_complete(case: Case, out: Path, early: dict[str, tuple[int, int]]) -> None:
    """All parts are those of the undisturbed run, those that were finished early weren't made twice, nothing lies about."""
    for table in TABLES:
        assert part_bytes(out, table) == case.reference[table]
    now = finished(out)
    assert early == {name: now[name] for name in early}, "a finished part was written again"
    assert not list(out.rglob("*.tmp"))
    assert not (out / "run.lock").exists() and not list(out.glob("quarantine/*"))


def run_on(case: Case, out: Path) -> dict[str, StageSummary]:
    """Run the command again, undisturbed."""
    config = load_run(case.run, task="cls", out=str(out), scheduler="inline")
    return {stage.stage: stage for stage in run_label([plan_label(config, "cls")])}


def test_client_killed_ten_times(case: Case, tmp_path: Path) -> None:
    rng, out, kills = random.Random(1), tmp_path / "out", 0
    early: dict[str, tuple[int, int]] = {}
    while kills < 10:
        some = len(finished(out)) + rng.randint(0, 9)
        with miqd_process(tmp_path / "log.txt", *case.label(out)) as process:
            wait_for(lambda: len(finished(out)) >= some or not process.is_alive(), "the run stands still")  # noqa: B023
            time.sleep(rng.uniform(0, 0.02))
            process.kill()
            process.join()
        now = finished(out)
        assert early == {name: now[name] for name in early}, "a finished part was written again"
        early = now
        if process.exitcode == 0:
            assert_complete(case, out, early)
            shutil.rmtree(out)
            early = {}
            continue
        assert process.exitcode == -signal.SIGKILL, (tmp_path / "log.txt").read_text()
        kills += 1
    there = {table: len(part_bytes(out, table)) for table in TABLES}
    stages = run_on(case, out)
    assert_complete(case, out, early)
    assert stages["respond"].done_before == there["responses"]
    assert stages["respond"].computed == (PARTS["responses"] - there["responses"]) * IMAGES
    assert stages["score"].computed == (PARTS["scores"] - there["scores"]) * IMAGES
    assert stages["label"].computed == (PARTS["labels"] - there["labels"]) * (IMAGES - 1)


def test_client_of_a_local_cluster_killed_twice(case: Case, tmp_path: Path) -> None:
    rng, out = random.Random(2), tmp_path / "out"
    for _ in range(2):
        options = case.label(out, "--scheduler", "dask", "--workers", 2)
        with case.held(), miqd_process(tmp_path / "log.txt", *options) as process:
            wait_for(lambda: len(set(case.working())) == 2 or not process.is_alive(), "the workers never worked")
            time.sleep(rng.uniform(0, 0.2))
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            assert process.exitcode == -signal.SIGKILL, (tmp_path / "log.txt").read_text()
            workers = set(case.working())
            wait_for(lambda: not any(map(is_alive, workers)), "workers outlive their client", 60)  # noqa: B023
    early = finished(out)
    assert run_on(case, out)["respond"].computed == PARTS["responses"] * IMAGES
    assert_complete(case, out, early)


def test_workers_killed_five_times_while_the_run_goes_on(case: Case, tmp_path: Path) -> None:
    rng, out, killed = random.Random(3), tmp_path / "out", set()

    def kill_some() -> None:
        while len(killed) < 5:
            fresh = wait_for(lambda: [p for p in case.working() if p not in killed and is_alive(p)], "no worker works")
            case.hold.unlink()
            time.sleep(rng.uniform(0, 0.05))
            case.hold.touch()
            os.kill(fresh[0], signal.SIGKILL)
            killed.add(fresh[0])
        case.hold.unlink()

    config = load_run(case.run, task="cls", out=str(out), scheduler="dask", workers=2)
    with case.held():
        killer = threading.Thread(target=kill_some)
        killer.start()
        stages = {stage.stage: stage for stage in run_label([plan_label(config, "cls")])}
        killer.join()
    assert len(killed) == 5
    assert stages["respond"].computed + stages["respond"].reused == PARTS["responses"] * IMAGES
    assert case.shown() <= (SOURCES + len(killed)) * IMAGES, "more than what was in flight was computed twice"
    assert_complete(case, out, {})


def test_scheduler_killed_three_times(case: Case, tmp_path: Path) -> None:
    rng, out = random.Random(4), tmp_path / "out"
    early: dict[str, tuple[int, int]] = {}
    for number in range(3):
        address, log = tmp_path / f"address-{number}", tmp_path / f"log-{number}"
        with (
            case.held(),
            scheduler_process(address) as scheduler,
            worker_process(address.read_text()),
            miqd_process(log, *case.label(out, "--scheduler", address.read_text())) as client,
        ):
            wait_for(lambda: case.working() or not client.is_alive(), "the worker never worked")
            case.hold.unlink()
            time.sleep(rng.uniform(0, 0.1))
            case.hold.touch()
            os.kill(scheduler.pid, signal.SIGKILL)
            client.join(120)
            assert client.exitcode == 1, log.read_text()
        said = [line for line in log.read_text().splitlines() if "Error" in line or "Traceback" in line]
        assert len(said) == 1 and said[0].startswith("Error: The connection to the Dask scheduler broke off."), log.read_text()
        assert not (out / "run.lock").exists()
        now = finished(out)
        assert early == {name: now[name] for name in early}, "a finished part was written again"
        early = now
    run_on(case, out)
    assert_complete(case, out, early)
