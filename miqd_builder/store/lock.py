"""``run.lock``: one run at a time writes into a run folder.

The file names its holder: host, process and the process's start, command, start of the run. The holder renews it every few
seconds. A lock that is found counts as

- held, if the holder is a process of this host that is there, with the same start time;
- left behind, if the holder was a process of this host that is gone;
- held, if the holder is on another host and renewed it within the last five minutes by this host's clock;
- otherwise (another host and an older or a future time; a process number that another process may have been given; an
  unreadable file) the lock is watched for several renewals: it is held if it changes, and left behind if not.

Watching needs no clocks that agree: a host whose clock is wrong by hours can't take over a lock that is renewed. A wrong
clock can only make a lock that was left behind look fresh; then the error names the file to delete.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass, field, replace
from types import TracebackType

import psutil

from miqd_builder.errors import MiqdError, StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.keys import Command, CommandKey
from miqd_builder.store.stored_json import of_json, parse
from miqd_builder.tasks import Task

NAME = "run.lock"
RENEW_SECONDS = 5.0
WATCH_SECONDS = 20.0
FRESH_SECONDS = 300.0
SETTLE_SECONDS = 1.0
"""Between taking over a lock and checking whether another run took it over in the same moment."""


@dataclass(frozen=True)
class Holder:
    """Who holds a run folder.

    Attributes:
        command, task: what it runs, as in :class:`CommandKey`.
        host, pid: the client's machine and process.
        process_started, started: start of the process and of the run, seconds since 1970 by the client's clock.
        renewed: when the lock was last renewed, likewise.
        token: differs for every run.
    """

    command: Command
    task: Task | None = None
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    process_started: float = field(default_factory=lambda: psutil.Process().create_time())
    started: float = field(default_factory=time.time)
    renewed: float = field(default_factory=time.time)
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def encode(self) -> bytes:
        """Return the content of the lock file."""
        return json.dumps(asdict(self)).encode()


class RunLock:
    """Holds a run folder for one command; a context manager.

    Raises:
        StoreError: on entering: another run holds the folder, or the folder can't be written.
    """

    def __init__(self, folder: RunFolder, command: CommandKey) -> None:
        self._folder = folder
        self._holder = Holder(command.command, command.task)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="run-lock", daemon=True)
        self._taken_by: Holder | None = None

    def __enter__(self) -> RunLock:
        if not self._folder.create(NAME, self._holder.encode()) and not self._is_mine():
            refuse_if_held(self._folder)
            self._folder.write(NAME, self._holder.encode())
            time.sleep(SETTLE_SECONDS)
            self._check_holder()
            self.check()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(MiqdError):
            self._check_holder()
            if self._taken_by is None:
                self._folder.remove(NAME)

    def _is_mine(self) -> bool:
        """Whether the lock that is there is this one: a store's answer got lost, and its client library asked again."""
        there = read_lock(self._folder)
        return there is not None and there.token == self._holder.token

    def check(self) -> None:
        """Make sure that the folder is still this run's.

        Raises:
            StoreError: another run took the folder over, because this one stood still or its lock was deleted.
        """
        if self._taken_by is not None:
            raise StoreError(_held(self._folder, self._taken_by))

    def _check_holder(self) -> None:
        there = read_lock(self._folder)
        if there is not None and there.token != self._holder.token:
            self._taken_by = there

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_SECONDS) and self._taken_by is None:
            # A full disk or a lost connection stops the work elsewhere, not here.
            with contextlib.suppress(MiqdError):
                self._check_holder()
                if self._taken_by is None:
                    self._folder.write(NAME, replace(self._holder, renewed=time.time()).encode(), flush=False)


def read_lock(folder: RunFolder) -> Holder | None:
    """Return who holds the folder, or held it when it died; None without a lock, or with one that can't be read."""
    try:
        return of_json(Holder, parse(folder.read(NAME)))
    except (FileNotFoundError, ValueError):
        return None


def refuse_if_held(folder: RunFolder) -> None:
    """Do nothing if the folder is free or its lock was left behind; may take :data:`WATCH_SECONDS` to find out.

    Raises:
        StoreError: another run holds the folder; the message names it and the remedy.
    """
    if not folder.exists(NAME):
        return
    holder = read_lock(folder)
    if holder is None or (held := _is_held(holder)) is None:
        held = _is_renewed(folder, holder)
    if held:
        raise StoreError(_held(folder, holder))


def _is_held(holder: Holder) -> bool | None:
    """Whether the holder is at work; None if only watching can tell."""
    if holder.host != socket.gethostname():
        return True if abs(time.time() - holder.renewed) <= FRESH_SECONDS else None
    try:
        process = psutil.Process(holder.pid)
        started = process.create_time()
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
    except psutil.NoSuchProcess:
        return False
    # The start time is counted from the clock: a clock that was set makes it another one.
    return True if abs(started - holder.process_started) < 1.0 else None


def _is_renewed(folder: RunFolder, holder: Holder | None) -> bool:
    """Watch the lock."""
    deadline = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < deadline:
        time.sleep(WATCH_SECONDS / 20)
        if not folder.exists(NAME):
            return False
        if read_lock(folder) != holder:
            return True
    return False


def _held(folder: RunFolder, holder: Holder | None) -> str:
    if holder is None:
        return f"Another run holds '{folder.url}'. Wait for it to end."
    command = CommandKey(holder.command, holder.task)
    since = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(holder.started))
    return (
        f"Run folder '{folder.url}' is held by 'miqd {command}' on host {holder.host}, process {holder.pid}, since "
        f"{since}. Wait for it to end or stop it; if it is gone, delete '{folder.path(NAME)}'."
    )
