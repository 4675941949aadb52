"""Running a stage on a Dask worker: check the worker, report progress, return the result."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from miqd_builder.errors import ConfigError, StaleCodeError
from pipelines.schedulers.base import AbandonedError, Report, Stage, UnfitWorkerError, WorkItem
from pipelines.schedulers.cluster import Expected, check_worker

_fitting: set[Expected] = set()
"""Runs that this worker was checked for."""


def on_worker(stage: Stage, item: WorkItem, topic: str, expected: Expected | None) -> tuple[str, Any]:
    """Do an item; returns the worker's address and the result.

    Args:
        stage: what to do.
        item: with what.
        topic: Dask topic for the number of images done.
        expected: what this worker has to have; None for workers that the client started.
    """
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    if expected is not None and expected not in _fitting:
        check_worker(expected, worker)
        _fitting.add(expected)
    report = _Throttled(lambda images: worker.log_event(topic, {"images": images}), lambda: _is_wanted(worker, key))
    try:
        return worker.address, stage(item, report)
    except UnfitWorkerError:
        raise
    except (ConfigError, StaleCodeError) as error:
        raise type(error)(str(error) if expected is None else f"Worker {worker.address}: {error}") from error
    finally:
        report.flush()


def _is_wanted(worker: Any, key: Any) -> bool:
    """Whether the client still waits for a running item; it may have been interrupted or killed."""
    state = worker.state.tasks.get(key)
    return state is not None and state.state != "cancelled"


class _Throttled:
    """Passes progress on at most twice a second, and stops work that its client has abandoned."""

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
