"""Where the time of a stage goes."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Seconds(defaultdict[str, float]):
    """Seconds by step, added up by several threads."""

    def __init__(self) -> None:
        super().__init__(float)
        self._lock = threading.Lock()

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the time that a block takes to the seconds of a step."""
        start = time.perf_counter()
        yield
        self.add(step, time.perf_counter() - start)

    def add(self, step: str, spent: float) -> None:
        """Add to the seconds of a step."""
        with self._lock:
            self[step] += spent
