"""Ctrl-C and SIGTERM: the run ends in order, with exit code 130 or 143."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE_SECONDS = 5.0


class Interruption:
    """Turns the first signal into a KeyboardInterrupt, and keeps the next ones from breaking the clean-up; a context manager.

    Programs such as ``timeout`` and ``uv run`` pass on a Ctrl-C that the process has already received, so a second one soon
    after the first is ignored. A later one ends the process at once: the user sends it because the clean-up hangs.

    Attributes:
        code: exit code that tells of the signal; None before there was one.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._at = 0.0

    def __enter__(self) -> Interruption:
        self._before = {number: signal.signal(number, self._stop) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.code is None:
            self.code, self._at = 128 + number, time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self._at > PATIENCE_SECONDS:
            os._exit(self.code)
