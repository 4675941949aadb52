"""The engine on the workers of a Dask cluster: one that is started on this machine, or a running one."""

from __future__ import annotations

import functools
import queue
import sys
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from miqd_builder.errors import LostSchedulerError
from miqd_builder.store.folder import RunFolder
from pipelines.schedulers.base import Outcome, Report, Stage, WorkerLostError, WorkItem
from pipelines.schedulers.cluster import Expected, join_cluster, unfit_workers, wrong_versions
from pipelines.schedulers.dask_worker import on_worker
from pipelines.schedulers.local import Caretaker, local_cluster
from pipelines.schedulers.registry import Wanted

if TYPE_CHECKING:
    from distributed import Client, Future

SECONDS_TO_ANSWER = 60.0
"""A scheduler that doesn't answer within this time is lost."""
SECONDS_TO_FETCH = 5.0
"""Results are small. One that can't be fetched within this time is computed again, since its worker is gone."""


class Dask:
    """Items on the workers of a Dask cluster.

    Args:
        connect: returns the client of the cluster; called when there is a first item.
    """

    per_worker = 2
    grace = 0.0
    where = "in the Dask cluster"
    remedy = "start workers"

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._expected: Expected | None = None
        # Of this run only: others may share the cluster.
        self._topic = f"miqd-progress-{uuid.uuid4().hex}"
        self._workers: Mapping[str, Any] = {}
        self._dismissed: set[str] = set()
        self._in_flight: dict[Any, tuple[Future[Any], WorkItem]] = {}
        self._ended: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()

    @functools.cached_property
    def client(self) -> Client:
        """The cluster's client."""
        return self._connect()

    def start(self, on_progress: Report) -> None:
        """See :class:`~pipelines.schedulers.base.Engine`."""
        with self._connected():
            self.client.subscribe_topic(self._topic, lambda event: on_progress(event[1]["images"]))

    def stop(self) -> None:
        """See :class:`~pipelines.schedulers.base.Engine`."""
        abandoned = [future for future, _ in self._in_flight.values()]
        self._in_flight, self._ended = {}, queue.SimpleQueue()
        if "client" in self.__dict__ and self.client.status == "running":
            self.client.cancel(abandoned)
            self.client.unsubscribe_topic(self._topic)

    def workers(self) -> Collection[str]:
        """See :class:`~pipelines.schedulers.base.Engine`."""
        with self._connected():
            scheduler = self.client.scheduler
            if scheduler is None:  # the client was closed
                raise _lost()
            identity = self.client.sync(scheduler.identity, n_workers=-1, callback_timeout=SECONDS_TO_ANSWER)
        # A worker that was started anew may have the address of the one before.
        self._dismissed &= set(identity["workers"])
        self._workers = {address: w for address, w in identity["workers"].items() if address not in self._dismissed}
        return self._workers

    def submit(self, stage: Stage, item: WorkItem, *, avoid: Collection[str], uses_device: bool) -> None:
        """See :class:`~pipelines.schedulers.base.Engine`."""
        gpus = {"GPU": 1} if uses_device and any("GPU" in w["resources"] for w in self._workers.values()) else None
        others = [address for address in self._workers if address not in avoid] if avoid else None
        with self._connected():
            future = self.client.submit(
                on_worker,
                stage,
                item,
                self._topic,
                self._expected,
                pure=False,
                resources=gpus,
                workers=others or None,
                allow_other_workers=bool(others),
            )
        self._in_flight[future.key] = (future, item)
        future.add_done_callback(self._ended.put)

    def collect(self, timeout: float) -> Sequence[Outcome]:
        """See :class:`~pipelines.schedulers.base.Engine`."""
        outcomes = []
        with suppress(queue.Empty):
            outcomes.append(self._outcome(self._ended.get(timeout=timeout)))
            while True:
                outcomes.append(self._outcome(self._ended.get_nowait()))
        return [outcome for outcome in outcomes if outcome is not None]

    def _outcome(self, future: Future[Any]) -> Outcome | None:
        """Outcome of a future; None if it is not one of this map's or its result is computed again."""
        if future.key not in self._in_flight:
            return None
        try:
            worker, value = future.result(timeout=SECONDS_TO_FETCH)
        except Exception as error:
            if future.status == "cancelled" or self.client.status != "running":
                raise _lost() from None
            if future.status != "error" and isinstance(error, OSError):  # It took too long, or the connection broke off.
                future.add_done_callback(self._ended.put)
                return None
            return Outcome(self._in_flight.pop(future.key)[1], error=_plain(error))
        return Outcome(self._in_flight.pop(future.key)[1], value, worker=worker)

    def dismiss(self, worker: str) -> None:
        """See :class:`~pipelines.schedulers.base.Engine`."""
        self._dismissed.add(worker)
        with suppress(OSError):  # No answer in time is one too. It gets no work in any case.
            self.client.retire_workers([worker], callback_timeout=SECONDS_TO_ANSWER)

    def enter(self, folder: RunFolder) -> None:
        """See :class:`~pipelines.schedulers.base.Engine`."""

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Turn Dask's errors after a lost connection into one line.

        Raises:
            LostSchedulerError: it is lost, or the scheduler doesn't answer in time.
        """
        if self.client.status != "running":
            raise _lost()
        try:
            yield
        except OSError:
            raise _lost() from None
        except Exception:
            if self.client.status != "running":
                raise _lost() from None
            raise


class _Local(Dask):
    """Workers of this machine, that belong to this process."""

    grace = 30.0
    where = "on this machine"
    remedy = "see what keeps their processes from starting, such as a lack of memory or too many --workers"

    @functools.cached_property
    def _caretaker(self) -> Caretaker:
        return Caretaker(self.client.cluster)

    def collect(self, timeout: float) -> Sequence[Outcome]:
        """See :class:`Dask`."""
        self._caretaker.check()
        return super().collect(timeout)


class _Joined(Dask):
    """Workers of a running cluster; each is checked before it gets work."""

    def __init__(self, client: Client, address: str) -> None:
        super().__init__(lambda: client)
        self.where = f"at {address}"
        self._known: set[str] = set()

    def enter(self, folder: RunFolder) -> None:
        """See :class:`Dask`."""
        self._expected = Expected.of(folder)
        self._known = set(super().workers())
        with self._connected():
            for problem in unfit_workers(self.client, self._expected, self._known):
                raise problem

    def workers(self) -> Collection[str]:
        """Those that fit; one that joined since the last call and doesn't is sent away."""
        there = set(super().workers())
        new, self._known = there - self._known, there
        if new and self._expected is not None:
            with self._connected():
                self._check(new, self._expected)
        return self._workers

    def _check(self, new: Collection[str], expected: Expected) -> None:
        for problem in list(wrong_versions(self.client, new)) or list(unfit_workers(self.client, expected, new)):
            print(f"Warning: {problem} It gets no work.", file=sys.stderr)
            self.dismiss(problem.address)
        self._workers = {address: w for address, w in self._workers.items() if address not in self._dismissed}


def _plain(error: Exception) -> Exception:
    """The error of an item in the words of all engines."""
    from distributed import KilledWorker

    return WorkerLostError(error.allowed_failures + 1) if isinstance(error, KilledWorker) else error


def _lost() -> LostSchedulerError:
    return LostSchedulerError(
        "The connection to the Dask scheduler broke off. Finished parts are kept: start the scheduler again, and run the "
        "same command again to go on."
    )


@contextmanager
def open_local(wanted: Wanted) -> Iterator[Dask]:
    """Open the engine on a local cluster, which is started when there is a first item: a run with nothing to do starts none."""
    with ExitStack() as stack:
        yield _Local(lambda: stack.enter_context(local_cluster(wanted.workers, wanted.device, wanted.imports)))


@contextmanager
def join(wanted: Wanted) -> Iterator[Dask]:
    """Open the engine on the cluster at an address.

    Raises:
        ConfigError: no scheduler answers, or a worker has another version of this project.
    """
    with join_cluster(wanted.name) as client:
        yield _Joined(client, wanted.name)
