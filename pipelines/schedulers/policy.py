"""The scheduler: order of the items, attempts, blame for dead workers, and how long to wait for a worker."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from miqd_builder.errors import MiqdError
from miqd_builder.store.folder import RunFolder
from pipelines.schedulers.base import (
    ATTEMPTS,
    Again,
    Engine,
    Outcome,
    Report,
    Stage,
    UnfitWorkerError,
    WorkerDiedError,
    WorkerLostError,
    WorkItem,
)
from pipelines.schedulers.patience import Patience

OnFailure = Callable[[Any, Exception], None]
POLL_S = 0.5
"""Seconds between two checks of the workers while nothing ends."""


@dataclass(frozen=True)
class _Attempt:
    """One attempt at an item.

    Attributes:
        item: what to do.
        number: of the attempt, from 1.
        deaths: workers that died at it before.
        alone: whether it must be the only item on its worker, so that it is to blame if the worker dies.
        avoid: workers that could not do it.
    """

    item: WorkItem
    number: int = 1
    deaths: int = 0
    alone: bool = False
    avoid: frozenset[str] = frozenset()


class Scheduler:
    """Maps stages over items with an engine.

    Args:
        engine: does the work.
        worker_timeout: seconds to wait for a worker while there is none.
    """

    def __init__(self, engine: Engine, *, worker_timeout: float) -> None:
        self._engine = engine
        self._worker_timeout = worker_timeout
        self._map: _Map | None = None
        self._started = False

    @property
    def running(self) -> Collection[Any]:
        """Items in flight; after a map that ended early, those that it abandoned."""
        return self._map.running if self._map is not None else ()

    def enter(self, folder: RunFolder) -> None:
        """Get ready for the work of one run folder, whose ``run.json`` is written.

        Raises:
            UnfitWorkerError: a worker can't work for it.
        """
        self._engine.enter(folder)

    def map(
        self,
        stage: Stage,
        items: Sequence[WorkItem],
        *,
        on_progress: Report,
        on_failure: OnFailure,
        uses_device: bool = False,
    ) -> Iterator[tuple[Any, Any]]:
        """Yield each finished item with its result, in any order.

        An item that is given up is split first, if it can be, and each of its parts is tried. One map at a time: a new one
        abandons what an earlier one has in flight.

        Args:
            stage: importable function.
            items: small, picklable descriptions of the work.
            on_progress: called with the number of images done since the last call, maybe from another thread.
            on_failure: called for an item that failed ``ATTEMPTS`` times.
            uses_device: whether the items run models: they then ask for a GPU, where workers offer them, so that one at a
                time uses each.

        Raises:
            NoWorkersError: there was no worker for ``worker_timeout`` seconds.
            MiqdError: an item found the configuration or the store wrong, or the engine is lost; the rest is abandoned.
        """
        if not items:
            return
        self._stop()
        current = self._map = _Map(self._engine, stage, items, on_failure, uses_device)
        patience = Patience(self._engine, self._worker_timeout)
        try:
            self._started = True
            self._engine.start(on_progress)
            while current.unfinished:
                workers = self._engine.workers()
                patience.check(workers)
                current.submit_some(workers)
                for outcome in self._engine.collect(POLL_S):
                    yield from current.settle(outcome)
        finally:
            if self._map is current:
                self._stop()

    def _stop(self) -> None:
        if self._started:
            self._started = False
            self._engine.stop()


class _Map:
    """The state of one map: items that wait, the next one first, and items in flight by their identity."""

    def __init__(
        self, engine: Engine, stage: Stage, items: Sequence[WorkItem], on_failure: OnFailure, uses_device: bool
    ) -> None:
        self._engine, self._stage, self._on_failure, self._uses_device = engine, stage, on_failure, uses_device
        self._waiting = deque(_Attempt(item) for item in items)
        self._in_flight: dict[int, _Attempt] = {}

    @property
    def unfinished(self) -> bool:
        """Whether there is anything left to do."""
        return bool(self._waiting or self._in_flight)

    @property
    def running(self) -> Collection[WorkItem]:
        """Items in flight."""
        return [attempt.item for attempt in list(self._in_flight.values())]

    def submit_some(self, workers: Collection[str]) -> None:
        """Give the workers as much as they should have at once."""
        while self._waiting:
            attempt = self._waiting[0]
            alone = attempt.alone or any(other.alone for other in self._in_flight.values())
            if len(self._in_flight) >= len(workers) * (1 if alone else self._engine.per_worker):
                return
            self._waiting.popleft()
            self._in_flight[id(attempt.item)] = attempt
            self._engine.submit(self._stage, attempt.item, avoid=attempt.avoid, uses_device=self._uses_device)

    def settle(self, outcome: Outcome) -> Iterator[tuple[WorkItem, Any]]:
        """Deal with an item that ended: yield it with its result, or try it again, or give it up."""
        attempt = self._in_flight.pop(id(outcome.item))
        if outcome.error is not None:
            self._settle_failure(attempt, outcome.error)
            return
        yield attempt.item, outcome.value
        again: Again | None = getattr(outcome.value, "again", None)
        if again is not None:
            self._try_elsewhere(attempt, again, outcome.worker)

    def _try_elsewhere(self, attempt: _Attempt, again: Again, worker: str) -> None:
        if attempt.number < ATTEMPTS:
            avoid = attempt.avoid | ({worker} - {""})
            self._waiting.appendleft(replace(attempt, item=again.item, number=attempt.number + 1, avoid=avoid))
        else:
            # The parts of a split item have one more attempt each, since the error may be another part's.
            self._give_up(again.item, again.error, _Attempt(again.item, ATTEMPTS, alone=True))

    def _settle_failure(self, attempt: _Attempt, error: Exception) -> None:
        if isinstance(error, UnfitWorkerError) and self._dismiss(error):
            self._waiting.appendleft(attempt)
            return
        if isinstance(error, MiqdError):
            self._in_flight[id(attempt.item)] = attempt
            raise error
        number = attempt.number
        if isinstance(error, WorkerLostError):
            # Until it is alone, it may not be the one to blame.
            number = number + error.deaths - 1 if attempt.alone else min(number, ATTEMPTS - 1)
            attempt = replace(attempt, deaths=attempt.deaths + error.deaths)
            error = WorkerDiedError(attempt.deaths)
        if number < ATTEMPTS:
            # Last, so that it doesn't delay the other items.
            self._waiting.append(replace(attempt, number=number + 1, alone=True))
        else:
            self._give_up(attempt.item, error, _Attempt(attempt.item, alone=True))

    def _give_up(self, item: WorkItem, error: Exception, how: _Attempt) -> None:
        """Try each part of an item as ``how`` says; one that has none is lost."""
        parts = item.split()
        if len(parts) > 1:
            self._waiting.extend(replace(how, item=part) for part in parts)
        else:
            self._on_failure(item, error)

    def _dismiss(self, error: UnfitWorkerError) -> bool:
        """Send a worker away that joined during the map and doesn't fit; False if it is the last one."""
        workers = self._engine.workers()
        if error.address in workers:
            if len(workers) == 1:
                return False
            print(f"Warning: {error} It gets no work.", file=sys.stderr)
            self._engine.dismiss(error.address)
        return True
