"""``miqd``, a Dask scheduler and a Dask worker as processes that share one import: cheap to start, real to kill."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["torch", "distributed", "pipelines.cli.main", "pipelines.run", "tests.pipelines.children"])


@contextmanager
def miqd_process(log: Path, *arguments: object) -> Iterator[BaseProcess]:
    """Run a command in a process group of its own; what it prints is appended to a file."""
    with child(run_miqd, str(log), [str(a) for a in arguments]) as process:
        yield process


@contextmanager
def scheduler_process(address_file: Path) -> Iterator[BaseProcess]:
    """Run a Dask scheduler, which writes its address into a file."""
    with child(run_scheduler, str(address_file)) as process:
        wait_for(lambda: address_file.exists() and address_file.read_text(), "the scheduler never started")
        yield process


@contextmanager
def worker_process(address: str) -> Iterator[BaseProcess]:
    """Run a Dask worker with one thread."""
    with child(run_worker, address) as process:
        yield process


def wait_for(condition: Callable[[], Any], otherwise: str, seconds: float = 180) -> Any:
    """Return what the condition returns once it is true; polls every millisecond."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.001)
    return found


def is_alive(pid: int) -> bool:
    """Tell whether a process is there and not just waiting for its parent to notice its end."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def child(target: Callable[..., None], *arguments: Any) -> Iterator[BaseProcess]:
    """Run a function in a process group of its own, which is killed at the end."""
    process = _context.Process(target=_in_group, args=(target, *arguments))
    process.start()
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()


def _in_group(target: Callable[..., None], *arguments: Any) -> None:
    os.setsid()
    target(*arguments)


def run_miqd(log: str, arguments: list[str]) -> None:
    """Run a command, printing into a file."""
    from pipelines.cli import main as cli

    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = ["miqd", *arguments]
    cli.main()


def run_scheduler(address_file: str, host: str = "127.0.0.1") -> None:
    """Serve as a Dask scheduler, which writes its address into a file."""
    from distributed import Scheduler

    async def serve() -> None:
        async with Scheduler(host=host, port=0, dashboard=False) as scheduler:
            Path(address_file).write_text(scheduler.address)
            await scheduler.finished()

    asyncio.run(serve())


def run_worker(address: str) -> None:
    """Serve as a Dask worker with one thread."""
    from distributed import Worker

    async def serve() -> None:
        async with Worker(address, nthreads=1, dashboard=False) as worker:
            await worker.finished()

    asyncio.run(serve())
