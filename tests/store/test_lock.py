"""The lock of a run folder: who is refused, and which locks count as left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from miqd_builder.errors import StoreError
from miqd_builder.store import lock
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.keys import CommandKey
from miqd_builder.store.lock import Holder, RunLock, read_lock, refuse_if_held

HOUR = 3600.0


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setattr(lock, "WATCH_SECONDS", 0.2)
    monkeypatch.setattr(lock, "SETTLE_SECONDS", 0.05)
    return RunFolder(str(tmp_path / "run") if request.param == "local" else f"memory://{tmp_path.name}/run")


def put(folder: RunFolder, holder: Holder) -> None:
    folder.write(lock.NAME, holder.encode())


def other_host(age: float) -> Holder:
    return replace(Holder("label", "det"), host="elsewhere", pid=4711, renewed=time.time() - age)


def test_second_run_is_refused_and_told_who_holds_the_folder(folder: RunFolder) -> None:
    with RunLock(folder, CommandKey("label", "det")):
        with pytest.raises(StoreError, match=f"held by 'miqd label --task det' on .*, process {os.getpid()}, since .*run.lock"):
            RunLock(folder, CommandKey("degrade")).__enter__()
        assert json.loads(folder.read(lock.NAME))["pid"] == os.getpid()
    assert not folder.exists(lock.NAME)
    with RunLock(folder, CommandKey("degrade")):
        pass


def test_one_of_many_gets_the_lock(folder: RunFolder) -> None:
    got: list[RunLock] = []
    refused: list[StoreError] = []
    start = threading.Barrier(8)

    def enter() -> None:
        start.wait()
        try:
            got.append(RunLock(folder, CommandKey("degrade")).__enter__())
        except StoreError as error:
            refused.append(error)

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 7)
    got[0].__exit__(None, None, None)


def test_lock_of_a_process_that_is_gone(folder: RunFolder) -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    put(folder, replace(Holder("degrade"), pid=process.pid))
    with RunLock(folder, CommandKey("degrade")):
        held = read_lock(folder)
        assert held is not None and held.pid == os.getpid()


def test_lock_of_a_killed_process_that_nobody_waited_for(folder: RunFolder) -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    started = psutil.Process(process.pid).create_time()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    put(folder, replace(Holder("degrade"), pid=process.pid, process_started=started))
    refuse_if_held(folder)
    process.wait()


def test_lock_whose_process_number_was_given_to_another_process(folder: RunFolder) -> None:
    put(folder, replace(Holder("degrade"), process_started=time.time() - 9 * HOUR))
    refuse_if_held(folder)


def test_lock_of_a_process_that_works(folder: RunFolder) -> None:
    put(folder, Holder("degrade"))
    with pytest.raises(StoreError, match="is held by"):
        refuse_if_held(folder)


@pytest.mark.parametrize("age", [0.0, 200.0, -200.0])
def test_other_host_that_renewed_lately(folder: RunFolder, age: float) -> None:
    put(folder, other_host(age))
    with pytest.raises(StoreError, match=r"on host elsewhere, process 4711, .*delete '.*run\.lock'"):
        refuse_if_held(folder)


@pytest.mark.parametrize("age", [HOUR, -HOUR], ids=["old", "future"])
def test_other_host_that_renews_no_more(folder: RunFolder, age: float) -> None:
    put(folder, other_host(age))
    with RunLock(folder, CommandKey("degrade")):
        pass


@pytest.mark.parametrize("skew", [9 * HOUR, -9 * HOUR], ids=["slow clock", "fast clock"])
def test_other_host_with_a_wrong_clock_that_renews(folder: RunFolder, skew: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "WATCH_SECONDS", 5.0)
    put(folder, other_host(skew))
    renewal = threading.Timer(0.3, lambda: put(folder, other_host(skew)))
    renewal.start()
    with pytest.raises(StoreError, match="on host elsewhere"):
        refuse_if_held(folder)
    renewal.join()


def test_unreadable_lock(folder: RunFolder) -> None:
    folder.write(lock.NAME, b"")
    with RunLock(folder, CommandKey("degrade")):
        pass
    assert not folder.exists(lock.NAME)


def test_lock_is_renewed_until_somebody_else_has_it(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.02)
    with RunLock(folder, CommandKey("degrade")) as held:
        first = read_lock(folder)
        while read_lock(folder) in (first, None):
            time.sleep(0.01)
        held.check()
        thief = other_host(0.0)
        put(folder, thief)
        deadline = time.monotonic() + 30
        with pytest.raises(StoreError, match="on host elsewhere"):
            while time.monotonic() < deadline:
                held.check()
                time.sleep(0.01)
    there = read_lock(folder)
    assert there is not None and asdict(there) == asdict(thief), "the new holder's lock is left alone"


def test_a_lock_whose_answer_got_lost_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store made the lock, but its answer broke off: the client library asks again and hears that it is there."""
    create = RunFolder.create

    def twice(folder: RunFolder, name: str, data: bytes) -> bool:
        create(folder, name, data)
        return create(folder, name, data)

    monkeypatch.setattr(RunFolder, "create", twice)
    with RunLock(RunFolder(str(tmp_path)), CommandKey("label", "det")):
        assert (tmp_path / "run.lock").exists()
    assert not (tmp_path / "run.lock").exists()
