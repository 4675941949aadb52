"""``miqd label`` whose workers start slowly and die, or never were there: it goes on or ends with one line, and never hangs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.conftest import ROOT, DataSet, Outcome, toy_entry, write_run, write_zoo
from tests.pipelines.children import scheduler_process

Miqd = Callable[..., Outcome]


def test_worker_that_starts_late_and_dies_twice(data: DataSet, tmp_path: Path) -> None:
    """Dask closes a nanny for good whose worker isn't back within ``lost-worker-timeout``, and the run waited for ever."""
    command = tmp_path / "slow_workers.py"
    command.write_text(
        "from pipelines.cli.main import main\nfrom pipelines.schedulers import local\n"
        "if __name__ == '__main__':\n"
        "    local._SETTINGS['distributed.worker.preload'].append('import time; time.sleep(2.5)')\n"
        "    main()\n"
    )
    files = {name: str(tmp_path / name) for name in ("log", "cure", "half")}
    poison = toy_entry("poison", "cls", "", **files)
    zoo = write_zoo(tmp_path / "zoo.yaml", [poison | {"target": "tests.fault_models:poison"}])
    run = write_run(tmp_path, data, zoo, degradations=["darkness_5"], limit=2, images="none", workers=1)
    result = subprocess.run(
        [sys.executable, str(command), "label", "--task", "cls", "--run", str(run), "--scheduler", "dask"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "1s"},
        capture_output=True,
        text=True,
        timeout=290,
    )
    assert result.returncode == 2, result.stderr
    assert (tmp_path / "log").read_text() == "died\n" * 3


def test_scheduler_without_workers(miqd: Miqd, run_file: Path, tmp_path: Path) -> None:
    with scheduler_process(tmp_path / "address"):
        options = ("--scheduler", (tmp_path / "address").read_text(), "--set", "worker_timeout=2")
        result = miqd("label", "--task", "det", "--run", run_file, *options)
    assert result.code == 1 and "Traceback" not in result.err
    assert result.err.splitlines()[-1].startswith("Error: There is no worker at tcp://")
