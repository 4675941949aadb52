"""What every engine has to do under the scheduler: in this process, on Dask, and on a third one that only the tests have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from miqd_builder.errors import ConfigError
from pipelines.schedulers import ATTEMPTS, Engine, Scheduler, UnfitWorkerError, Wanted, WorkerDiedError, WorkItem
from pipelines.schedulers.dask import open_local
from pipelines.schedulers.inline import open_inline
from tests.pipelines.children import wait_for
from tests.pipelines.schedulers.items import IMAGES, Done, Item, work
from tests.pipelines.schedulers.process_pool import open_pool

Opener = Callable[[Wanted], AbstractContextManager[Engine]]
OPENERS: dict[str, Opener] = {"inline": open_inline, "dask": open_local, "pool": open_pool}


@pytest.fixture(scope="module", params=OPENERS)
def shared(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine with two workers, or this process."""
    with OPENERS[request.param](Wanted(request.param, 2, "cpu")) as engine:
        yield engine


class Mapping:
    """A scheduler, and what it told while it mapped items."""

    def __init__(self, engine: Engine) -> None:
        self.scheduler = Scheduler(engine, worker_timeout=600)
        self.images = 0
        self.lost: dict[str, Exception] = {}

    def start(self, *items: Item) -> Iterator[tuple[Item, Done]]:
        return self.scheduler.map(work, items, on_progress=self._count, on_failure=self._lose)

    def finish(self, *items: Item) -> list[Done]:
        return [result for _, result in self.start(*items)]

    def _count(self, images: int) -> None:
        self.images += images

    def _lose(self, item: WorkItem, error: Exception) -> None:
        self.lost[item.key] = error


@pytest.fixture
def mapping(shared: Engine) -> Mapping:
    return Mapping(shared)


@pytest.fixture
def processes(shared: Engine) -> None:
    """For tests that need two workers; an earlier one may have killed some."""
    if shared.workers() == ("here",):
        pytest.skip("this process is the only worker")
    wait_for(lambda: len(shared.workers()) == 2, "the workers never came back")


def keys(results: list[Done]) -> list[str]:
    return sorted(result.key for result in results)


def test_all_items_are_done_and_all_images_counted(mapping: Mapping, tmp_path: Path) -> None:
    items = [Item(f"item-{n}", tmp_path) for n in range(12)]
    done = list(mapping.start(*items))
    assert sorted(result.key for _, result in done) == sorted(item.key for item in items)
    assert all(item.key == result.key for item, result in done)
    assert mapping.images == 12 * IMAGES and not mapping.lost and not mapping.scheduler.running


def test_nothing_to_do(mapping: Mapping) -> None:
    assert mapping.finish() == []


def test_item_that_fails_is_given_up_after_three_tries(mapping: Mapping, tmp_path: Path) -> None:
    bad, sick, good = Item("bad", tmp_path, "fail"), Item("sick", tmp_path, "fail twice"), Item("good", tmp_path)
    assert keys(mapping.finish(bad, sick, good)) == ["good", "sick"]
    assert len(bad.tries()) == len(sick.tries()) == ATTEMPTS and len(good.tries()) == 1
    assert {key: str(error) for key, error in mapping.lost.items()} == {"bad": "bad is broken"}


def test_item_with_parts_is_split_before_any_of_it_is_given_up(mapping: Mapping, tmp_path: Path) -> None:
    parts = (Item("a", tmp_path), Item("bad", tmp_path, "fail"), Item("c", tmp_path))
    whole = Item("whole", tmp_path, "fail", parts)
    assert keys(mapping.finish(whole)) == ["a", "c"]
    assert [len(item.tries()) for item in (whole, *parts)] == [ATTEMPTS, 1, ATTEMPTS, 1]
    assert list(mapping.lost) == ["bad"]


@pytest.mark.usefixtures("processes")
def test_item_that_kills_its_process_costs_only_itself(mapping: Mapping, tmp_path: Path) -> None:
    poison, sick = Item("poison", tmp_path, "die"), Item("sick", tmp_path, "die once")
    others = [Item(f"item-{n}", tmp_path) for n in range(6)]
    assert keys(mapping.finish(poison, sick, *others)) == [*(item.key for item in others), "sick"]
    assert len(set(poison.tries())) == ATTEMPTS
    assert {key: type(error) for key, error in mapping.lost.items()} == {"poison": WorkerDiedError}
    assert f"died {ATTEMPTS} times" in str(mapping.lost["poison"])


@pytest.mark.usefixtures("processes")
def test_part_that_kills_its_process_is_found(mapping: Mapping, tmp_path: Path) -> None:
    whole = Item("whole", tmp_path, "die", (Item("a", tmp_path), Item("b", tmp_path)))
    assert keys(mapping.finish(whole)) == ["a", "b"] and not mapping.lost


@pytest.mark.usefixtures("processes")
def test_what_one_worker_can_not_do_another_does(mapping: Mapping, tmp_path: Path) -> None:
    item = Item("picky", tmp_path, "need another")
    assert [result.again is None for result in mapping.finish(item)] == [False, True]
    assert len(set(item.tries())) == 2 and not mapping.lost


def test_what_no_worker_can_do_is_given_up(mapping: Mapping, tmp_path: Path) -> None:
    item = Item("hopeless", tmp_path, "need nobody")
    assert keys(mapping.finish(item, Item("good", tmp_path))) == ["good"] + ["hopeless"] * ATTEMPTS
    assert str(mapping.lost["hopeless"]) == "not here" and len(item.tries()) == ATTEMPTS


def test_wrong_configuration_ends_the_map(mapping: Mapping, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the run file is wrong"):
        mapping.finish(Item("wrong", tmp_path, "configured wrong"), *(Item(f"item-{n}", tmp_path) for n in range(5)))
    assert not mapping.lost
    assert keys(mapping.finish(Item("next", tmp_path))) == ["next"], "the engine is of no use any more"


def test_consumer_that_stops_early(mapping: Mapping, tmp_path: Path) -> None:
    held = [Item(f"held-{n}", tmp_path, "hold") for n in range(4)]
    done = mapping.start(Item("first", tmp_path), *held)
    assert next(done)[0].key == "first"
    running = {item.key for item in mapping.scheduler.running}
    assert running <= {item.key for item in held}
    done.close()  # type: ignore[attr-defined]
    assert {item.key for item in mapping.scheduler.running} == running, "who was at work is not known any more"
    (tmp_path / "gate").touch()
    assert keys(mapping.finish(Item("next", tmp_path))) == ["next"] and not mapping.scheduler.running


@pytest.mark.parametrize("name", ["inline", "dask", "pool"])
def test_worker_that_does_not_fit(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    items = [Item(f"item-{n}", tmp_path, "unfit") for n in range(6)]
    with OPENERS[name](Wanted(name, 2, "cpu")) as engine:
        mapping, before = Mapping(engine), set(engine.workers())
        if name == "inline":
            with pytest.raises(UnfitWorkerError, match="Worker here is too old"):
                mapping.finish(*items)
            return
        assert keys(mapping.finish(*items)) == [item.key for item in items]
        assert len(before) == 2
        assert len(before & set(engine.workers())) == 1  # Dask's own cluster starts another in its place, sooner or later
    assert len([line for line in capfd.readouterr().err.splitlines() if "It gets no work" in line]) == 1


def test_abandoned_work_ends(tmp_path: Path) -> None:
    """Also on a cluster that others go on using: a report tells the stage that nobody waits."""
    with open_local(Wanted("dask", 1, "cpu")) as engine:
        mapping, item = Mapping(engine), Item("held", tmp_path, "report and hold")
        done: Any = mapping.start(Item("first", tmp_path), item)
        next(done)
        wait_for(item.tries, "the item was never tried")
        done.close()
        assert keys(mapping.finish(Item("next", tmp_path))) == ["next"]
