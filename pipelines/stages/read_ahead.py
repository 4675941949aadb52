"""Make the next batches in threads while the models run on the present one."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from typing import Any, TypeVar

AHEAD = 2
"""Batches that are ready or being made, beside the one in use and one more for each thread."""

T = TypeVar("T")


def read_ahead(items: Iterator[T], ahead: int = AHEAD) -> Generator[T]:
    """Yield the items of an iterator, which runs up to ``ahead`` items ahead in one other thread.

    Its exceptions arrive here, in their place. Closing this generator (as an error or an interrupt in the loop over it does)
    waits for the item that is being made, and for no other.

    Args:
        items: an iterator that is used only here.
        ahead: bound of the items made in advance.
    """
    end: Any = object()
    pool = ThreadPoolExecutor(1, "read-ahead")
    try:
        ready = deque(pool.submit(next, items, end) for _ in range(ahead))
        while (item := ready.popleft().result()) is not end:
            ready.append(pool.submit(next, items, end))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)


def read_ahead_of_all(streams: Iterable[Iterable[T]], threads: int = 1, ahead: int = AHEAD) -> Generator[T]:
    """Yield the items of some iterables, one after the other; several threads each run one of them to its end.

    Args:
        streams: short ones, which share nothing; with one thread they may be long.
        threads: that make items; with one, at most ``ahead`` items are made in advance (:func:`read_ahead`).
        ahead: streams beside those that the threads are at, which are ready or wait for a thread.
    """
    if threads == 1:
        yield from read_ahead(chain.from_iterable(streams), ahead)
        return
    waiting = iter(streams)
    pool = ThreadPoolExecutor(threads, "read-ahead")
    try:
        ready = deque(pool.submit(list, stream) for stream in islice(waiting, threads + ahead - 1))
        while ready:
            items = ready.popleft().result()
            ready.extend(pool.submit(list, stream) for stream in islice(waiting, 1))
            yield from items
    finally:
        pool.shutdown(cancel_futures=True)
