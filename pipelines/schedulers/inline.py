"""The engine that does one item after the other in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from miqd_builder.store.folder import RunFolder
from pipelines.schedulers.base import Outcome, Report, Stage, WorkItem
from pipelines.schedulers.registry import Wanted


class Inline:
    """Does an item when its outcome is asked for."""

    per_worker = 1
    grace = 0.0
    where = "in this process"
    remedy = "wait"

    def __init__(self) -> None:
        self._waiting: deque[tuple[Stage, WorkItem]] = deque()
        self._report: Report = lambda _: None

    def workers(self) -> Collection[str]:
        """See :class:`~pipelines.schedulers.base.Engine`."""
        return ("here",)

    def submit(self, stage: Stage, item: WorkItem, *, avoid: Collection[str], uses_device: bool) -> None:
        """See :class:`~pipelines.schedulers.base.Engine`."""
        self._waiting.append((stage, item))

    def collect(self, timeout: float) -> Sequence[Outcome]:
        """See :class:`~pipelines.schedulers.base.Engine`."""
        if not self._waiting:
            return ()
        stage, item = self._waiting.popleft()
        try:
            return (Outcome(item, stage(item, self._report), worker="here"),)
        except Exception as error:
            return (Outcome(item, error=error, worker="here"),)

    def dismiss(self, worker: str) -> None:
        """See :class:`~pipelines.schedulers.base.Engine`."""

    def start(self, on_progress: Report) -> None:
        """See :class:`~pipelines.schedulers.base.Engine`."""
        self._report = on_progress

    def stop(self) -> None:
        """See :class:`~pipelines.schedulers.base.Engine`."""
        self._waiting.clear()

    def enter(self, folder: RunFolder) -> None:
        """See :class:`~pipelines.schedulers.base.Engine`."""


@contextmanager
def open_inline(wanted: Wanted) -> Iterator[Inline]:
    """Open the engine."""
    yield Inline()
