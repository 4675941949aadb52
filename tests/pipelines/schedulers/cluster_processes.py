"""A Dask scheduler and workers as somebody starts them by hand: processes of their own, with options and other code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

from tests.conftest import ROOT
from tests.pipelines.children import wait_for


@contextmanager
def process(*command: str, folder: Path = ROOT, **environment: str) -> Iterator[None]:
    """Run a Python module until the context ends."""
    started = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        started.kill()
        started.wait()


@contextmanager
def start_scheduler(file: Path) -> Iterator[str]:
    """Run a scheduler that writes its address into a file; yields the address."""
    options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    with process("distributed.cli.dask_scheduler", *options):
        wait_for(lambda: file.exists() and file.read_text(), "the scheduler never started")
        yield json.loads(file.read_text())["address"]


@contextmanager
def start_worker(address: str, *options: str, folder: Path = ROOT, **environment: str) -> Iterator[str]:
    """Run a worker with some options and environment; yields its address once it has joined."""
    with Client(address) as client:
        known = set(client.scheduler_info(n_workers=-1)["workers"])
        threads = () if "--nthreads" in options else ("--nthreads", "1")
        command = ("distributed.cli.dask_worker", address, "--no-nanny", "--no-dashboard", *threads, *options)
        with process(*command, folder=folder, **environment):
            new = wait_for(lambda: set(client.scheduler_info(n_workers=-1)["workers"]) - known, "the worker never joined").pop()
            yield new
        wait_for(lambda: new not in client.scheduler_info(n_workers=-1)["workers"], "the worker never left")


def changed_code(folder: Path) -> Path:
    """A copy of the code with one more comment."""
    for package in ("degradations", "miqd_builder", "pipelines", "tests"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.pth", "*.png", "__pycache__"))
    shutil.copytree(next(ROOT.glob("*.egg-info")), folder / "miqd_builder.egg-info")
    with (folder / "degradations/blur.py").open("a") as file:
        file.write("# changed\n")
    return folder
