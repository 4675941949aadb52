"""Workers of a running cluster that must not get work."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client

from miqd_builder.store.folder import RunFolder
from pipelines.schedulers import UnfitWorkerError, Wanted, open_scheduler
from pipelines.schedulers.dask import join
from tests.conftest import ROOT
from tests.pipelines.schedulers.cluster_processes import changed_code, start_scheduler, start_worker
from tests.pipelines.schedulers.items import Item, work


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a scheduler of its own."""
    with start_scheduler(tmp_path_factory.mktemp("cluster") / "scheduler.json") as address:
        yield address


def test_worker_that_lived_through_an_edit(tmp_path: Path, address: str) -> None:
    """Its files are this command's again, but what it imported is not."""
    code = changed_code(tmp_path / "code")
    (tmp_path / "run.json").write_text("{}")
    with start_worker(address, folder=code) as other, Client(address) as client:
        client.run(importlib.import_module, "pipelines.schedulers.cluster")
        shutil.copy(ROOT / "degradations/blur.py", code / "degradations/blur.py")
        with join(Wanted(address, None, "cpu")) as engine, pytest.raises(UnfitWorkerError) as error:
            engine.enter(RunFolder(str(tmp_path)))
    assert str(error.value) == (
        f"Worker {other} runs other code than this command: its files changed after it had imported them. Restart it."
    )


def test_unfit_worker_that_joins_an_empty_cluster(tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told away, and the wait for one that fits goes on."""
    (tmp_path / "run.json").write_text("{}")
    with join(Wanted(address, None, "cpu")) as engine:
        engine.enter(RunFolder(str(tmp_path)))
        assert not engine.workers()
        with start_worker(address, "--nthreads", "3") as other:
            assert not engine.workers()
        with start_worker(address) as fitting:
            assert list(engine.workers()) == [fitting]
    assert f"Warning: Worker {other} has 3 threads" in capsys.readouterr().err


def test_one_scheduler_serves_several_run_folders(tmp_path: Path, address: str) -> None:
    """A worker is checked for each of them."""
    with start_worker(address) as worker, open_scheduler(address, workers=None, device="cpu") as scheduler:
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            (folder / "run.json").write_text(name)
            scheduler.enter(RunFolder(str(folder)))
            items = [Item(str(n), folder) for n in range(3)]
            done = scheduler.map(work, items, on_progress=lambda _: None, on_failure=lambda *_: None)
            assert sorted(result.key for _, result in done) == ["0", "1", "2"]
        unseen = RunFolder("memory://unseen-by-workers")
        unseen.write("run.json", b"{}")
        with pytest.raises(UnfitWorkerError, match=f"Worker {worker} does not see the run folder 'memory://unseen-by-workers'"):
            scheduler.enter(unseen)
