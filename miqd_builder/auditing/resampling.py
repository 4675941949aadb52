"""The bootstrap of the audit: sums by source image, drawn with whole sources, block by block of the run.

Every statistic of the audit but rank correlations is a function of sums over sources. So a draw of sources is a row of
``copies``, and all draws of a sum are one matrix product of copies and the sums by source. Blocks of sources are added one
after the other: memory grows with the number of draws and of cells, and by little with the sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqd_builder.auditing.document import Record

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CONFIDENCE = 0.95
DRAWS_AT_ONCE = 64
OVER_SOURCES = "percentile bootstrap over source images, {resamples} draws"
TWO_WAY = "percentile bootstrap over source images and over models at once, {resamples} draws"


@dataclass(frozen=True)
class Resampling:
    """How often each source and each model is drawn; row 0 is the sample itself, each of them once.

    Attributes:
        copies: uint8 ``(resamples + 1, sources)``.
        model_copies: float64 ``(resamples + 1, models)``.
    """

    copies: NDArray[np.uint8]
    model_copies: Floats

    @classmethod
    def draw(cls, sources: int, models: int, *, resamples: int, seed: int) -> Resampling:
        """Draw sources and models with replacement.

        >>> drawn = Resampling.draw(3, 2, resamples=4, seed=0)
        >>> drawn.copies.sum(axis=1).tolist(), drawn.copies[0].tolist(), drawn.model_copies[0].tolist()
        ([3, 3, 3, 3, 3], [1, 1, 1], [1.0, 1.0])
        """
        copies = np.ones((resamples + 1, sources), np.uint8)
        model_copies = np.ones((resamples + 1, models))
        rng = np.random.default_rng(seed)
        # The draws of bootstrap.draw_sources, some at a time: as 64-bit numbers they would be the largest array of the audit.
        for start in range(1, resamples + 1 if sources else 1, DRAWS_AT_ONCE):
            size = min(DRAWS_AT_ONCE, resamples + 1 - start)
            # Copies follow a binomial law of mean 1: 256 of them never come.
            copies[start : start + size] = rng.multinomial(sources, np.full(sources, 1 / sources), size=size)
        if models:
            model_copies[1:] = np.random.default_rng([seed, 1]).multinomial(models, np.full(models, 1 / models), size=resamples)
        return cls(copies, model_copies)

    @property
    def resamples(self) -> int:
        """Number of draws."""
        return len(self.copies) - 1

    @property
    def sources(self) -> int:
        """Number of source images."""
        return self.copies.shape[1]

    def sums(self, places: Ints, values: Floats) -> Floats:
        """Return the sums of some sources' values in every draw.

        Args:
            places: index of each source, ``(block,)``.
            values: ``(block, ...)``.

        Returns:
            float64 ``(resamples + 1, ...)``.
        """
        flat = values.reshape(len(places), -1)
        return (self.copies[:, places].astype(np.float64) @ flat).reshape(len(self.copies), *values.shape[1:])

    def text(self, template: str = OVER_SOURCES) -> str:
        """Return how intervals were made, in words."""
        return template.format(resamples=self.resamples)


class DrawnSums:
    """Sums and counts of values by cell in every draw of sources, added up block by block.

    Attributes:
        total, count: of the values, float64 ``(resamples + 1, *shape)``.
        known: bool ``(sources, *shape)``: which sources have a value in a cell.

    Args:
        resampling: the draws.
        shape: of the cells; the last axis is that of labels.
    """

    def __init__(self, resampling: Resampling, *shape: int) -> None:
        self._resampling = resampling
        self.total = np.zeros((resampling.resamples + 1, *shape))
        self.count = np.zeros((resampling.resamples + 1, *shape))
        self.known = np.zeros((resampling.sources, *shape), bool)

    def add(self, places: Ints, total: Floats, count: Floats) -> tuple[Floats, Floats]:
        """Add a block of sources: sums and counts by cell, float64 ``(block, *shape)`` each; return what was added, drawn."""
        drawn = self._drawn(places, total), self._drawn(places, count)
        self.take(places, *drawn, count > 0)
        return drawn

    def take(self, places: Ints, total: Floats, count: Floats, known: Bools) -> None:
        """Add sums and counts that are drawn already, and note which of the sources have a value."""
        self.total += total
        self.count += count
        self.known[places] |= known

    def _drawn(self, places: Ints, values: Floats) -> Floats:
        """Draw sums, label by label; where a source has the same value in all cells, as mostly counts, one column is enough."""
        drawn = np.zeros((len(self.total), *values.shape[1:]))
        for label in range(values.shape[-1] if values.size else 0):
            own = values[..., label]
            first = own.reshape(len(own), -1)[:, :1]
            if (own.reshape(len(own), -1) == first).all():
                drawn[..., label] = self._resampling.sums(places, first).reshape(-1, *[1] * (drawn.ndim - 2))
            else:
                drawn[..., label] = self._resampling.sums(places, own)
        return drawn


def ratio(a: Floats, b: Floats) -> Floats:
    """Return a / b; NaN where b is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(b != 0, a / b, np.nan)


def placed(shape: tuple[int, ...], places: tuple[NDArray[Any], ...], values: Floats) -> tuple[Floats, Floats]:
    """Return sums and counts of values at places of an array; NaN is no value."""
    known = ~np.isnan(values)
    flat = np.ravel_multi_index(tuple(place[known] for place in places), shape)
    size = int(np.prod(shape))
    total, count = np.bincount(flat, values[known], size), np.bincount(flat, minlength=size)
    return total.astype(np.float64).reshape(shape), count.astype(np.float64).reshape(shape)


def record(drawn: Floats, *, n: float, sources: int, difference: bool = False, **keys: Any) -> Record | None:
    """Return a statistic's value and interval; None where it is undefined.

    Args:
        drawn: the statistic in the sample, first, and in every draw, float64 ``(resamples + 1,)``.
        n: rows that it rests on.
        sources: source images of these rows; an interval needs two.
        difference: whether it is a difference, of which 0 means none.
        keys: what it is of, see :class:`~miqd_builder.auditing.document.Record`.
    """
    value = float(drawn[0])
    if not np.isfinite(value):
        return None
    low, high = _interval(drawn[1:]) if sources > 1 and len(drawn) > 1 else (np.nan, np.nan)
    bounds: dict[str, Any] = {}
    if np.isfinite(low) and np.isfinite(high):
        bounds = {"low": float(low), "high": float(high)}
        if difference:
            bounds["excludes_zero"] = bool(low > 0 or high < 0)
    return Record(value=value, n=round(n), sources=int(sources), **bounds, **keys)


def _interval(drawn: Floats) -> tuple[float, float]:
    """Percentile interval, as :func:`miqd_builder.correlation.draws.interval`; ten thousand of them take a second less."""
    known = np.sort(drawn[~np.isnan(drawn)])
    if 2 * len(known) < len(drawn) or not len(known):
        return np.nan, np.nan
    places = (len(known) - 1) * np.array([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    low, high = np.interp(places, np.arange(len(known)), known)
    return float(low), float(high)
