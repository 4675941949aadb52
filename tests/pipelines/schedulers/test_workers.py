"""Dask workers that die, start slowly, don't start at all, leave and come back: a map ends, with all results or one line."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import distributed  # noqa: F401 - its settings have to be there before some are changed
import pytest

from miqd_builder.errors import LostSchedulerError, NoWorkersError, StaleCodeError
from miqd_builder.store.folder import RunFolder
from pipelines.schedulers import Scheduler, UnfitWorkerError, Wanted, cluster, local
from pipelines.schedulers.dask import Dask, join, open_local
from pipelines.schedulers.local import Caretaker
from tests.pipelines.children import scheduler_process, wait_for, worker_process
from tests.pipelines.schedulers.items import Item, work

PRELOAD = "distributed.worker.preload"


def start(engine: Dask, items: list[Item], timeout: float = 600.0) -> Iterator[str]:
    def lose(item: Item, error: Exception) -> None:
        raise AssertionError(f"{item.key} was given up: {error}")

    scheduler = Scheduler(engine, worker_timeout=timeout)
    for _, result in scheduler.map(work, items, on_progress=lambda _: None, on_failure=lose):
        yield result.key


@pytest.fixture
def start_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with code that every worker process runs when it starts, once it is there."""
    code = tmp_path / "start.py"
    run_it = f"import os, time\nif os.path.exists({str(code)!r}):\n    exec(open({str(code)!r}).read())\n"
    monkeypatch.setitem(local._SETTINGS, PRELOAD, [*local._SETTINGS[PRELOAD], run_it])
    return code


@contextmanager
def one_worker() -> Iterator[tuple[Dask, Any]]:
    with open_local(Wanted("dask", 1, "cpu")) as engine:
        yield engine, engine.client.cluster


def test_worker_that_takes_long_to_come_back(tmp_path: Path, start_code: Path) -> None:
    """Dask closes its nanny for good after ``lost-worker-timeout``, by default 15 s: the run waited for ever."""
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "0.5s"}), one_worker() as (engine, _):
        assert list(start(engine, [Item("first", tmp_path)])) == ["first"]
        start_code.write_text("time.sleep(2)")
        items = [Item("sick", tmp_path, "die once"), *(Item(f"item-{n}", tmp_path) for n in range(3))]
        assert sorted(start(engine, items)) == sorted(item.key for item in items)


def test_nanny_that_gave_up_is_replaced(tmp_path: Path) -> None:
    with one_worker() as (engine, local):
        items = [Item(str(n), tmp_path, "hold" if n else "work") for n in range(4)]
        done = start(engine, items)
        assert next(done) == "0"
        (nanny,) = local.workers.values()
        local.sync(nanny.close)
        (tmp_path / "gate").touch()
        assert sorted(done) == ["1", "2", "3"]
        assert nanny not in local.workers.values() and len(local.workers) == 1


def test_nanny_that_forgets_to_start_a_process_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.schedulers.local.SECONDS_TO_RESTART", 1.0)
    with one_worker() as (engine, local):
        (nanny,) = local.workers.values()
        nanny.auto_restart = False

        async def forget(*_: Any) -> None:
            pass

        nanny.instantiate = forget
        items = [Item("sick", tmp_path, "die once"), Item("good", tmp_path)]
        assert sorted(start(engine, items)) == ["good", "sick"]
        assert nanny not in local.workers.values()


def test_worker_that_can_not_be_started_again(tmp_path: Path, start_code: Path) -> None:
    with one_worker() as (engine, _):
        assert list(start(engine, [Item("first", tmp_path)])) == ["first"]
        start_code.write_text("os._exit(1)")
        with pytest.raises(NoWorkersError, match=r"There is no worker on this machine\. None came within 6 s"):
            list(start(engine, [Item("sick", tmp_path, "die once")], timeout=6))
        start_code.unlink()
        assert list(start(engine, [Item("next", tmp_path)])) == ["next"]


def test_local_cluster_that_can_not_start(tmp_path: Path, start_code: Path) -> None:
    start_code.write_text("os._exit(1)")
    with open_local(Wanted("dask", 1, "cpu")) as engine, pytest.raises(NoWorkersError) as error:
        list(start(engine, [Item("first", tmp_path)]))
    assert "can't start on this machine" in str(error.value) and "\n" not in str(error.value)


def test_caretaker_leaves_a_nanny_alone_that_is_starting_a_process() -> None:
    with one_worker() as (_, local):
        (nanny,) = local.workers.values()
        caretaker = Caretaker(local)
        caretaker._checked -= 2
        caretaker.check()
        wait_for(lambda: not caretaker._busy, "the caretaker never ended")
        assert list(local.workers.values()) == [nanny]


@pytest.fixture
def joined(tmp_path: Path) -> Iterator[tuple[str, Any]]:
    file = tmp_path / "address"
    with scheduler_process(file) as process:
        yield file.read_text(), process


def test_scheduler_that_never_had_a_worker(joined: tuple[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address, _ = joined
    with join(Wanted(address, None, "cpu")) as engine, pytest.raises(NoWorkersError) as error:
        list(start(engine, [Item("first", tmp_path)], timeout=1))
    assert str(error.value) == (
        f"There is no worker at {address}. None came within 1 s. Finished parts are kept: start workers, and run the same "
        "command again to go on."
    )
    assert capsys.readouterr().err == f"There is no worker at {address}. Waiting up to 1 s for one.\n"


@pytest.mark.parametrize("back", [True, False], ids=["another comes", "none comes"])
def test_last_worker_leaves(back: bool, joined: tuple[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address, _ = joined
    items = [Item(str(n), tmp_path, "hold" if n else "work") for n in range(5)]
    with ThreadPoolExecutor(1) as thread, join(Wanted(address, None, "cpu")) as engine:
        done = start(engine, items, timeout=600 if back else 1)
        with worker_process(address):
            wait_for(engine.workers, "the worker never joined")
            assert next(done) == "0"
            rest = thread.submit(list, done)
        (tmp_path / "gate").touch()
        wait_for(lambda: f"There is no worker at {address}. Waiting" in capsys.readouterr().err, "nothing tells of the wait")
        if back:
            with worker_process(address):
                assert sorted(rest.result(250)) == ["1", "2", "3", "4"]
        else:
            with pytest.raises(NoWorkersError, match="Finished parts are kept: start workers, and run the same command again"):
                rest.result(120)


def test_worker_that_comes_in_time(joined: tuple[str, Any], tmp_path: Path) -> None:
    address, _ = joined
    with join(Wanted(address, None, "cpu")) as engine:
        done = start(engine, [Item(str(n), tmp_path) for n in range(3)])
        with worker_process(address):
            assert sorted(done) == ["0", "1", "2"]


def test_scheduler_that_dies(joined: tuple[str, Any], tmp_path: Path) -> None:
    address, process = joined
    with join(Wanted(address, None, "cpu")) as engine, worker_process(address):
        done = start(engine, [Item("first", tmp_path), Item("held", tmp_path, "hold")])
        assert next(done) == "first"
        process.kill()
        with pytest.raises(LostSchedulerError, match="broke off"):
            next(done)


class FakeWorker:
    """The attributes of a Dask worker that are checked."""

    address = "tcp://worker:1"

    class state:
        nthreads = 1


def test_worker_that_is_older_than_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would make predictions of old code that are stored as the new code's."""
    monkeypatch.setattr(cluster, "code_hash", lambda: "edited")
    for code, remedy in ((cluster.CODE_IN_MEMORY, "install the same version"), ("edited", "Restart it")):
        with pytest.raises(UnfitWorkerError, match=f"Worker tcp://worker:1 runs other code than this command.*{remedy}"):
            cluster.check_worker(cluster.Expected("memory://run", "", code), FakeWorker())


def test_client_that_is_older_than_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "code_hash", lambda: "edited")
    with pytest.raises(StaleCodeError, match="start it again"):
        cluster.Expected.of(RunFolder("memory://run"))
