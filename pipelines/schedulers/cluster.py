"""A running Dask cluster: connect to it and check its workers before they get work."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from miqd_builder.errors import ConfigError, StaleCodeError, StoreError
from miqd_builder.store.environment import PROJECT
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import NAME as RECORD
from pipelines.schedulers.base import UnfitWorkerError
from pipelines.schedulers.own_code import CODE_IN_MEMORY, code_hash

if TYPE_CHECKING:
    from distributed import Client

SECONDS_TO_SEE_A_FILE = 10.0
"""Network file systems show a new file to other machines within this time."""
SECONDS_TO_CHECK = 60.0
"""Workers that don't answer within this time are not checked now, but with their first item."""


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
        """Describe the run folder and the code as this process sees them.

        Raises:
            StaleCodeError: this process is older than its code.
        """
        if code_hash() != CODE_IN_MEMORY:
            raise StaleCodeError("The code of this project changed after this process had imported it: start it again.")
        return cls(folder.url, hashlib.sha256(folder.read(RECORD)).hexdigest(), CODE_IN_MEMORY)


@contextmanager
def join_cluster(address: str) -> Iterator[Client]:
    """Connect to a running Dask scheduler, and check which version its workers have.

    Raises:
        ConfigError: no scheduler answers.
        UnfitWorkerError: a worker has another version.
    """
    from distributed import Client

    # They would report a lost scheduler with a traceback; the run reports it in one line.
    for name in ("distributed.client", "distributed.batched", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"No Dask scheduler answers at '{address}' ({error}). Start one with 'dask scheduler', or use dask."
        ) from None
    with client:
        for problem in wrong_versions(client):
            raise problem
        yield client


def wrong_versions(client: Client, workers: Collection[str] | None = None) -> Iterator[UnfitWorkerError]:
    """Yield what is wrong with the version of workers, all of them if none are named."""
    own = importlib.metadata.version(PROJECT)
    for worker, version in _ask(client, workers, importlib.metadata.version, PROJECT):
        if version != own:
            has = f"no {PROJECT}" if isinstance(version, Exception) else f"{PROJECT} {version}"
            yield UnfitWorkerError(worker, f"has {has}, this command is {own}: install the same version there.")


def unfit_workers(client: Client, expected: Expected, workers: Collection[str]) -> Iterator[UnfitWorkerError]:
    """Yield what is wrong with some workers for a run folder."""
    for worker, outcome in _ask(client, workers, check_worker, expected):
        if isinstance(outcome, UnfitWorkerError):
            yield outcome
        elif outcome is not None:
            yield UnfitWorkerError(worker, f"can't run this code ({outcome}): install the same version there.")


def _ask(
    client: Client, workers: Collection[str] | None, function: Callable[..., Any], argument: Any
) -> Iterator[tuple[str, Any]]:
    """Yield what a function returns or raises on each worker; those that left or don't answer are left out."""
    if workers is not None and not workers:
        return
    chosen = None if workers is None else list(workers)
    try:
        answers = client.run(function, argument, workers=chosen, on_error="return", callback_timeout=SECONDS_TO_CHECK)
    except TimeoutError:
        return
    for worker, answer in answers.items():
        if not isinstance(answer, OSError):
            yield worker, answer


def check_worker(expected: Expected, dask_worker: Any) -> None:
    """Find out whether a worker fits the run; called on the worker.

    Args:
        expected: what the client sees.
        dask_worker: the worker; Dask fills it in.

    Raises:
        UnfitWorkerError: it doesn't fit.
    """
    address, threads = dask_worker.address, dask_worker.state.nthreads
    on_disk = code_hash()
    if on_disk != expected.code:
        raise UnfitWorkerError(address, f"runs other code than this command: install the same version of {PROJECT} there.")
    if on_disk != CODE_IN_MEMORY:
        raise UnfitWorkerError(
            address, "runs other code than this command: its files changed after it had imported them. Restart it."
        )
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
