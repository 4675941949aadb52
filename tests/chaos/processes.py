"""Processes of a run to which something is done before they start: another clock, less memory, a network of their own."""

from __future__ import annotations

import ctypes
import os
import random
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.pipelines.children import child, run_miqd, run_scheduler, run_worker, wait_for

_NEW_NETWORK = 0x40000000


@dataclass(frozen=True)
class Before:
    """What is done to a process before it starts.

    Attributes:
        environment: further variables.
        clock: seed of the jumps of its clock; None leaves it alone.
        memory: bytes by which its address space may grow; None for no limit.
        namespace: network namespace.
        delay: seconds before it begins.
        dask: settings of Dask.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    clock: int | None = None
    memory: int | None = None
    namespace: str | None = None
    delay: float = 0.0
    dask: Mapping[str, Any] = field(default_factory=dict)

    def apply(self) -> None:
        """Do it to this process."""
        os.environ.update(self.environment)
        time.sleep(self.delay)
        if self.dask:
            import dask

            dask.config.set(self.dask)
        if self.namespace is not None:
            enter_namespace(self.namespace)
        if self.clock is not None:
            jump_clock(self.clock)
        if self.memory is not None:
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + self.memory
            resource.setrlimit(resource.RLIMIT_AS, (size, size))


def jump_clock(seed: int) -> None:
    """Make the wall clock of this process jump by up to a day in either direction, again and again."""
    rng, real, start = random.Random(seed), time.time, time.monotonic()
    jumps = [(rng.uniform(0, 3), rng.choice((-86400, -3600, -30, 30, 3600, 86400))) for _ in range(4)]

    def jumping() -> float:
        passed = time.monotonic() - start
        return real() + sum(seconds for at, seconds in jumps if passed >= at)

    time.time = jumping


def enter_namespace(name: str) -> None:
    """Move this process, which has one thread, into a network namespace."""
    file = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(file, _NEW_NETWORK):
            raise OSError(ctypes.get_errno(), f"no network namespace {name}")
    finally:
        os.close(file)


@contextmanager
def miqd(log: Path, *arguments: object, before: Before | None = None) -> Iterator[BaseProcess]:
    """Run a command."""
    with child(_after, before or Before(), run_miqd, str(log), [str(a) for a in arguments]) as process:
        yield process


@contextmanager
def scheduler(address: Path, host: str = "127.0.0.1", before: Before | None = None) -> Iterator[BaseProcess]:
    """Run a scheduler, which writes its address into a file."""
    with child(_after, before or Before(), run_scheduler, str(address), host) as process:
        wait_for(lambda: address.exists() and address.read_text(), "the scheduler never started")
        yield process


@contextmanager
def worker(address: str, before: Before | None = None) -> Iterator[BaseProcess]:
    """Run a worker."""
    with child(_after, before or Before(), run_worker, address) as process:
        yield process


@contextmanager
def nanny(address: str) -> Iterator[BaseProcess]:
    """Run a nanny, which starts a worker and starts it again when it dies."""
    with child(_nanny, address) as process:
        yield process


def _after(before: Before, target: Callable[..., None], *arguments: Any) -> None:
    before.apply()
    target(*arguments)


def _nanny(address: str) -> None:
    import asyncio

    from distributed import Nanny

    async def serve() -> None:
        async with Nanny(address, nthreads=1, dashboard=False) as started:
            await started.finished()

    asyncio.run(serve())
