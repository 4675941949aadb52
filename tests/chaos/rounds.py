"""One round: a fault is done to a run, once or several times, then the command runs undisturbed, and everything is compared."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.case import (
    IMAGES,
    MODELS,
    SOURCES,
    TASKS,
    BrokenPromiseError,
    Case,
    check_complete,
    check_kept,
    check_one_line,
    finished,
    run_command,
)


@dataclass
class Round:
    """A round.

    Attributes:
        case: the run that is disturbed.
        seed: of everything that is drawn.
        folder: of the round's files.
        task: cls, det or ins.
        out: the run folder.
        doings: what was done and what came of it, a line each.
        in_flight: parts that may be computed twice, as they were in flight when something happened.
    """

    case: Case
    seed: int
    folder: Path
    rng: random.Random = field(init=False)
    task: str = field(init=False)
    out: Path = field(init=False)
    doings: list[str] = field(default_factory=list)
    in_flight: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(f"round {self.seed}")
        self.task = self.rng.choice(TASKS)
        self.out = self.folder / "out"

    @property
    def log(self) -> Path:
        """What the commands print."""
        return self.folder / "log.txt"

    def command(self, *options: object) -> tuple[object, ...]:
        """The command."""
        return self.case.label(self.task, self.out, *options)

    def fresh_log(self) -> Path:
        """Forget what earlier commands printed."""
        self.log.unlink(missing_ok=True)
        return self.log

    def note(self, what: str, *, in_flight: int = 0) -> None:
        """Remember what was done, and how many parts were in flight."""
        self.doings.append(what)
        self.in_flight += in_flight

    def moment(self) -> int:
        """A number of finished parts at which something happens."""
        return len(finished(self.out)) + self.rng.randint(0, 12)


@dataclass(frozen=True)
class Fault:
    """Something that happens to a run.

    Attributes:
        do: does it to a round, and checks what was promised for it.
        promise: what was promised, for the page.
        weight: how often it is drawn.
        missing: says why it can't be done on this machine, None where it can.
    """

    do: Callable[[Round], None]
    promise: str
    weight: int = 1
    missing: Callable[[], str | None] = lambda: None


@dataclass(frozen=True)
class Outcome:
    """What a round showed.

    Attributes:
        seed: of the round.
        fault: its name.
        task: of the run.
        doings: what was done.
        seconds: it took.
        problem: the promise that was broken; None for none.
    """

    seed: int
    fault: str
    task: str
    doings: tuple[str, ...]
    seconds: float
    problem: str | None


def play(case: Case, faults: dict[str, Fault], seed: int, folder: Path, only: str | None = None) -> Outcome:
    """Play a round; the same seed draws the same fault and moments."""
    one = Round(case, seed, folder)
    names = list(faults)
    name = only or one.rng.choices(names, [faults[known].weight for known in names])[0]
    start, before = time.monotonic(), sum(count for _, count in case.shown())
    problem = None
    try:
        faults[name].do(one)
        settle(one)
        check_twice(one, sum(count for _, count in case.shown()) - before)
    except BrokenPromiseError as error:
        problem = str(error)
    return Outcome(seed, name, one.task, tuple(one.doings), time.monotonic() - start, problem)


def settle(one: Round) -> None:
    """Run the command undisturbed: it succeeds, keeps what is finished, and gives what an undisturbed run gives."""
    early = finished(one.out)
    code = run_command(one.fresh_log(), one.command())
    if code != 0:
        raise BrokenPromiseError(f"the undisturbed command ends with {code}: {one.log.read_text()[-300:]}")
    check_kept(one.out, early)
    check_complete(one.case, one.task, one.out)


def check_twice(one: Round, shown: int) -> None:
    """Models saw no more images than those of the run and of the parts in flight.

    Raises:
        BrokenPromiseError: they did.
    """
    most = (SOURCES + one.in_flight) * MODELS * IMAGES
    if shown > most:
        raise BrokenPromiseError(f"models saw {shown} images, at most {most} are of the run and of parts in flight")


def must_fail(one: Round, code: int) -> None:
    """A command that was hindered ends with 1 and one line.

    Raises:
        BrokenPromiseError: it ends otherwise.
    """
    if code != 1:
        raise BrokenPromiseError(f"exit code {code}, expected 1: {one.log.read_text()[-300:]}")
    check_one_line(one.log)
