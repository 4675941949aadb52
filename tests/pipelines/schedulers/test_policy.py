"""What the scheduler decides, on an engine whose workers come and go as a test says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

from miqd_builder.errors import ConfigError, LostSchedulerError, NoWorkersError
from miqd_builder.store.folder import RunFolder
from pipelines.schedulers import (
    Again,
    Outcome,
    Report,
    Scheduler,
    Stage,
    WorkerDiedError,
    WorkerLostError,
    patience,
)
from pipelines.schedulers.inline import Inline
from tests.pipelines.schedulers.items import Done, Item, work

Script = Callable[["Scripted"], Sequence[Outcome]]


class Clock:
    """Time that passes when an engine waits, and only then."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(patience, "time", clock)
    return clock


class Scripted:
    """An engine that asks a script what happens each time that somebody collects."""

    per_worker = 2
    grace = 0.0
    where = "at scripted://"
    remedy = "start one"

    def __init__(self, present: Collection[str], script: Script, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.present, self.script = list(present), script
        self.given: list[str] = []
        self.open: list[Any] = []
        self.stops = self.calls = 0

    def workers(self) -> Collection[str]:
        return self.present

    def submit(self, stage: Stage, item: Any, *, avoid: Collection[str], uses_device: bool) -> None:
        self.given.append(item.key)
        self.open.append(item)

    def collect(self, timeout: float) -> Sequence[Outcome]:
        assert timeout <= 1, "the scheduler would not see a worker that comes or leaves"
        self.calls += 1
        self.clock.now += timeout
        return self.script(self)

    def end(self, **ended: Any) -> list[Outcome]:
        """End the oldest item."""
        return [Outcome(self.open.pop(0), **ended)] if self.open else []

    def dismiss(self, worker: str) -> None:
        self.present.remove(worker)

    def start(self, on_progress: Report) -> None:
        pass

    def stop(self) -> None:
        self.stops += 1

    def enter(self, folder: RunFolder) -> None:
        pass


def run(engine: Any, items: Sequence[Item], timeout: float = 60.0, lost: dict[str, Exception] | None = None) -> list[Any]:
    def lose(item: Item, error: Exception) -> None:
        assert lost is not None, error
        lost[item.key] = error

    scheduler = Scheduler(engine, worker_timeout=timeout)
    return [value for _, value in scheduler.map(work, items, on_progress=lambda _: None, on_failure=lose)]


def named(count: int) -> list[Item]:
    return [Item(str(n), Path()) for n in range(count)]


def test_two_items_are_in_flight_for_each_worker(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[int] = []

    def script(engine: Scripted) -> Sequence[Outcome]:
        seen.append(len(engine.open))
        return engine.end(value="done")

    assert run(Scripted(["a", "b"], script), named(7)) == ["done"] * 7
    assert seen == [4, 4, 4, 4, 3, 2, 1] and capsys.readouterr().err == ""


def test_items_that_failed_come_last_and_share_no_worker() -> None:
    seen: list[list[str]] = []

    def script(engine: Scripted) -> Sequence[Outcome]:
        seen.append([item.key for item in engine.open])
        failed = engine.open[0].key in "01" and engine.given.count(engine.open[0].key) == 1
        return engine.end(error=OSError()) if failed else engine.end(value="done")

    engine = Scripted(["a"], script)
    assert len(run(engine, named(4))) == 4
    assert engine.given == ["0", "1", "2", "3", "0", "1"]
    assert seen == [["0", "1"], ["1", "2"], ["2", "3"], ["3"], ["0"], ["1"]]


def test_deaths_of_a_shared_worker_are_not_all_held_against_an_item() -> None:
    """A Dask cluster kills four workers before it tells of it; one that shared them may be innocent."""
    lost: dict[str, Exception] = {}
    engine = Scripted(["a"], lambda engine: engine.end(error=WorkerLostError(4)))
    assert run(engine, named(1), lost=lost) == []
    assert engine.given == ["0", "0"]
    assert isinstance(lost["0"], WorkerDiedError) and lost["0"].times == 8


def test_death_of_a_shared_worker_is_not_the_last_word() -> None:
    """Even at the last try: somebody else's item may have killed it."""

    def script(engine: Scripted) -> Sequence[Outcome]:
        if engine.calls < 3:
            return engine.end(value=Done("0", 0, Again(engine.open[0], OSError())))
        return engine.end(error=WorkerLostError()) if engine.calls == 3 else engine.end(value="done")

    engine = Scripted(["a"], script)
    assert run(engine, named(1))[2:] == ["done"] and engine.given == ["0"] * 4


def test_item_that_may_be_to_blame_gets_no_company() -> None:
    """Not even that of one that goes first since another worker has to try it."""
    seen: list[list[str]] = []

    def script(engine: Scripted) -> Sequence[Outcome]:
        seen.append([item.key for item in engine.open])
        if engine.calls <= 2:
            return engine.end(error=OSError())
        return engine.end(value=Done("0", 0, Again(engine.open[0], OSError())) if engine.calls == 3 else "done")

    assert len(run(Scripted(["a"], script), named(2))) == 3
    assert seen == [["0", "1"], ["1"], ["0"], ["0"], ["1"]]


def test_failure_is_told_after_the_result_that_came_with_it() -> None:
    """Whoever clears an earlier failure at a result doesn't clear this one."""
    told: list[str] = []

    def script(engine: Scripted) -> Sequence[Outcome]:
        return engine.end(value=Done("0", 0, Again(engine.open[0], OSError())))

    scheduler = Scheduler(Scripted(["a"], script), worker_timeout=1)
    for item, _ in scheduler.map(work, named(1), on_progress=lambda _: None, on_failure=lambda *_: told.append("failure")):
        told.append(item.key)
    assert told == ["0", "0", "0", "failure"]


@pytest.mark.parametrize("present", [[], ["a"]], ids=["never one", "the last one leaves"])
def test_no_worker_for_too_long(present: list[str], clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    def script(engine: Scripted) -> Sequence[Outcome]:
        ended = engine.end(value="done") if engine.calls == 1 else ()
        engine.present.clear()
        return ended

    engine = Scripted(present, script, clock)
    with pytest.raises(NoWorkersError) as error:
        run(engine, named(3), timeout=30)
    assert clock.now == 30.0 + (0.5 if present else 0) and engine.stops == 1
    assert str(error.value) == (
        "There is no worker at scripted://. None came within 30 s. Finished parts are kept: start one, and run the same "
        "command again to go on."
    )
    assert capsys.readouterr().err == "There is no worker at scripted://. Waiting up to 30 s for one.\n"


def test_wait_starts_from_the_beginning_when_a_worker_leaves_again(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    def script(engine: Scripted) -> Sequence[Outcome]:
        away = engine.calls % 60 < 40
        engine.present[:] = [] if away else ["a"]
        return () if away or engine.calls % 60 < 58 else engine.end(value="done")

    # Three waits of 20 s each.
    assert run(Scripted(["a"], script, clock), named(5), timeout=25) == ["done"] * 5
    assert clock.now > 60
    assert capsys.readouterr().err.splitlines() == ["There is no worker at scripted://. Waiting up to 25 s for one."] * 3


def test_lack_of_workers_that_is_no_news(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    def script(engine: Scripted) -> Sequence[Outcome]:
        if engine.calls == 50:
            engine.present.append("a")
        return engine.end(value="done")

    engine = Scripted([], script, clock)
    engine.grace = 30.0
    assert run(engine, named(1)) == ["done"] and 25 <= clock.now < 30 and capsys.readouterr().err == ""


def test_lost_engine_ends_the_map() -> None:
    def script(engine: Scripted) -> Sequence[Outcome]:
        raise LostSchedulerError("gone")

    engine = Scripted(["a"], script)
    with pytest.raises(LostSchedulerError, match="gone"):
        run(engine, named(3))
    assert engine.stops == 1


def test_interrupted_item_is_still_known() -> None:
    def stage(item: Item, report: Report) -> None:
        raise KeyboardInterrupt

    scheduler = Scheduler(Inline(), worker_timeout=1)
    with pytest.raises(KeyboardInterrupt):
        list(scheduler.map(stage, named(3), on_progress=lambda _: None, on_failure=lambda *_: None))
    assert [item.key for item in scheduler.running] == ["0"]


class OddError(Exception):
    """Can be pickled, but not read again."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} {other}")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConfigError("gone"), "ConfigError('gone')"),
        (ImportError("gone"), "ImportError('gone')"),
        (OddError("is", "gone"), "RuntimeError('OddError: is gone')"),
        (ValueError(lambda: None), "RuntimeError('ValueError: "),
    ],
)
def test_why_another_worker_should_try_can_be_read_everywhere(error: Exception, told: str) -> None:
    assert repr(Again.because(named(1)[0], error).error).startswith(told)
