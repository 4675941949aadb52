"""Compiled loops of the exact rank correlations: the order of pairs of codes, and the pairs that disagree."""

from __future__ import annotations

import numba
import numpy as np

from miqd_builder.correlation.pairs import Floats
from miqd_builder.correlation.ranks import Codes, Ints

RUN = 16
"""Rows that are sorted by insertion before merging begins."""


@numba.njit(cache=True, nogil=True)
def rank_products(codes_a: Codes, codes_b: Codes, centred_a: Floats, centred_b: Floats) -> float:  # pragma: no cover - compiled
    """Sum over the rows of the product of two centred ranks, looked up by level."""
    total = 0.0
    for row in range(len(codes_a)):
        total += centred_a[codes_a[row]] * centred_b[codes_b[row]]
    return total


@numba.njit(cache=True, nogil=True)
def order_by_code(codes: Codes, counts: Ints) -> Ints:  # pragma: no cover - compiled
    """Rows by rising code, equal ones in the given order (a counting sort)."""
    place = np.zeros(len(counts), np.int64)
    for level in range(1, len(counts)):
        place[level] = place[level - 1] + counts[level - 1]
    order = np.empty(len(codes), np.int64)
    for row in range(len(codes)):
        order[place[codes[row]]] = row
        place[codes[row]] += 1
    return order


@numba.njit(cache=True, nogil=True)
def tied_pairs(codes_a: Codes, codes_b: Codes) -> int:  # pragma: no cover - compiled
    """Pairs of rows that are equal on both sides; rows come in the order of (a, b)."""
    tied, run = 0, 0
    for row in range(1, len(codes_a)):
        run = run + 1 if codes_a[row] == codes_a[row - 1] and codes_b[row] == codes_b[row - 1] else 0
        tied += run
    return tied


@numba.njit(cache=True, nogil=True)
def inversions(codes: Codes) -> int:  # pragma: no cover - compiled
    """Pairs of places where a larger code stands before a smaller one, counted by a merge sort of ``codes`` in place."""
    n = len(codes)
    found = 0
    for start in range(0, n, RUN):
        for place in range(start + 1, min(start + RUN, n)):
            code = codes[place]
            before = place - 1
            while before >= start and codes[before] > code:
                codes[before + 1] = codes[before]
                before -= 1
            codes[before + 1] = code
            found += place - 1 - before
    source, target = codes, np.empty_like(codes)
    width = RUN
    while width < n:
        for start in range(0, n, 2 * width):
            found += _merge(source, target, start, min(start + width, n), min(start + 2 * width, n))
        source, target = target, source
        width *= 2
    return found


@numba.njit(cache=True, nogil=True)
def _merge(source: Codes, target: Codes, start: int, middle: int, stop: int) -> int:  # pragma: no cover - compiled
    """Merge two sorted runs into ``target`` and return the pairs that change places."""
    left, right, place, found = start, middle, start, 0
    while left < middle and right < stop:
        # Without a branch: which run is next is a coin toss that no processor predicts.
        takes_right = source[right] < source[left]
        target[place] = source[right] if takes_right else source[left]
        found += (middle - left) * takes_right
        right += takes_right
        left += 1 - takes_right
        place += 1
    target[place : place + middle - left] = source[left:middle]
    target[place + middle - left : stop] = source[right:stop]
    return found
