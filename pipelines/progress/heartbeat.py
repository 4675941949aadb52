"""``progress/<command>-<task>.json``: parts and models of a command's last run, its present state, and the time of its stages.

The client writes it every few seconds while it works, and once more at the end. ``miqd status`` reads it, also from another
machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from types import FrameType, TracebackType
from typing import Any, Literal

from typing_extensions import TypedDict

from miqd_builder.errors import MiqdError, NoMemoryError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.keys import Command, CommandKey
from miqd_builder.store.stored_json import of_json, parse
from miqd_builder.tasks import Task
from pipelines.stages.items import PartItem

FOLDER = "progress"
SECONDS_BETWEEN_BEATS = 5.0
STALE_AFTER_SECONDS = 60.0
WAKES = signal.SIGUSR2
"""The signal that ends a wait of the main thread. Not SIGINT: what a script starts with ``&`` ignores it."""


class Running(TypedDict):
    """A work item in flight.

    Attributes:
        part: its number.
        models: whose work it is.
    """

    part: int
    models: list[str]


@dataclass
class RunProgress:
    """Progress of one command in a run folder.

    Attributes:
        command, task: which one, as in :class:`CommandKey`.
        models: names of the chosen models, or measures; empty for ``degrade``.
        parts: numbers of the wanted parts.
        host, pid: the client's machine and process.
        started, updated: seconds since 1970, by the client's clock.
        state: running, finished, or stopped by an error or the user.
        stage: the stage at work; empty between stages.
        done, total: images of that stage, counted once a model.
        seconds: how long that stage has been at work.
        running: its work items in flight.
        stages: what each stage did when it last computed anything: rows, wall-clock seconds, seconds by step, and ``tasks``
            where it did it for several at once.
    """

    command: Command
    task: Task | None
    models: list[str]
    parts: list[int]
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    started: float = field(default_factory=time.time)
    updated: float = 0.0
    state: Literal["running", "finished", "stopped"] = "running"
    stage: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    running: list[Running] = field(default_factory=list)
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def key(self) -> CommandKey:
        """What the command is called."""
        return CommandKey(self.command, self.task)

    @property
    def rate(self) -> float:
        """Images a second of the stage at work."""
        return self.done / self.seconds if self.seconds else 0.0

    def alive(self, folder: RunFolder) -> bool:
        """Tell whether the client still works: its process is there, and it wrote within the last minute.

        Another machine's clock may be off: where its last sign of life looks old, or lies in the future, this waits for the
        next one instead of believing the clocks.
        """
        if self.state != "running":
            return False
        if self.host == socket.gethostname():
            return _process_exists(self.pid)
        if 0 <= time.time() - self.updated < STALE_AFTER_SECONDS:
            return True
        time.sleep(SECONDS_BETWEEN_BEATS + 1)
        later = read_progress(folder).get(self.key)
        return later is not None and later.updated != self.updated


class Heartbeat:
    """Keeps the progress file of one command up to date while the command runs; a context manager.

    When there is no memory for that, it ends the command: other threads may have died of it before they could say so, and the
    command would wait for them for ever.

    Raises:
        NoMemoryError: there was none, at the end.
    """

    def __init__(self, folder: RunFolder, command: CommandKey, *, models: Sequence[str], parts: Sequence[int]) -> None:
        self._folder = folder
        self._name = _file_name(command)
        before = read_progress(folder).get(command)
        self.progress = RunProgress(
            command.command, command.task, list(models), list(parts), stages=before.stages if before else {}
        )
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._in_flight: Callable[[], Sequence[PartItem]] = list
        self._stage_start = 0.0
        self._in_main = False
        self._handler: Any = signal.SIG_DFL
        self._no_memory = False

    def __enter__(self) -> Heartbeat:
        self._in_main = threading.current_thread() is threading.main_thread()
        if self._in_main:
            self._handler = signal.signal(WAKES, _wake)
        self._write()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        if self._in_main:
            signal.signal(WAKES, self._handler)
        self.progress.state = "finished" if kind is None else "stopped"
        with contextlib.suppress(MemoryError):
            self._write()
        if self._no_memory and kind is KeyboardInterrupt:
            raise NoMemoryError(
                "The process has no memory left. What is done is kept: run the same command again with more of it, with fewer "
                "workers or a smaller batch."
            ) from None

    @contextmanager
    def stage(self, name: str, total: int, in_flight: Callable[[], Sequence[PartItem]]) -> Iterator[Callable[[int], None]]:
        """Follow one stage; yields the function that counts its images.

        Args:
            name: of the stage.
            total: images that it has to do.
            in_flight: returns its work items in flight.
        """
        now = self.progress
        now.stage, now.done, now.total, now.seconds, now.running = name, 0, total, 0.0, []
        self._stage_start, self._in_flight = time.monotonic(), in_flight
        self._write()

        def count(images: int) -> None:
            now.done += images

        yield count
        now.stage, self._in_flight = "", list

    def record(self, stage: str, statistics: dict[str, Any]) -> None:
        """Keep what a stage did: ``computed`` rows, ``wall_s``, and what else there is to say."""
        self.progress.stages[stage] = statistics
        self._write()

    def _beat(self) -> None:
        try:
            while not self._stop.wait(SECONDS_BETWEEN_BEATS):
                self._write()
        except MemoryError:
            self._no_memory = True
            if self._in_main:  # a signal to this very thread wakes it from whatever it waits for
                signal.pthread_kill(threading.main_thread().ident or 0, WAKES)

    def _write(self) -> None:
        """Write the file; a full disk or a lost connection stops the work elsewhere, not here."""
        with self._lock:
            now = self.progress
            now.updated = time.time()
            now.seconds = time.monotonic() - self._stage_start if now.stage else 0.0
            keys = [(item, [key for key in item.keys if key.task in (None, now.task)]) for item in self._in_flight()]
            now.running = [{"part": item.part, "models": [key.model for key in own if key.model]} for item, own in keys if own]
            with contextlib.suppress(MiqdError, OSError):
                self._folder.write(self._name, json.dumps(asdict(now)).encode(), flush=False)


def _wake(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def read_progress(folder: RunFolder) -> dict[CommandKey, RunProgress]:
    """Return what is known of the last run of each command, by command; a damaged file counts as none."""
    found: dict[CommandKey, RunProgress] = {}
    for name in folder.list(f"{FOLDER}/*.json"):
        with contextlib.suppress(ValueError, TypeError, KeyError, FileNotFoundError):
            content = parse(folder.read(name))
            if "task" not in content:
                # Layout 1 has one text for both, such as "label det".
                content |= asdict(CommandKey.of_words(content["command"]))
            progress = of_json(RunProgress, content)
            found[progress.key] = progress
    return found


def _file_name(command: CommandKey) -> str:
    return f"{FOLDER}/{command.command}{f'-{command.task}' if command.task else ''}.json"


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
