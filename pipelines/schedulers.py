"""Run independent tasks: in this process, or on Dask workers. Knows tasks, not what they do."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from miqd_builder.config import WORKER_TIMEOUT
from miqd_builder.errors import ConfigError, LostSchedulerError, MiqdError, NoWorkersError, StaleCodeError
from miqd_builder.store.folder import RunFolder
from pipelines.cluster import Expected, UnfitWorkerError, check_worker, join_cluster, local_cluster, revive

if TYPE_CHECKING:
    from distributed import Client

Task = Any
"""A work item: it says what to do, and is small and picklable."""

Report = Callable[[int], None]
Stage = Callable[[Task, Report], Any]
"""A task's function: takes the task and a callback for the number of images done, returns a small result.

A result may have an attribute ``again``: a task, or None, that another worker should try. Its attribute ``tried`` then holds
the addresses of the workers that could not do it.
"""

SECONDS_BETWEEN_LOOKS = 0.5
"""How often a run that waits looks whether it still has a scheduler and workers."""
SECONDS_BETWEEN_REVIVALS = 10.0

ATTEMPTS = 3
"""A task that failed this often is given up; the next run tries it again."""

_fitting: set[Expected] = set()
"""Runs that this worker was checked for."""


class AbandonedError(BaseException):
    """Nobody waits for this task any more; no failure of an image or a model, so nothing that handles those may catch it."""


class WorkerDiedError(Exception):
    """A task's worker process died each time."""

    def __init__(self, times: int) -> None:
        super().__init__(f"the worker process died {times} times at this: it crashed, ran out of memory or was killed")


class Scheduler(Protocol):
    """Maps a stage over tasks.

    Attributes:
        running: tasks in flight.
    """

    @property
    def running(self) -> Collection[Task]: ...

    def map(
        self,
        stage: Stage,
        tasks: Sequence[Task],
        *,
        on_progress: Report,
        on_failure: Callable[[Task, Exception], None],
        uses_device: bool = False,
    ) -> Iterator[tuple[Task, Any]]:
        """Yield each finished task with its result, in any order.

        Args:
            stage: importable function.
            tasks: small, picklable descriptions of the work.
            on_progress: called with the number of images done since the last call.
            on_failure: called for a task that failed ``ATTEMPTS`` times.
            uses_device: whether the tasks run models: they then ask for the resource GPU, where workers offer it, so that one
                at a time uses each.

        Raises:
            MiqdError: a task found the configuration or the store wrong; the rest is abandoned.
        """
        ...


class Inline:
    """One task after the other in this process."""

    running: Collection[Task] = ()

    def map(
        self,
        stage: Stage,
        tasks: Sequence[Task],
        *,
        on_progress: Report,
        on_failure: Callable[[Task, Exception], None],
        uses_device: bool = False,
    ) -> Iterator[tuple[Task, Any]]:
        """See :class:`Scheduler`."""
        for task in tasks:
            self.running = (task,)
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
        self.running = ()


class Dask:
    """Tasks on the workers of a Dask cluster, two in flight for each worker.

    Args:
        connect: returns the client of the cluster; called when there is a first task.
        expected: what every worker has to have; None for workers that this process started.
        worker_timeout: seconds to wait for a worker while there is none.
        revive: called from time to time, to bring lost workers back.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        expected: Expected | None = None,
        *,
        worker_timeout: float = WORKER_TIMEOUT,
        revive: Callable[[], None] | None = None,
    ) -> None:
        self._connect = connect
        self._expected = expected
        self._worker_timeout, self._revive = worker_timeout, revive
        self._revived = time.monotonic()
        # Of this run only: others may share the cluster.
        self._topic = f"miqd-progress-{uuid.uuid4().hex}"
        self._waiting: deque[tuple[Task, int]] = deque()
        self._in_flight: dict[Any, tuple[Task, int]] = {}

    @functools.cached_property
    def client(self) -> Client:
        """The cluster's client."""
        return self._connect()

    @property
    def running(self) -> Collection[Task]:
        """See :class:`Scheduler`."""
        return [task for task, _ in list(self._in_flight.values())]

    def map(
        self,
        stage: Stage,
        tasks: Sequence[Task],
        *,
        on_progress: Report,
        on_failure: Callable[[Task, Exception], None],
        uses_device: bool = False,
    ) -> Iterator[tuple[Task, Any]]:
        """See :class:`Scheduler`."""
        if not tasks:
            return
        from distributed.comm import CommClosedError

        self._waiting = deque((task, 1) for task in reversed(tasks))
        self._in_flight.clear()
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._futures: dict[Any, Any] = {}
        try:
            self.client.subscribe_topic(self._topic, lambda event: on_progress(event[1]["images"]))
            self._submit_some(stage, uses_device)
            while self._in_flight or self._waiting:
                future = self._next(stage, uses_device)
                del self._futures[future.key]
                task, attempt = self._in_flight.pop(future.key)
                outcome, error = _outcome(future)
                if error is None:
                    address, result = outcome
                    if (again := getattr(result, "again", None)) is not None:
                        self._waiting.append((replace(again, tried=(*again.tried, address)), 1))
                    yield task, result
                elif (last := self._retry(task, attempt, error)) is not None:
                    on_failure(task, last)
                self._submit_some(stage, uses_device)
        except CommClosedError:
            raise self._lost() from None
        finally:
            self._futures.clear()
            if self.client.status == "running":
                self.client.unsubscribe_topic(self._topic)

    def _next(self, stage: Stage, uses_device: bool) -> Any:
        """Wait for a task to end and return its future; looks around while none does, and never waits without a word.

        Raises:
            LostSchedulerError: the connection to the scheduler broke off.
            NoWorkersError: there was no worker for ``worker_timeout`` seconds.
        """
        alone_since: float | None = None
        while True:
            with contextlib.suppress(Empty):
                return self._ended.get(timeout=SECONDS_BETWEEN_LOOKS)
            if self.client.status != "running":
                raise self._lost()
            now = time.monotonic()
            if self._revive is not None and now - self._revived > SECONDS_BETWEEN_REVIVALS:
                self._revived = now
                self._revive()
            if self.client.scheduler_info(n_workers=-1)["workers"]:
                alone_since = None
                self._submit_some(stage, uses_device)
                continue
            if alone_since is None:
                alone_since = now
                print(f"{self._nobody()} Waiting up to {self._worker_timeout:g} s for one.", file=sys.stderr, flush=True)
            if now - alone_since > self._worker_timeout:
                raise NoWorkersError(
                    f"{self._nobody()} None came within {self._worker_timeout:g} s. Finished parts are kept: "
                    f"{'start workers' if self._expected else 'see why they end'}, and run the same command again to go on."
                )

    def _nobody(self) -> str:
        where = f"at {self.client.scheduler.address}" if self._expected else "on this machine"
        return f"There is no worker {where}."

    def _submit_some(self, stage: Stage, uses_device: bool) -> None:
        if not self._waiting:
            return
        workers = self.client.scheduler_info(n_workers=-1)["workers"]
        gpus = {"GPU": 1} if uses_device and any("GPU" in w["resources"] for w in workers.values()) else None
        while self._waiting:
            task, attempt = self._waiting[-1]
            # A task whose worker died shares no worker: if that one dies too, it is to blame and nobody else.
            if len(self._in_flight) >= (2 if attempt == 1 else 1) * max(1, len(workers)):
                return
            self._waiting.pop()
            tried = getattr(task, "tried", ())
            others = [address for address in workers if address not in tried] if tried else None
            future = self.client.submit(
                _on_worker,
                stage,
                task,
                self._topic,
                self._expected,
                pure=False,
                resources=gpus,
                workers=others or None,
                allow_other_workers=bool(others),
            )
            self._in_flight[future.key] = (task, attempt)
            self._futures[future.key] = future
            future.add_done_callback(self._ended.put)

    def _retry(self, task: Task, attempt: int, error: Exception) -> Exception | None:
        """Put a failed task back into the queue; returns why it is given up if that is so.

        Raises:
            MiqdError: nothing else would fare better.
        """
        from distributed import CancelledError, KilledWorker

        if isinstance(error, UnfitWorkerError) and self._dismiss(error):
            self._waiting.append((task, attempt))
            return None
        if isinstance(error, MiqdError):
            raise error
        if isinstance(error, CancelledError):
            raise self._lost()
        if isinstance(error, KilledWorker):
            attempt += error.allowed_failures
            error = WorkerDiedError(attempt)
        if attempt >= ATTEMPTS:
            return error
        # Last, so that it holds nobody up.
        self._waiting.appendleft((task, attempt + 1))
        return None

    def _dismiss(self, error: UnfitWorkerError) -> bool:
        """Send a worker away that joined during the run and doesn't fit; False if it is the last one."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"]
        if error.address in workers:
            if len(workers) == 1:
                return False
            print(f"Warning: {error} It gets no work.", file=sys.stderr)
            self.client.retire_workers([error.address])
        return True

    def _lost(self) -> LostSchedulerError:
        return LostSchedulerError(
            "The connection to the Dask scheduler broke off. Finished parts are kept: start the scheduler again, and run the "
            "same command again to go on."
        )


def _outcome(future: Any) -> tuple[Any, Exception | None]:
    try:
        return future.result(), None
    except Exception as error:
        return None, error


@contextmanager
def open_scheduler(
    name: str, *, workers: int | None, device: str, folder: RunFolder, worker_timeout: float = WORKER_TIMEOUT
) -> Iterator[Scheduler]:
    """Open ``inline``, ``dask`` (a local cluster) or the cluster at an address.

    Args:
        name: inline, dask, or the address of a Dask scheduler such as ``tcp://host:8786``.
        workers: worker processes of a local cluster; None means one a GPU, or one a core without a GPU. Several workers can
            share a single GPU.
        device: cpu or cuda.
        folder: the run folder with its ``run.json``, which every worker must see.
        worker_timeout: seconds to wait for a worker while there is none.

    Raises:
        ConfigError: no scheduler answers at the address, or its workers don't fit.
    """
    if name == "inline":
        yield Inline()
    elif name == "dask":
        with ExitStack() as stack:
            # A run with nothing to do starts no processes.
            scheduler = Dask(
                lambda: stack.enter_context(local_cluster(workers, device)),
                worker_timeout=worker_timeout,
                revive=lambda: revive(scheduler.client.cluster),
            )
            yield scheduler
    else:
        expected = Expected.of(folder)
        with join_cluster(name, expected) as client:
            yield Dask(lambda: client, expected, worker_timeout=worker_timeout)


def _on_worker(stage: Stage, task: Task, topic: str, expected: Expected | None) -> tuple[str, Any]:
    """Do a task; returns the worker's address and the result."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    if expected is not None and expected not in _fitting:
        check_worker(expected, worker)
        _fitting.add(expected)
    report = _Throttled(lambda images: worker.log_event(topic, {"images": images}), lambda: _is_wanted(worker, key))
    try:
        return worker.address, stage(task, report)
    except (ConfigError, StaleCodeError) as error:
        raise type(error)(str(error) if expected is None else f"Worker {worker.address}: {error}") from error
    finally:
        report.flush()


def _is_wanted(worker: Any, key: Any) -> bool:
    """Whether somebody still waits for a running task; the client may have been interrupted or killed."""
    state = worker.state.tasks.get(key)
    return state is not None and state.state != "cancelled"


class _Throttled:
    """Passes progress on at most twice a second, and breaks off work that nobody waits for any more."""

    def __init__(self, send: Report, wanted: Callable[[], bool]) -> None:
        self._send, self._wanted = send, wanted
        self._images = 0
        self._last = time.monotonic()

    def __call__(self, images: int) -> None:
        if not self._wanted():
            raise AbandonedError
        self._images += images
        if time.monotonic() - self._last > 0.5:
            self.flush()

    def flush(self) -> None:
        if self._images:
            self._send(self._images)
        self._images, self._last = 0, time.monotonic()
