"""Draws of whole source images, in blocks that the compiled loops read a cache line at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from miqd_builder.auditing.bootstrap import draw_sources
from miqd_builder.correlation.pairs import Floats

LANES = 64
"""Draws of a block: the copies of one source, a byte each, fill a cache line."""
RESAMPLES = 1000


@dataclass(frozen=True)
class Draws:
    """How often each source image is drawn in each resample.

    Args:
        blocks: uint8 ``(blocks, sources, 64)``. The lane after the last resample holds each source once, the rest nothing.
        resamples: number of resamples.
    """

    blocks: NDArray[np.uint8]
    resamples: int

    @property
    def sources(self) -> int:
        """Number of source images."""
        return int(self.blocks.shape[1])


def draw(sources: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Draws:
    """Draw ``sources`` source images with replacement, ``resamples`` times.

    The same draws serve every measure, label and subset, so that their intervals rest on the same resamples.

    >>> draws = draw(3, resamples=20, seed=1)
    >>> draws.blocks.sum(axis=1)[0, :22].tolist() == [3] * 21 + [0]
    True
    """
    blocks = resamples // LANES + 1
    # Copies follow a binomial law of mean 1: 256 of them never come.
    padded = np.zeros((blocks * LANES, sources), np.uint8)
    padded[:resamples] = draw_sources(sources, resamples, seed)
    padded[resamples] = 1
    return Draws(np.ascontiguousarray(padded.reshape(blocks, LANES, sources).transpose(0, 2, 1)), resamples)


def interval(drawn: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of a statistic's draws; NaN if it is undefined in more than half of them.

    Args:
        drawn: float64 ``(resamples,)``; a draw in which the statistic is undefined is NaN and left out.
        level: coverage.

    >>> [round(bound, 9) for bound in interval(np.arange(101.0))]
    [2.5, 97.5]
    """
    known = drawn[~np.isnan(drawn)]
    if not len(known) or 2 * len(known) < len(drawn):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
