"""Types that stages, the policy (``policy.py``) and the engines (``inline.py``, ``dask.py``) share."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from miqd_builder.errors import ConfigError
from miqd_builder.store.folder import RunFolder

_EVERYWHERE = ("builtins", "miqd_builder")
"""Packages whose exceptions the scheduler's process can always import."""

ATTEMPTS = 3
"""An item that failed this often is given up; the next run tries it again."""


class WorkItem(Protocol):
    """A small, picklable description of some work. The items of a map are different objects."""

    def split(self) -> Sequence[WorkItem]:
        """Return smaller items that together are this one; only this one where it can't be split."""
        ...


Report = Callable[[int], None]
"""Takes the number of images done since the last call."""

Stage = Callable[[Any, Report], Any]
"""An importable function of an item; returns a small result.

A result may have an attribute ``again``: an :class:`Again`, or None.
"""


@dataclass(frozen=True)
class Again:
    """Rest of a finished item that its worker could not do and another worker should try.

    Attributes:
        item: to try.
        error: why this worker could not do it.
    """

    item: WorkItem
    error: Exception

    @classmethod
    def because(cls, item: WorkItem, error: Exception) -> Again:
        """Return the request to try an item again, with an error that every process can unpickle."""
        try:
            travels = type(error).__module__.split(".")[0] in _EVERYWHERE and pickle.loads(pickle.dumps(error)) is not None
        except Exception:
            travels = False
        return cls(item, error if travels else RuntimeError(f"{type(error).__name__}: {error}"))


@dataclass(frozen=True)
class Outcome:
    """How an item ended.

    Attributes:
        item: the one that was submitted.
        value: what the stage returned.
        error: what it raised instead; :class:`WorkerLostError` if its worker died.
        worker: who did it, "" where the engine can't tell.
    """

    item: WorkItem
    value: Any = None
    error: Exception | None = None
    worker: str = ""


class AbandonedError(BaseException):
    """The item was abandoned by its client. Not an ``Exception``, so that no handler of failed images or models catches it."""


class WorkerLostError(Exception):
    """An item's worker process died.

    Args:
        deaths: how many workers died at it, if the engine tried it several times.
    """

    def __init__(self, deaths: int = 1) -> None:
        super().__init__(deaths)
        self.deaths = deaths


class WorkerDiedError(Exception):
    """An item's worker process died each time."""

    def __init__(self, times: int) -> None:
        super().__init__(times)
        self.times = times

    def __str__(self) -> str:
        return f"the worker process died {self.times} times at this: it crashed, ran out of memory or was killed"


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


class Engine(Protocol):
    """Runs items, one at a time on each worker. It has no policy: every item that ends is handed back with its outcome.

    The death of a worker costs only the items that were given to it: each ends with :class:`WorkerLostError`.

    Attributes:
        per_worker: items to give to each worker at once; 2 where handing one over takes time.
        grace: seconds without a worker before the user is told, such as the restart of a process takes.
        where: where the workers are, for messages: follows "There is no worker".
        remedy: what to do if there is none: is followed by ", and run the same command again".
    """

    @property
    def per_worker(self) -> int:
        """Items to give to each worker at once."""
        ...

    @property
    def grace(self) -> float:
        """Seconds without a worker before the user is told."""
        ...

    @property
    def where(self) -> str:
        """Where the workers are."""
        ...

    @property
    def remedy(self) -> str:
        """What to do if there is none."""
        ...

    def workers(self) -> Collection[str]:
        """Return the workers that can take work now."""
        ...

    def submit(self, stage: Stage, item: WorkItem, *, avoid: Collection[str], uses_device: bool) -> None:
        """Give an item to a worker.

        Args:
            stage: what to do with it.
            item: comes back in its outcome.
            avoid: workers that should not get it, as long as there are others.
            uses_device: whether it needs a GPU, where workers offer them.
        """
        ...

    def collect(self, timeout: float) -> Sequence[Outcome]:
        """Return the items that ended since the last call; waits for one, at most ``timeout`` seconds.

        Raises:
            MiqdError: the engine is lost.
        """
        ...

    def dismiss(self, worker: str) -> None:
        """Give no more work to a worker."""
        ...

    def start(self, on_progress: Report) -> None:
        """Get ready for one map; called when it has a first item."""
        ...

    def stop(self) -> None:
        """End the map: abandon what is in flight."""
        ...

    def enter(self, folder: RunFolder) -> None:
        """Get ready for the work of one run folder, whose ``run.json`` is written.

        Raises:
            UnfitWorkerError: a worker can't work for it.
        """
        ...
