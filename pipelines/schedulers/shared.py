"""Schedulers that the tasks of one command share."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType

from miqd_builder.config import RunConfig
from miqd_builder.store.folder import RunFolder
from pipelines.schedulers import Scheduler, open_scheduler


class OpenSchedulers:
    """Schedulers that are open: the tasks of one command share them, so that frameworks load once a worker."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._open: dict[tuple[object, ...], Scheduler] = {}

    def __enter__(self) -> OpenSchedulers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.clear()
        self._stack.__exit__(kind, error, trace)

    def get(self, config: RunConfig, device: str, folder: RunFolder, imports: tuple[str, ...] = ()) -> Scheduler:
        """Return the run file's scheduler, opened if it isn't yet and ready for a run folder.

        Args:
            config: the run file.
            device: cpu or cuda.
            folder: the run folder.
            imports: see :class:`pipelines.schedulers.registry.Wanted`.

        Raises:
            ConfigError: no scheduler answers at the address, or its workers don't fit.
        """
        key = (config.scheduler, config.workers, device, config.worker_timeout)
        if key not in self._open:
            opened = open_scheduler(
                config.scheduler,
                workers=config.workers,
                device=device,
                worker_timeout=config.worker_timeout,
                imports=imports,
            )
            self._open[key] = self._stack.enter_context(opened)
        self._open[key].enter(folder)
        return self._open[key]
