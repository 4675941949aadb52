"""Ctrl-C and SIGTERM: the run ends at once, with its exit code, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import DataSet, toy_entry, write_run, write_zoo
from tests.pipelines.children import is_alive, miqd_process, wait_for


def to_client(pid: int, number: int) -> None:
    os.kill(pid, number)


def to_everybody(pid: int, number: int) -> None:
    """As a terminal does; and once more, as programs that pass signals on do."""
    os.killpg(pid, number)
    os.kill(pid, number)


@pytest.mark.parametrize(
    ("options", "number", "send", "code"),
    [
        (["--scheduler", "inline"], signal.SIGINT, to_client, 130),
        (["--scheduler", "inline"], signal.SIGTERM, to_client, 143),
        (["--scheduler", "dask", "--workers", "2"], signal.SIGINT, to_everybody, 130),
        (["--scheduler", "dask", "--workers", "2"], signal.SIGTERM, to_client, 143),
    ],
    ids=["inline-int", "inline-term", "dask-int", "dask-term"],
)
def test_interrupted_run(
    data: DataSet, tmp_path: Path, options: list[str], number: signal.Signals, send: Callable[[int, int], None], code: int
) -> None:
    hold, log, out = tmp_path / "hold", tmp_path / "log", tmp_path / "out-cls"
    held = toy_entry("held", "cls", "", log=str(log), hold=str(hold)) | {"target": "tests.fault_models:held"}
    run = write_run(tmp_path, data, write_zoo(tmp_path / "zoo.yaml", [held]), degradations=["darkness_[1-3]"])
    hold.touch()
    said = tmp_path / "said"
    with miqd_process(said, "label", "--task", "cls", "--run", run, *options) as process:
        wait_for(lambda: log.exists() or not process.is_alive(), "the run never worked")
        workers = {int(line.split()[0]) for line in log.read_text().splitlines()}
        send(process.pid, number)
        # The model never returns: a run that waited for its parts would never end.
        process.join(60)
        assert process.exitcode == code, said.read_text()
        assert not any(map(is_alive, workers)), "workers outlive their client"
    text = said.read_text()
    assert "Interrupted. Finished parts are kept: run the same command again to go on." in text
    assert "Traceback" not in text
    assert not (out / "run.lock").exists() and not list(out.rglob("*.tmp"))
    assert len(list(out.glob("variants/*.parquet"))) == 2 and not list(out.glob("responses/**/*.parquet"))
