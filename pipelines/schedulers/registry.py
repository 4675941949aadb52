"""Schedulers are opened by name; installed packages add to the names with the entry point group ``miqd.schedulers``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from miqd_builder.config import WORKER_TIMEOUT
from miqd_builder.scheduler_names import SCHEDULERS, scheme
from pipelines.schedulers.base import Engine
from pipelines.schedulers.policy import Scheduler


@dataclass(frozen=True)
class Wanted:
    """The scheduler that the user asks for.

    Attributes:
        name: as the user gave it: a name, or an address such as ``tcp://host:8786``.
        workers: worker processes of a scheduler that starts them; None means one a GPU, or one a core without a GPU. Several
            workers can share a single GPU.
        device: cpu or cuda.
        imports: packages that the work needs and that take long to import; a scheduler that starts processes can import them
            once for all of them.
    """

    name: str
    workers: int | None
    device: str
    imports: tuple[str, ...] = ()


Opener: TypeAlias = Callable[[Wanted], AbstractContextManager[Engine]]
"""What :data:`SCHEDULERS` holds."""


@contextmanager
def open_scheduler(
    name: str,
    *,
    workers: int | None,
    device: str,
    worker_timeout: float = WORKER_TIMEOUT,
    imports: tuple[str, ...] = (),
) -> Iterator[Scheduler]:
    """Open ``inline``, ``dask`` (a local cluster), the cluster at an address, or what an installed package adds.

    Args:
        name: inline, dask, the address of a Dask scheduler such as ``tcp://host:8786``, or another name of the registry.
        workers: worker processes of a local cluster; None means one a GPU, or one a core without a GPU. Several workers can
            share a single GPU.
        device: cpu or cuda.
        worker_timeout: seconds to wait for a worker while there is none.
        imports: packages that the work needs and that take long to import.

    Raises:
        ConfigError: there is no such scheduler, none answers at the address, or its workers don't fit.
    """
    opener: Opener = SCHEDULERS[scheme(name)]
    with opener(Wanted(name, workers, device, imports)) as engine:
        yield Scheduler(engine, worker_timeout=worker_timeout)
