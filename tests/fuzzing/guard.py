"""Watches one call: what it raises, how long it takes, how much memory, and whether it does what no input may make it do."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from miqd_builder.errors import MiqdError
from tests.fuzzing import canary

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120.0
"""On a machine that does much else besides; on an idle one, the slowest input takes two."""
MEMORY_BYTES = 2 * 2**30

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.rename": (0, 1), "os.mkdir": (0,), "os.remove": (0,), "os.rmdir": (0,), "os.link": (1,), "os.symlink": (1,)}
"""Events that change a folder, and which of their arguments are the paths that change."""
_PROGRAMS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.startfile"})
_OURS = ("uname", "git")
"""Programs that find out about the machine and the commit, whatever the input is."""
_NETWORK = frozenset({"socket.connect", "socket.getaddrinfo"})
_ANYWHERE = ("/dev/", "/proc/self/")


class OutOfTimeError(BaseException):
    """A call takes longer than its deadline; not an Exception, so that no handler of the code under test takes it."""


@dataclass
class Watch:
    """What one call may do, and what it did against it.

    Attributes:
        folders: where it may write.
        violations: what it did, a line each.
    """

    folders: tuple[str, ...]
    violations: list[str] = field(default_factory=list)


_active: list[Watch] = []


def watched(call: Callable[[], object], folder: Path, *, seconds: float = SECONDS, memory: int = MEMORY_BYTES) -> str | None:
    """Call a function and say what is wrong with what it did; None if it returned, or raised an error that a user can act on.

    Args:
        call: opens one input.
        folder: the only place where it may write.
        seconds: that it may take.
        memory: bytes that it may use beyond what the process has.
    """
    _install()
    watch = Watch((str(folder.resolve()),))
    before = len(canary.RAN)
    problem: str | None = None
    try:
        with _deadline(seconds), _limited(memory) as peak:
            _active.append(watch)
            try:
                with _in_folder(folder):
                    call()
            finally:
                _active.remove(watch)
    except MiqdError as error:
        problem = f"a message of {len(str(error).splitlines())} lines" if "Traceback" in str(error) else None
    except OutOfTimeError:
        problem = f"no end within {seconds:g} s"
    except MemoryError:
        problem = f"more than {memory // 2**20} MB of memory: {_place()}"
    except BaseException as error:
        problem = f"{type(error).__name__}: {_place()}: {' '.join(str(error).split())[:160]}"
    if len(canary.RAN) > before:
        return "code of the input ran"
    if watch.violations:
        return watch.violations[0]
    if problem is None and peak[0] > memory:
        return f"{peak[0] // 2**20} MB of memory"
    return problem


def _place() -> str:
    """The last two frames of the exception that are code of this project, and the very last frame."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    own = [f for f in frames if f.filename.startswith(str(ROOT)) and ".venv" not in f.filename and "fuzzing" not in f.filename]
    shown = [*own[-2:], *(frames[-1:] if not own or frames[-1] is not own[-1] else [])]
    return " > ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in shown)


@contextlib.contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    """As if somebody had changed into the folder of a download: its modules can be imported, nothing is trusted."""
    before, trusted = tempfile.tempdir, os.environ.get("MIQD_TRUST")
    os.environ["MIQD_TRUST"] = ""
    tempfile.tempdir = str(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        tempfile.tempdir = before
        del os.environ["MIQD_TRUST"]
        if trusted is not None:
            os.environ["MIQD_TRUST"] = trusted
        for name in [name for name, module in list(sys.modules.items()) if _is_below(module, folder)]:
            del sys.modules[name]


def _is_below(module: Any, folder: Path) -> bool:
    return str(getattr(module, "__file__", None)).startswith(f"{folder}/")


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise :class:`OutOfTimeError` in the main thread when the time is over."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise OutOfTimeError

    handler = signal.signal(signal.SIGALRM, stop)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, interval)  # of pytest-timeout, which then has some more
        signal.signal(signal.SIGALRM, handler)


@contextlib.contextmanager
def _limited(memory: int) -> Iterator[list[int]]:
    """Let the address space grow by so many bytes and no further; the list tells how many more were resident at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = [int(number) for number in Path("/proc/self/statm").read_text().split()[:2]]
    size, resident = (number * resource.getpagesize() for number in pages)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    grown = [0]
    resource.setrlimit(resource.RLIMIT_AS, (size + memory + 2**28, hard))
    try:
        yield grown
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        grown[0] = max(0, _peak() - resident)


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _install() -> None:
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_audit)


_installed: list[bool] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what no input may make us do, and refuse it."""
    if not _active:
        return
    problem = None
    if event == "open":
        path, mode, flags = arguments
        writes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool(flags & _WRITES)
        problem = _outside(path) if writes else None
    elif event in _CHANGES:
        problem = next(filter(None, (_outside(arguments[place]) for place in _CHANGES[event])), None)
    elif event in _PROGRAMS and arguments[0] not in _OURS:
        problem = f"runs a program: {arguments[0]!r}"
    elif event in _NETWORK and not str(arguments[0]).startswith(("127.", "localhost")):
        problem = f"uses the network: {arguments[0]!r} {arguments[1:2]!r}"
    if problem is not None:
        _active[-1].violations.append(problem)
        raise PermissionError(problem)


def _outside(path: Any) -> str | None:
    """Say so if a path is outside the folders of the running call."""
    if isinstance(path, int):
        return None
    place = os.path.realpath(os.fsdecode(path))
    if "__pycache__" in place or place.startswith(_ANYWHERE):
        return None
    inside = any(place == folder or place.startswith(f"{folder}/") for folder in _active[-1].folders)
    return None if inside else f"writes outside: {place}"
