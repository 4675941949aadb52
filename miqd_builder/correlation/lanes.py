"""Compiled loops of the bootstrap: 64 draws side by side, one cache line each for sources, cells and columns."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from miqd_builder.correlation.draws import LANES
from miqd_builder.correlation.pairs import Floats
from miqd_builder.correlation.ranks import Codes, Ints

Block = NDArray[np.uint8]
Table = NDArray[np.int32]


@numba.njit(cache=True, nogil=True)
def cells_of(
    codes_a: Codes, codes_b: Codes, source_of: Codes, bins_a: int, bins_b: int
) -> tuple[Ints, Codes]:  # pragma: no cover - compiled
    """Sources of the rows, sorted by cell (bin of a, bin of b); first place of each cell, and the length at the end."""
    starts = np.zeros(bins_a * bins_b + 1, np.int64)
    for row in range(len(codes_a)):
        starts[codes_a[row] * bins_b + codes_b[row] + 1] += 1
    for cell in range(bins_a * bins_b):
        starts[cell + 1] += starts[cell]
    place = starts[:-1].copy()
    sources = np.empty(len(codes_a), np.int32)
    for row in range(len(codes_a)):
        cell = codes_a[row] * bins_b + codes_b[row]
        sources[place[cell]] = source_of[row]
        place[cell] += 1
    return starts, sources


@numba.njit(cache=True, nogil=True)
def rank_block(
    starts: Ints, sources: Codes, bins_a: int, bins_b: int, block: Block, rows: Floats
) -> tuple[Floats, Floats]:  # pragma: no cover - compiled
    """SRCC and tau-b of the 64 draws of a block, from the table of cells and its running sums.

    With W the weight of a cell (copies of its rows), the concordant less the discordant pairs are the sum over the cells of
    W * (weight above and left - weight above and right). Ranks are those within the draw, centred, equal rows sharing theirs.

    Args:
        starts: first place of each cell in ``sources``.
        sources: source of each row, by cell.
        bins_a: rows of the table.
        bins_b: columns of the table.
        block: copies of each source, ``(sources, 64)``.
        rows: number of rows in each draw, ``(16,)``.
    """
    above = np.zeros((bins_b, LANES), np.int32)
    line = np.zeros((bins_b, LANES), np.int32)
    ranked = np.zeros((bins_b, LANES))
    before, total = np.zeros(LANES, np.int32), np.zeros(LANES, np.int32)
    score, squares_a, ties_a, rank = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    for a in range(bins_a):
        own = starts[a * bins_b : (a + 1) * bins_b + 1]
        _weigh_line(line, total, own, sources, block)
        _count_pairs(score, above, before, line, own)
        for k in range(LANES):
            rank[k] = before[k] + (total[k] - rows[k]) / 2
        for b in range(bins_b):
            if own[b] < own[b + 1]:
                for k in range(LANES):
                    ranked[b, k] += np.float64(line[b, k]) * rank[k]
        for k in range(LANES):
            squares_a[k] += total[k] * rank[k] * rank[k]
            ties_a[k] += np.float64(total[k]) * total[k]
            before[k] += total[k]
    return _coefficients(above, ranked, rows, score, squares_a, ties_a)


# Loops over the lanes touch three arrays at most: with more of them the compiler gives up vector instructions.


@numba.njit(cache=True, nogil=True)
def _weigh_line(line: Table, total: Codes, own: Ints, sources: Codes, block: Block) -> None:  # pragma: no cover - compiled
    """Weights of one line of cells (the copies of their rows) and their total; an empty cell keeps what it held before."""
    total[:] = 0
    for b in range(len(own) - 1):
        if own[b] == own[b + 1]:
            continue
        line[b] = 0
        for place in range(own[b], own[b + 1]):
            source = sources[place]
            for k in range(LANES):
                line[b, k] += block[source, k]
        for k in range(LANES):
            total[k] += line[b, k]


@numba.njit(cache=True, nogil=True)
def _count_pairs(score: Floats, above: Table, before: Codes, line: Table, own: Ints) -> None:  # pragma: no cover - compiled
    """Add the concordant less the discordant pairs of one line with the lines above it, and the line to those above."""
    # Weight above and left of the cell, less that above and right of it.
    lead = -before
    for b in range(len(own) - 1):
        if own[b] < own[b + 1]:
            for k in range(LANES):
                lead[k] += above[b, k]
            for k in range(LANES):
                score[k] += np.float64(line[b, k]) * np.float64(lead[k])
            for k in range(LANES):
                lead[k] += above[b, k]
            for k in range(LANES):
                above[b, k] += line[b, k]
        else:
            for k in range(LANES):
                lead[k] += 2 * above[b, k]


@numba.njit(cache=True, nogil=True)
def _coefficients(
    columns: Table, ranked: Floats, rows: Floats, score: Floats, squares_a: Floats, ties_a: Floats
) -> tuple[Floats, Floats]:  # pragma: no cover - compiled
    srcc, krcc = np.empty(LANES), np.empty(LANES)
    for k in range(LANES):
        before, products, squares, ties = 0.0, 0.0, 0.0, 0.0
        for b in range(len(columns)):
            rank = before + (columns[b, k] - rows[k]) / 2
            products += ranked[b, k] * rank
            squares += columns[b, k] * rank * rank
            ties += np.float64(columns[b, k]) * columns[b, k]
            before += columns[b, k]
        everything = rows[k] * rows[k]
        untied = (everything - ties_a[k]) * (everything - ties)
        srcc[k] = products / np.sqrt(squares_a[k] * squares) if untied > 0 else np.nan
        krcc[k] = 2 * score[k] / np.sqrt(untied) if untied > 0 else np.nan
    return srcc, krcc


@numba.njit(cache=True, nogil=True)
def drawn_sums(by_source: Floats, block: Block) -> Floats:  # pragma: no cover - compiled
    """Sum of each column over the rows of each draw, ``(columns, 64)``, from its sums by source ``(columns, sources)``."""
    sums = np.zeros((len(by_source), LANES))
    for source in range(by_source.shape[1]):
        for column in range(len(by_source)):
            value = by_source[column, source]
            if value != 0:
                for k in range(LANES):
                    sums[column, k] += value * block[source, k]
    return sums
