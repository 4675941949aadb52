"""Waiting for a worker while there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection

from miqd_builder.errors import NoWorkersError
from pipelines.schedulers.base import Engine


class Patience:
    """Waits for a worker while there is none, and says so; starts from the beginning when one came back.

    Args:
        engine: names the place and the remedy.
        timeout: seconds to wait; ``worker_timeout`` of the run file.
    """

    def __init__(self, engine: Engine, timeout: float) -> None:
        self._engine, self._timeout = engine, timeout
        self._since: float | None = None
        self._told = False

    def check(self, workers: Collection[str]) -> None:
        """Check that there are workers.

        Raises:
            NoWorkersError: there was none for too long.
        """
        if workers:
            self._since, self._told = None, False
            return
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        waited = now - self._since
        no_worker = f"There is no worker {self._engine.where}."
        if waited >= self._timeout:
            raise NoWorkersError(
                f"{no_worker} None came within {self._timeout:g} s. Finished parts are kept: {self._engine.remedy}, and run "
                "the same command again to go on."
            )
        if not self._told and waited >= self._engine.grace:
            self._told = True
            print(f"{no_worker} Waiting up to {self._timeout:g} s for one.", file=sys.stderr, flush=True)
