"""A Dask cluster that is started on this machine, and whose workers are restarted whenever they die."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any

from miqd_builder.errors import ConfigError, NoWorkersError

if TYPE_CHECKING:
    from distributed import Client

WORKER_ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(2**27),
}
"""Workers keep freed memory: Dask's default gives it back after every layer of a network, which doubles its time on a CPU."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Workers are the parallelism. Dask sets these too, but too late for packages that are imported before."""

SECONDS_TO_CLOSE = 30.0
"""Workers that didn't end by themselves within this time are killed."""

SECONDS_TO_RESTART = 10.0
"""A nanny that did not start a new process within this time after the end of the last one is replaced."""

_SETTINGS: dict[str, Any] = {
    **{f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in WORKER_ENVIRONMENT.items()},
    # Workers keep what Dask's profiler sampled for an hour: 100 MB each in 15 minutes.
    "distributed.worker.profile.enabled": False,
    # A terminal sends Ctrl-C to the workers too, which the client ends.
    "distributed.worker.preload": ["import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"],
    # Our scheduler counts the deaths itself, to find out which item causes them.
    "distributed.scheduler.allowed-failures": 0,
    # Otherwise a worker that takes 15 s to come back is given up for good.
    "distributed.deploy.lost-worker-timeout": "1000 days",
}


@contextmanager
def local_cluster(workers: int | None, device: str, imports: Sequence[str] = ()) -> Iterator[Client]:
    """Start single-threaded workers on this machine: ``workers``, or one a GPU, or one a core without a GPU.

    Args:
        workers: how many.
        device: cpu or cuda.
        imports: packages that take long to import, once for all workers.

    Raises:
        ConfigError: there are several GPUs and dask-cuda is missing.
        NoWorkersError: the workers can't be started.
    """
    import dask
    from distributed import Client

    # Not just for the start: some of them are read when a worker is lost, and when one is started in its place.
    with (
        dask.config.set(_SETTINGS | (_fork_server(imports) if device == "cpu" else {})),
        _closing(_start(workers, device)) as cluster,
        Client(cluster) as client,
    ):
        try:
            yield client
        except BaseException:
            # Waiting for workers to finish would keep the user waiting; a partly written file never counts.
            _kill_workers(cluster)
            raise


def _fork_server(imports: Sequence[str]) -> dict[str, Any]:
    """Start the process that workers are forks of, and return the settings by which Dask uses it.

    It imports everything that takes long once: a worker, also one that replaces another, starts in a fraction of a second
    instead of several, and all of them share the memory. No code of this project or of the user is among it, since that may be
    edited while this process lives. It takes what it needs from the environment when it starts, once a process.
    """
    if sys.platform != "linux":
        return {}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["distributed", "cv2", "pyarrow.parquet", *imports])
    with _environment(WORKER_ENVIRONMENT | ONE_THREAD):
        forkserver.ensure_running()
    return {"distributed.worker.multiprocessing-method": "forkserver"}


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _start(workers: int | None, device: str) -> Any:
    gpus = _gpu_count() if device == "cuda" else 0
    start, options = _several_gpus(workers, gpus) if gpus > 1 else _one_device()
    # No limit, and nothing is spilled: Dask would pause or kill a worker for the memory of its models.
    options |= {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    # It would tell of a connection that closed as the client was interrupted, with a traceback, when Dask's silence is over.
    logging.getLogger("distributed.batched").setLevel(logging.CRITICAL)
    try:
        return start(n_workers=workers or gpus or os.cpu_count() or 1, **options)
    except Exception as error:
        raise NoWorkersError(
            f"The worker processes can't start on this machine ({type(error).__name__}: {error}). Free memory or start fewer "
            "with --workers, or use --scheduler inline, which needs none."
        ) from error


def _one_device() -> tuple[Any, dict[str, Any]]:
    """Workers on a CPU, or any number of them on one GPU."""
    from distributed import LocalCluster

    # The environment as it is now: forks have that of the process that they are forks of.
    return LocalCluster, {"memory_limit": 0, "env": dict(os.environ)}


def _several_gpus(workers: int | None, gpus: int) -> tuple[Any, dict[str, Any]]:
    """A worker a GPU, each of which sees its own only."""
    try:
        from dask_cuda import LocalCUDACluster
    except ImportError:
        raise ConfigError("Several GPUs need dask-cuda: install the extra with pip install 'miqd-builder[gpu]'.") from None
    if workers is not None and workers > gpus:
        raise ConfigError(
            f"{workers} workers for {gpus} GPUs: each worker gets a GPU of its own, give at most --workers {gpus}."
        )
    # It has preloads of its own, which replace those of Dask's settings; and it sets the environment of each worker itself:
    # that of the allocator comes from Dask's settings, before the process starts.
    preload = list(_SETTINGS["distributed.worker.preload"])
    return LocalCUDACluster, {"memory_limit": None, "device_memory_limit": None, "preload": preload}


def _gpu_count() -> int:
    import torch

    return torch.cuda.device_count()


@contextmanager
def _closing(cluster: Any) -> Iterator[Any]:
    """Close a cluster in the end; workers that an overloaded machine keeps from answering in time are killed."""
    try:
        yield cluster
    finally:
        try:
            # Without a limit this waits for ever for a worker that was just being started when the cluster was closed.
            cluster.close(timeout=SECONDS_TO_CLOSE)
        except TimeoutError:
            _kill_workers(cluster)


def _kill_workers(cluster: Any) -> None:
    # Those that were just replaced or are about to start are among the created ones only.
    for nanny in {*cluster.workers.values(), *getattr(cluster, "_created", ())}:
        nanny.auto_restart = False
        if nanny.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(nanny.pid, signal.SIGKILL)


class Caretaker:
    """Replaces the nannies of a local cluster that gave up: one whose process can't be started again never tries again.

    Args:
        cluster: a Dask ``LocalCluster``.
    """

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._idle_since: dict[Any, float] = {}
        self._closing: set[asyncio.Future[Any]] = set()
        self._checked = time.monotonic()
        self._busy = False

    def check(self) -> None:
        """Check the workers, at most once a second; returns at once."""
        if not self._busy and time.monotonic() - self._checked > 1:
            self._busy = True
            self._cluster.loop.add_callback(self._replace)

    async def _replace(self) -> None:
        try:
            for name, nanny in list(self._cluster.workers.items()):
                if self._gave_up(name, nanny):
                    # The name is free again for a new one.
                    del self._cluster.workers[name]
                    self._idle_since.pop(name, None)
                    self._close(nanny)
            if len(self._cluster.workers) < len(self._cluster.worker_spec) and self._cluster.status.name == "running":
                # Starts what is missing. One that can't start is replaced at the next check.
                with contextlib.suppress(Exception):
                    await self._cluster
        finally:
            self._busy, self._checked = False, time.monotonic()

    def _gave_up(self, name: Any, nanny: Any) -> bool:
        if nanny.status.name in ("closing", "closed", "closing_gracefully", "failed", "stopping", "stopped"):
            return True
        if nanny.process is not None and nanny.process.status.name in ("init", "starting", "running"):
            self._idle_since.pop(name, None)
            return False
        since: float = self._idle_since.setdefault(name, time.monotonic())
        return time.monotonic() - since > SECONDS_TO_RESTART

    def _close(self, nanny: Any) -> None:
        async def close() -> None:
            with contextlib.suppress(Exception):
                await nanny.close()

        closing = asyncio.ensure_future(close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
