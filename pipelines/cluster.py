"""Dask clusters: one started on this machine, or one that runs already, whose workers are looked at before they get work."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from miqd_builder.errors import ConfigError, NoWorkersError, StoreError
from miqd_builder.store.environment import PROJECT
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import NAME as RECORD

if TYPE_CHECKING:
    from distributed import Client

WORKER_ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(2**27),
}
"""Workers keep freed memory: Dask's default gives it back after every layer of a network, which doubles its time on a CPU."""

SECONDS_TO_SEE_A_FILE = 10.0
"""Network file systems show a new file to other machines within this time."""

_PACKAGES = ("degradations", "miqd_builder", "pipelines")


class UnfitWorkerError(ConfigError):
    """A worker of a running cluster can't work for this run.

    Args:
        address: of the worker.
        problem: what is wrong with it and what to do; follows "Worker <address>".
    """

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(address, problem)
        self.address = address

    def __str__(self) -> str:
        return f"Worker {self.args[0]} {self.args[1]}"


@dataclass(frozen=True)
class Expected:
    """What a worker of a running cluster must agree with.

    Attributes:
        url: of the run folder.
        record: SHA-256 of its ``run.json``.
        code: hash of this project's code.
    """

    url: str
    record: str
    code: str

    @classmethod
    def of(cls, folder: RunFolder) -> Expected:
        """Describe the run folder and the code as this process sees them."""
        return cls(folder.url, hashlib.sha256(folder.read(RECORD)).hexdigest(), code_fingerprint())


@contextmanager
def join_cluster(address: str, expected: Expected) -> Iterator[Client]:
    """Connect to a running Dask scheduler and check the workers that it has; later ones are checked by their first task.

    Raises:
        ConfigError: no scheduler answers.
        UnfitWorkerError: a worker has another version or several threads, or doesn't see the run folder.
    """
    from distributed import Client

    # It would tell of a lost scheduler with a traceback; the run tells it in one line.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"No Dask scheduler answers at '{address}' ({error}). Start one with 'dask scheduler', or use dask."
        ) from None
    with client:
        versions = client.run(importlib.metadata.version, PROJECT, on_error="return")
        own = importlib.metadata.version(PROJECT)
        for worker, version in versions.items():
            if version != own:
                has = f"no {PROJECT}" if isinstance(version, Exception) else f"{PROJECT} {version}"
                raise UnfitWorkerError(worker, f"has {has}, this command is {own}: install the same version there.")
        for worker, outcome in client.run(check_worker, expected, on_error="return").items():
            if isinstance(outcome, UnfitWorkerError):
                raise outcome
            if outcome is not None:
                raise UnfitWorkerError(worker, f"can't run this code ({outcome}): install the same version there.")
        yield client


def check_worker(expected: Expected, dask_worker: Any) -> None:
    """Find out whether a worker fits the run; called on the worker.

    Args:
        expected: what the client sees.
        dask_worker: the worker; Dask fills it in.

    Raises:
        UnfitWorkerError: it doesn't fit.
    """
    address, threads = dask_worker.address, dask_worker.state.nthreads
    if code_fingerprint() != expected.code:
        raise UnfitWorkerError(address, f"runs other code than this command: install the same version of {PROJECT} there.")
    if threads != 1:
        raise UnfitWorkerError(
            address, f"has {threads} threads, which models can't share: start it with --nthreads 1, and more with --nworkers."
        )
    deadline = time.monotonic() + SECONDS_TO_SEE_A_FILE
    while not _sees(expected):
        if time.monotonic() > deadline:
            raise UnfitWorkerError(
                address,
                f"does not see the run folder '{expected.url}' (no '{RECORD}' with this run's content there): use a folder or "
                "url that all machines share.",
            )
        time.sleep(0.5)


def _sees(expected: Expected) -> bool:
    try:
        return hashlib.sha256(RunFolder(expected.url).read(RECORD)).hexdigest() == expected.record
    except (OSError, StoreError):
        return False


def code_fingerprint() -> str:
    """Return a hash of this project's Python files."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for file in sorted(file for package in _PACKAGES for file in (root / package).rglob("*.py")):
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


@contextmanager
def local_cluster(workers: int | None, device: str) -> Iterator[Client]:
    """Start single-threaded workers on this machine: ``workers``, or one a GPU, or one a core without a GPU.

    Raises:
        ConfigError: there are several GPUs and dask-cuda is missing.
    """
    from distributed import Client

    with _closing(_start(workers, device)) as cluster, Client(cluster) as client:
        try:
            yield client
        except BaseException:
            # Workers that finish what they are doing would keep the user waiting; a torn file never counts.
            _kill_workers(cluster)
            raise


@contextmanager
def _closing(cluster: Any) -> Iterator[Any]:
    """Close a cluster in the end; workers that an overloaded machine keeps from answering in time are killed."""
    try:
        yield cluster
    finally:
        try:
            cluster.close()
        except TimeoutError:
            _kill_workers(cluster)


def _kill_workers(cluster: Any) -> None:
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        if nanny.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(nanny.pid, signal.SIGKILL)


def _start(workers: int | None, device: str) -> Any:
    import dask
    from distributed import LocalCluster

    gpus = _gpu_count() if device == "cuda" else 0
    if gpus > 1:
        try:
            from dask_cuda import LocalCUDACluster
        except ImportError:
            raise ConfigError("Several GPUs need dask-cuda: install the extra with pip install 'miqd-builder[gpu]'.") from None
        return LocalCUDACluster(n_workers=workers or gpus, threads_per_worker=1, dashboard_address=":0")
    settings: dict[str, Any] = {f"distributed.nanny.pre-spawn-environ.{k}": v for k, v in WORKER_ENVIRONMENT.items()}
    # A terminal sends Ctrl-C to the workers too, which the client ends.
    settings["distributed.worker.preload"] = ["import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"]
    # Dask.map counts the deaths: it knows how to find out which task is to blame.
    settings["distributed.scheduler.allowed-failures"] = 0
    # Otherwise a nanny whose worker starts slowly is closed for good. Read when a worker is lost, so it has to stay.
    dask.config.set({"distributed.deploy.lost-worker-timeout": "3650 days"})
    try:
        with dask.config.set(settings):
            return LocalCluster(
                n_workers=workers or gpus or os.cpu_count() or 1,
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address=":0",
                silence_logs=logging.CRITICAL,
            )
    except (RuntimeError, TimeoutError, OSError) as error:
        raise NoWorkersError(
            f"The workers can't be started on this machine ({error}): try --scheduler inline, which shows why."
        ) from error


def revive(cluster: Any) -> None:
    """Bring back the workers that a local cluster lost for good; those that are being started go on.

    A nanny starts another worker where its worker died, but gives up where that one dies before it is ready.
    """
    for name, nanny in list(cluster.workers.items()):
        if nanny.status.name in ("closed", "failed"):
            del cluster.workers[name]
        elif nanny.status.name == "running" and (nanny.process is None or nanny.process.status.name == "stopped"):
            cluster.loop.add_callback(nanny.instantiate)
    cluster.scale(len(cluster.worker_spec))


def _gpu_count() -> int:
    import torch

    return torch.cuda.device_count()
