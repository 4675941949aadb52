"""Disks that are full or turn read-only: a small file system in memory, mounted for the round."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.chaos import processes
from tests.chaos.case import COMMAND_SECONDS, BrokenPromiseError, finished, run_command, wait_until
from tests.chaos.rounds import Round, must_fail

ENOUGH = "64m"


@cache
def no_mount() -> str | None:
    """Say why nothing can be mounted here; None where it can."""
    with tempfile.TemporaryDirectory() as place:
        if sys.platform != "linux" or os.geteuid() != 0:
            return "mounting a file system takes root on Linux"
        try:
            _mount(Path(place), "1m")
        except subprocess.CalledProcessError as error:
            return f"no file system can be mounted: {error.stderr.strip()}"
        _run("umount", place)
    return None


def fill_disk(one: Round) -> None:
    """The disk is full before the run is done, by a few bytes or by much; then there is room."""
    with _disk(one, f"{one.rng.randint(40, 160)}k") as disk:
        code = run_command(one.fresh_log(), one.command())
        one.note(f"full disk, exit code {code} after {len(finished(one.out))} parts", in_flight=1)
        if code != 0:
            must_fail(one, code)
            if "No space left while writing" not in one.log.read_text():
                raise BrokenPromiseError(f"no word of the disk: {one.log.read_text()[-300:]}")
        _run("mount", "-o", f"remount,size={ENOUGH}", str(disk))
        _move(one)


def turn_read_only(one: Round) -> None:
    """The disk turns read-only while the run writes, and writable again."""
    some = one.moment()
    with _disk(one, ENOUGH) as disk:
        with processes.miqd(one.fresh_log(), *one.command()) as client:
            wait_until(lambda: len(finished(one.out)) >= some, client)
            refused = _try_read_only(disk)
            client.join(COMMAND_SECONDS)
            if client.is_alive():
                raise BrokenPromiseError(f"no end within {COMMAND_SECONDS:g} s")
            one.note(
                f"read-only disk ({'at once' if refused else 'while nothing was written'}), exit code {client.exitcode}",
                in_flight=1,
            )
            if client.exitcode != 0:
                must_fail(one, int(client.exitcode or 0))
        _run("mount", "-o", f"remount,rw,size={ENOUGH}", str(disk))
        _move(one)


def _try_read_only(disk: Path) -> bool:
    """Make a disk read-only as soon as no file on it is open for writing."""
    for attempt in range(2000):
        done = subprocess.run(["mount", "-o", "remount,ro", str(disk)], capture_output=True, check=False)
        if done.returncode == 0:
            return attempt == 0
    raise OSError(errno.EBUSY, "the disk is never idle")


@contextmanager
def _disk(one: Round, size: str) -> Iterator[Path]:
    """A file system of this size that holds the run folder while the round lasts."""
    disk = one.folder / "disk"
    disk.mkdir()
    _mount(disk, size)
    before, one.out = one.out, disk / "out"
    try:
        yield disk
    finally:
        one.out = before
        _run("umount", "--lazy", str(disk))


def _move(one: Round) -> None:
    """Copy the run folder, times and all, to where the round goes on with it; the file system goes away."""
    if one.out.exists():  # the disk may have been read-only before anything was written
        _run("cp", "--archive", str(one.out), str(one.folder / "out"))


def _mount(place: Path, size: str) -> None:
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
