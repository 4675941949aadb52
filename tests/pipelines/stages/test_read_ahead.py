"""Batches made ahead in a thread: same order, bounded, errors in their place, no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from pipelines.stages.read_ahead import read_ahead


def test_same_items_in_the_same_order() -> None:
    assert list(read_ahead(iter(range(100)))) == list(range(100))
    assert list(read_ahead(iter([]))) == []


def test_no_more_than_the_bound_is_made_in_advance() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for item in range(20):
            made.append(item)
            yield item

    for item in read_ahead(items(), ahead=2):
        time.sleep(0.01)
        assert len(made) <= item + 1 + 2


def test_items_are_made_while_one_is_in_use() -> None:
    making = threading.Event()

    def items() -> Iterator[str]:
        yield "first"
        making.set()
        yield "second"

    with closing(read_ahead(items())) as batches:
        assert next(batches) == "first"
        assert making.wait(timeout=30)


def test_error_arrives_in_its_place_with_its_class() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise FileNotFoundError("gone")

    batches = read_ahead(items())
    assert next(batches) == 1
    with pytest.raises(FileNotFoundError, match="gone"):
        next(batches)


def test_no_thread_outlives_an_error_or_an_interrupt_in_the_loop() -> None:
    def endless() -> Iterator[int]:
        while True:
            yield 0

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), closing(read_ahead(endless())) as batches:
            next(batches)
            raise error
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]
