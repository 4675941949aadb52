"""Items of work, and a stage that does to a worker what an item says: for the tests of schedulers and their engines."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from miqd_builder.errors import ConfigError
from pipelines.schedulers import Again, Report, UnfitWorkerError

IMAGES = 3
"""Images of each item."""


@dataclass(frozen=True)
class Item:
    """What to do, what happens, and a folder to note it in."""

    key: str
    folder: Path
    does: str = "work"
    parts: tuple[Item, ...] = ()

    def split(self) -> Sequence[Item]:
        """See :class:`pipelines.schedulers.WorkItem`."""
        return self.parts or (self,)

    def tries(self) -> list[str]:
        """The processes that tried it."""
        return [file.read_text() for file in self.folder.glob(f"{self.key}@*")]


@dataclass(frozen=True)
class Done:
    """The result of an item."""

    key: str
    pid: int
    again: Again | None = None


def work(item: Item, report: Report) -> Done:
    """Note the try and do what the item says; is importable, as a stage has to be."""
    (item.folder / f"{item.key}@{uuid.uuid4().hex}").write_text(str(os.getpid()))
    again: Again | None = _HAPPENS[item.does](item)
    while item.does == "report and hold":
        report(0)
        time.sleep(0.01)
    for _ in range(IMAGES):
        report(1)
    return Done(item.key, os.getpid(), again)


def worker_name() -> str:
    """How the engine calls this worker."""
    with suppress(ImportError, ValueError):
        from distributed import get_worker

        return str(get_worker().address)
    return os.environ.get("TEST_WORKER", "here")


def _fail(item: Item) -> None:
    raise RuntimeError(f"{item.key} is broken")


def _fail_twice(item: Item) -> None:
    if len(item.tries()) < 3:
        _fail(item)


def _die(item: Item) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_once(item: Item) -> None:
    if len(item.tries()) < 2:
        _die(item)


def _need_another(item: Item) -> Again | None:
    return Again(item, RuntimeError("not here")) if len(set(item.tries())) < 2 else None


def _need_nobody(item: Item) -> Again:
    return Again(replace(item, does="need nobody"), RuntimeError("not here"))


def _configured_wrong(item: Item) -> None:
    raise ConfigError("the run file is wrong")


def _unfit(item: Item) -> None:
    """The first process to come here doesn't fit."""
    note = item.folder / "unfit"
    with suppress(FileExistsError), note.open("x") as file:
        file.write(str(os.getpid()))
    time.sleep(0.05)
    if note.read_text() == str(os.getpid()):
        raise UnfitWorkerError(worker_name(), "is too old.")


def _hold(item: Item) -> None:
    while not (item.folder / "gate").exists():
        time.sleep(0.01)


_HAPPENS: dict[str, Callable[[Item], Any]] = {
    "work": lambda item: None,
    "fail": _fail,
    "fail twice": _fail_twice,
    "die": _die,
    "die once": _die_once,
    "need another": _need_another,
    "need nobody": _need_nobody,
    "configured wrong": _configured_wrong,
    "unfit": _unfit,
    "hold": _hold,
    "report and hold": lambda item: None,
}
