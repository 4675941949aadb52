"""Schedulers by name: those that ship, addresses, and those of other packages."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from miqd_builder import registry
from miqd_builder.errors import ConfigError
from miqd_builder.scheduler_names import is_known
from pipelines.schedulers import SCHEDULERS, Scheduler, open_scheduler
from tests.conftest import Outcome, part_bytes

Miqd = Callable[..., Outcome]
POOL = "tests.pipelines.schedulers.process_pool:open_pool"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with one more scheduler, and with one that would take over a name."""
    points = {name: EntryPoint(name, POOL, "miqd.schedulers") for name in ("pool", "inline")}
    monkeypatch.setattr(registry, "_announced", lambda group: points if group == "miqd.schedulers" else {})


def test_schedulers_that_ship() -> None:
    assert SCHEDULERS.names()[:3] == ["inline", "dask", "tcp"]
    with open_scheduler("inline", workers=None, device="cpu") as scheduler:
        assert isinstance(scheduler, Scheduler)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("inline", True),
        ("dask", True),
        ("tcp://host:8786", True),
        ("tls://host:8786", True),
        ("pool", True),
        ("pool://anything", True),
        ("tcp", False),
        ("dask://host", False),
        ("dusk", False),
        ("", False),
    ],
)
@pytest.mark.usefixtures("installed")
def test_known_names(name: str, known: bool) -> None:
    assert is_known(name) is known


def test_unknown_scheduler_names_the_nearest() -> None:
    with (
        pytest.raises(ConfigError, match=r"Unknown scheduler 'dusk': expected one of inline.*Did you mean 'dask'"),
        open_scheduler("dusk", workers=None, device="cpu"),
    ):
        pass


@pytest.mark.usefixtures("installed")
def test_scheduler_of_another_package_writes_the_same_bytes(miqd: Miqd, run_file: Path, tmp_path: Path) -> None:
    for name in ("inline", "pool"):
        options = ("--out", tmp_path / name, "--scheduler", name, "--workers", 2)
        outcome = miqd("label", "--task", "det", "--run", run_file, *options)
        assert outcome.code == 0, outcome.err
    for table in ("variants", "responses", "scores", "labels"):
        assert part_bytes(tmp_path / "pool", table) == part_bytes(tmp_path / "inline", table) != {}
