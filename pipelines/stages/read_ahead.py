"""Make the next batches in a thread while the models run on the present one."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

AHEAD = 2
"""Batches that are ready or being made, beside the one in use."""

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
