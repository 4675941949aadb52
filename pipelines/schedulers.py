"""Run independent tasks: in this process, or on Dask workers. Knows tasks, not what they do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from miqd_builder.errors import ConfigError, MiqdError

Task = dict[str, Any]
Report = Callable[[int], None]
Stage = Callable[[Task, Report], Any]
"""A task's function: takes the task and a callback for the number of images done, returns a small result."""

ATTEMPTS = 3
"""A task that failed this often is given up; the next run tries it again."""

_TOPIC = "miqd-progress"


class Scheduler(Protocol):
    """Maps a stage over tasks."""

    def map(
        self, stage: Stage, tasks: Sequence[Task], *, on_progress: Report, on_failure: Callable[[Task, Exception], None]
    ) -> Iterator[tuple[Task, Any]]:
        """Yield each finished task with its result, in any order.

        Args:
            stage: importable function.
            tasks: small, picklable descriptions of the work.
            on_progress: called with the number of images done since the last call.
            on_failure: called for a task that failed ``ATTEMPTS`` times.

        Raises:
            MiqdError: a task found the configuration or the store wrong; the rest is abandoned.
        """
        ...


class Inline:
    """One task after the other in this process."""

    def map(
        self, stage: Stage, tasks: Sequence[Task], *, on_progress: Report, on_failure: Callable[[Task, Exception], None]
    ) -> Iterator[tuple[Task, Any]]:
        """See :class:`Scheduler`."""
        for task in tasks:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    result = stage(task, on_progress)
                except MiqdError:
                    raise
                except Exception as error:
                    if attempt == ATTEMPTS:
                        on_failure(task, error)
                else:
                    yield task, result
                    break


class Dask:
    """Tasks on the workers of a Dask cluster, two in flight for each worker."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def map(
        self, stage: Stage, tasks: Sequence[Task], *, on_progress: Report, on_failure: Callable[[Task, Exception], None]
    ) -> Iterator[tuple[Task, Any]]:
        """See :class:`Scheduler`."""
        from distributed import as_completed

        self.client.subscribe_topic(_TOPIC, lambda event: on_progress(event[1]["images"]))
        waiting = [(task, 1) for task in reversed(tasks)]
        running = as_completed([])
        in_flight: dict[str, tuple[Task, int]] = {}

        def submit_some() -> None:
            bound = 2 * max(1, len(self.client.scheduler_info(n_workers=-1)["workers"]))
            while waiting and len(in_flight) < bound:
                task, attempt = waiting.pop()
                future = self.client.submit(_on_worker, stage, task, pure=False)
                in_flight[future.key] = (task, attempt)
                running.add(future)

        try:
            submit_some()
            for future in running:
                task, attempt = in_flight.pop(future.key)
                error = future.exception()
                if error is None:
                    yield task, future.result()
                elif isinstance(error, MiqdError):
                    raise error
                elif attempt < ATTEMPTS and type(error).__name__ != "KilledWorker":
                    waiting.append((task, attempt + 1))
                else:
                    on_failure(task, error)
                submit_some()
        finally:
            self.client.unsubscribe_topic(_TOPIC)
            running.clear()


@contextmanager
def open_scheduler(name: str, *, workers: int | None, device: str) -> Iterator[Scheduler]:
    """Open ``inline``, ``dask`` (a local cluster) or the cluster at an address.

    Args:
        name: inline, dask, or the address of a Dask scheduler such as ``tcp://host:8786``.
        workers: worker processes of a local cluster; None means one a GPU, or one a core without a GPU. Several workers can
            share a single GPU.
        device: cpu or cuda.

    Raises:
        ConfigError: no scheduler answers at the address.
    """
    if name == "inline":
        yield Inline()
        return
    from distributed import Client

    if name != "dask":
        try:
            client = Client(name, timeout="10s")
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"No Dask scheduler answers at '{name}' ({error}). Start one with 'dask scheduler', or use dask."
            ) from None
        with client:
            yield Dask(client)
        return
    with _local_cluster(workers, device) as cluster, Client(cluster) as client:
        yield Dask(client)


WORKER_ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(2**27),
}
"""Workers keep freed memory: Dask's default gives it back after every layer of a network, which doubles its time on a CPU."""


def _local_cluster(workers: int | None, device: str) -> Any:
    import logging

    import dask
    from distributed import LocalCluster

    gpus = _gpu_count() if device == "cuda" else 0
    if gpus > 1:
        try:
            from dask_cuda import LocalCUDACluster
        except ImportError:
            raise ConfigError("Several GPUs need dask-cuda: install the extra with pip install 'miqd-builder[gpu]'.") from None
        return LocalCUDACluster(n_workers=workers or gpus, threads_per_worker=1, dashboard_address=":0")
    environment = {f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in WORKER_ENVIRONMENT.items()}
    with dask.config.set(environment):
        return LocalCluster(
            n_workers=workers or gpus or os.cpu_count() or 1,
            threads_per_worker=1,
            memory_limit=0,
            dashboard_address=":0",
            silence_logs=logging.ERROR,
        )


def _gpu_count() -> int:
    import torch

    return torch.cuda.device_count()


def _on_worker(stage: Stage, task: Task) -> Any:
    from distributed import get_worker

    worker = get_worker()
    report = _Throttled(lambda images: worker.log_event(_TOPIC, {"images": images}))
    try:
        return stage(task, report)
    finally:
        report.flush()


class _Throttled:
    """Passes progress on at most twice a second."""

    def __init__(self, send: Report) -> None:
        self._send = send
        self._images = 0
        self._last = time.monotonic()

    def __call__(self, images: int) -> None:
        self._images += images
        if time.monotonic() - self._last > 0.5:
            self.flush()

    def flush(self) -> None:
        if self._images:
            self._send(self._images)
        self._images, self._last = 0, time.monotonic()
