"""A small run of three tasks, what it gives when nothing disturbs it, and what must hold after whatever disturbed it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from miqd_builder.store.keys import PartKey
from tests.chaos.processes import Before, miqd
from tests.conftest import make_data_set, part_bytes, toy_entry, write_run, write_zoo

TASKS = ("cls", "det", "ins")
TABLES = ("candidates", "variants", "responses", "scores", "labels")
SOURCES, IMAGES, MODELS = 6, 4, 2
"""One source a part; its original and three degraded images; models a task."""
COMMAND_SECONDS = 150.0
"""Deadline of a command; it includes the import of everything on a busy machine."""
_RECORDS = ("progress/", "index/", "run.json")
"""Files whose content depends on when and how often something ran."""


class BrokenPromiseError(AssertionError):
    """Something that must hold after a fault doesn't."""


@dataclass(frozen=True)
class Case:
    """The run.

    Attributes:
        folder: of its files.
        run: run file.
        log: what the models note.
        reference: parts of each task's undisturbed run.
        files: names of all files of each task's undisturbed run.
    """

    folder: Path
    run: Path
    log: Path
    reference: dict[str, dict[str, bytes]] = field(default_factory=dict)
    files: dict[str, set[str]] = field(default_factory=dict)

    def label(self, task: str, out: object, *options: object) -> tuple[object, ...]:
        """The command."""
        return ("label", "--task", task, "--run", self.run, "--out", out, "--scheduler", "inline", *options)

    def shown(self) -> list[tuple[int, int]]:
        """Process and number of images of every call of a model so far."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [(int(pid), int(count)) for pid, count in (line.split() for line in lines if line.count(" ") == 1)]


def make_case(folder: Path) -> Case:
    """Write the run's files, and run each task undisturbed."""
    log = folder / "shown.txt"
    entries = [
        toy_entry(f"{task}_{number}", task, "x", 50.0 + number, log=str(log)) | {"target": "tests.chaos.models:noting"}
        for task in TASKS
        for number in range(MODELS)
    ]
    zoo = write_zoo(folder / "zoo.yaml", entries)
    data = make_data_set(folder / "data", count=SOURCES)
    run = write_run(folder, data, zoo, degradations=["darkness_[13]", "contrast_2"], sources_per_part=1, images="none")
    case = Case(folder, run, log)
    for task in TASKS:
        out = folder / "undisturbed" / task
        code = run_command(folder / f"{task}.txt", case.label(task, out))
        assert code == 0, (folder / f"{task}.txt").read_text()
        case.reference[task] = all_parts(out)
        case.files[task] = names(out)
    return case


def run_command(log: Path, command: tuple[object, ...], before: Before | None = None) -> int:
    """Run a command to its end and return its exit code.

    Raises:
        BrokenPromiseError: it doesn't end in time.
    """
    with miqd(log, *command, before=before) as process:
        process.join(COMMAND_SECONDS)
        if process.is_alive():
            raise BrokenPromiseError(f"no end within {COMMAND_SECONDS:g} s: {log.read_text()[-300:]}")
        return int(process.exitcode or 0)


def all_parts(out: Path) -> dict[str, bytes]:
    """Content of all parts by name."""
    return {name: data for table in TABLES for name, data in part_bytes(out, table).items()}


def names(out: Path) -> set[str]:
    """All files of a run folder but those that depend on when something ran."""
    found = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith(_RECORDS)}


def finished(out: Path) -> dict[str, tuple[int, int]]:
    """Parts that are there, with what changes when one is written again; candidates count with the variants made with them.

    Parts of which something is in the quarantine are to be written again.
    """
    keys = [PartKey.parse(file.stem) for file in (out / "quarantine").glob("*.parquet")]
    again = {f"part-{key.part:05d}.parquet" for key in keys if key is not None}
    parts = [path for table in TABLES for path in (out / table).rglob("part-*.parquet")]
    parts = [path for path in parts if path.parent.name != "candidates" or (out / "variants" / path.name).exists()]
    parts = [path for path in parts if path.name not in again]
    return {str(path.relative_to(out)): (path.stat().st_mtime_ns, path.stat().st_ino) for path in parts}


def check_kept(out: Path, early: dict[str, tuple[int, int]]) -> None:
    """No part that was finished was written again.

    Raises:
        BrokenPromiseError: one was.
    """
    now = finished(out)
    again = [name for name, state in early.items() if now.get(name) != state]
    if again:
        raise BrokenPromiseError(f"a finished part was written again or is gone: {again[:3]}")


def check_one_line(log: Path) -> None:
    """A command that failed said why in one line.

    Raises:
        BrokenPromiseError: it said nothing, or more.
    """
    lines = log.read_text().splitlines()
    errors = [line for line in lines if line.startswith("Error")]
    if len(errors) != 1 or any("Traceback" in line for line in lines):
        raise BrokenPromiseError(f"not one line: {lines[-6:]}")


def check_complete(case: Case, task: str, out: Path) -> None:
    """The run folder is that of the undisturbed run.

    Raises:
        BrokenPromiseError: it isn't.
    """
    parts = all_parts(out)
    differing = [name for name in case.reference[task] if parts.get(name) != case.reference[task][name]]
    if differing:
        raise BrokenPromiseError(f"parts differ: {differing[:3]}")
    if others := sorted(names(out) ^ case.files[task]):
        raise BrokenPromiseError(f"files that lie about or lack: {others[:3]}")


def wait_until(condition: object, process: object, seconds: float = 60.0) -> bool:
    """Wait until something holds or a process ends; returns whether it holds."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if not process.is_alive() or time.monotonic() > deadline:  # type: ignore[attr-defined]
            return bool(condition())  # type: ignore[operator]
        time.sleep(0.002)
    return True
