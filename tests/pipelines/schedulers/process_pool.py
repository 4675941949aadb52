"""A third engine, on ``concurrent.futures``: one pool of one process for each worker, so that a death costs its own items."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import closing, contextmanager
from typing import Any

from miqd_builder.store.folder import RunFolder
from pipelines.schedulers import Outcome, Report, Stage, Wanted, WorkerLostError, WorkItem

_context = multiprocessing.get_context("forkserver")


def _begin(name: str, progress: Any) -> None:
    global _progress
    _progress = progress
    os.environ["TEST_WORKER"] = name


def _do(stage: Stage, item: WorkItem) -> Any:
    return stage(item, _progress.send)


class ProcessPool:
    per_worker, grace, where, remedy = 2, 0.0, "in the pool", "start one"

    def __init__(self, workers: int) -> None:
        self._pools: dict[str, tuple[ProcessPoolExecutor, Any]] = {}
        self._in_flight: dict[Future[Any], tuple[WorkItem, str]] = {}
        self._begin([f"process-{number}" for number in range(workers)])

    def _begin(self, names: Collection[str]) -> None:
        for name in names:
            progress, send = _context.Pipe(duplex=False)
            self._pools[name] = ProcessPoolExecutor(1, _context, _begin, (name, send)), progress

    def end(self, names: Collection[str]) -> None:
        for pool, _ in [self._pools.pop(name) for name in names]:
            for process in list((pool._processes or {}).values()):
                process.kill()
            pool.shutdown(cancel_futures=True)

    def _restart(self, names: set[str]) -> None:
        there = names & set(self._pools)
        self.end(there)
        self._begin(there)

    def workers(self) -> Collection[str]:
        return list(self._pools)

    def submit(self, stage: Stage, item: WorkItem, *, avoid: Collection[str], uses_device: bool) -> None:
        busy = [name for _, name in self._in_flight.values()]
        name = min(self._pools, key=lambda name: (name in avoid, busy.count(name)))
        try:
            future = self._pools[name][0].submit(_do, stage, item)
        except BrokenExecutor as error:  # Its process died a moment ago.
            future = Future()
            future.set_exception(error)
        self._in_flight[future] = (item, name)

    def collect(self, timeout: float) -> Sequence[Outcome]:
        ended, _ = wait(self._in_flight, timeout, FIRST_COMPLETED)
        for _, progress in self._pools.values():
            while progress.poll():
                self._report(progress.recv())
        dead = {self._in_flight[future][1] for future in ended if isinstance(future.exception(), BrokenExecutor)}
        ended |= {future for future, (_, name) in self._in_flight.items() if name in dead}
        self._restart(dead)
        return [self._outcome(future) for future in ended]

    def _outcome(self, future: Future[Any]) -> Outcome:
        item, name = self._in_flight.pop(future)
        error: Any = WorkerLostError() if isinstance(future.exception(), BrokenExecutor) else future.exception()
        return Outcome(item, None if error else future.result(), error, name)

    def dismiss(self, worker: str) -> None:
        self._pools.pop(worker)[0].shutdown(wait=False)

    def start(self, on_progress: Report) -> None:
        self._report = on_progress

    def stop(self) -> None:
        self._restart({name for _, name in self._in_flight.values()})
        self._in_flight.clear()

    def enter(self, folder: RunFolder) -> None: ...

    def close(self) -> None:
        self.end(self.workers())


@contextmanager
def open_pool(wanted: Wanted) -> Iterator[ProcessPool]:
    with closing(ProcessPool(wanted.workers or 2)) as engine:
        yield engine
