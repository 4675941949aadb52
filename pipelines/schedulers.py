"""Run independent tasks: in this process, or on Dask workers. Knows tasks, not what they do."""

from __future__ import annotations

import functools
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from miqd_builder.errors import ConfigError, LostSchedulerError, MiqdError
from miqd_builder.store.folder import RunFolder
from pipelines.cluster import Expected, UnfitWorkerError, check_worker, join_cluster, local_cluster

if TYPE_CHECKING:
    from distributed import Client

Task = dict[str, Any]
Report = Callable[[int], None]
Stage = Callable[[Task, Report], Any]
"""A task's function: takes the task and a callback for the number of images done, returns a small result.

A result may have an attribute ``again``: a task, or None, that another worker should try. That task then holds ``tried``, the
addresses of the workers that could not do it.
"""

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
    """

    def __init__(self, connect: Callable[[], Client], expected: Expected | None = None) -> None:
        self._connect = connect
        self._expected = expected
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
        from distributed import as_completed
        from distributed.comm import CommClosedError

        self._waiting = deque((task, 1) for task in reversed(tasks))
        self._in_flight.clear()
        running = as_completed([], loop=self.client.loop)
        try:
            self.client.subscribe_topic(self._topic, lambda event: on_progress(event[1]["images"]))
            self._submit_some(stage, running, uses_device)
            for future in running:
                task, attempt = self._in_flight.pop(future.key)
                outcome, error = _outcome(future)
                if error is None:
                    address, result = outcome
                    if (again := getattr(result, "again", None)) is not None:
                        self._waiting.append(({**again, "tried": [*task.get("tried", ()), address]}, 1))
                    yield task, result
                elif (last := self._retry(task, attempt, error)) is not None:
                    on_failure(task, last)
                self._submit_some(stage, running, uses_device)
        except CommClosedError:
            raise self._lost() from None
        finally:
            running.clear()
            if self.client.status == "running":
                self.client.unsubscribe_topic(self._topic)

    def _submit_some(self, stage: Stage, running: Any, uses_device: bool) -> None:
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
            tried = task.get("tried", ())
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
            running.add(future)

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
def open_scheduler(name: str, *, workers: int | None, device: str, folder: RunFolder) -> Iterator[Scheduler]:
    """Open ``inline``, ``dask`` (a local cluster) or the cluster at an address.

    Args:
        name: inline, dask, or the address of a Dask scheduler such as ``tcp://host:8786``.
        workers: worker processes of a local cluster; None means one a GPU, or one a core without a GPU. Several workers can
            share a single GPU.
        device: cpu or cuda.
        folder: the run folder with its ``run.json``, which every worker must see.

    Raises:
        ConfigError: no scheduler answers at the address, or its workers don't fit.
    """
    if name == "inline":
        yield Inline()
    elif name == "dask":
        with ExitStack() as stack:
            # A run with nothing to do starts no processes.
            yield Dask(lambda: stack.enter_context(local_cluster(workers, device)))
    else:
        expected = Expected.of(folder)
        with join_cluster(name, expected) as client:
            yield Dask(lambda: client, expected)


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
    except ConfigError as error:
        raise ConfigError(str(error) if expected is None else f"Worker {worker.address}: {error}") from error
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
