"""Axes: from values to pixels, with round ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from miqd_builder.auditing.document import Record

MOST_TICKS = 5


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis.

    Attributes:
        low, high: its ends, in the unit of the values.
        ticks: values that are marked.
        logarithmic: whether equal ratios are equally far apart; then both ends are positive.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    @classmethod
    def of(cls, values: Iterable[float], *, zero: bool = False) -> Scale:
        """Return the axis with round ends around some values.

        Args:
            values: finite numbers.
            zero: whether 0 must be on the axis.
        """
        known = [*values, *([0.0] if zero else [])] or [0.0]
        low, high = min(known), max(known)
        step = _round_step((high - low) or abs(high) or 1.0)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        last = max(last, first + 1)
        return cls(first * step, last * step, tuple(round(k * step, 10) for k in range(first, last + 1)))

    @classmethod
    def around(cls, records: Iterable[Record], *, zero: bool = False) -> Scale:
        """Return the axis around values and intervals of records."""
        ends = ((record.value, record.low, record.high) for record in records)
        return cls.of((value for three in ends for value in three if value is not None), zero=zero)

    @classmethod
    def ratios(cls, values: Iterable[float]) -> Scale:
        """Return a logarithmic axis around positive values, with ticks at powers of 2."""
        known = list(values)
        low, high = math.floor(math.log2(min(known))), math.ceil(math.log2(max(known)))
        high = max(high, low + 1)
        step = max(1, -(-(high - low) // MOST_TICKS))
        return cls(2.0**low, 2.0**high, tuple(2.0**k for k in range(low, high + 1, step)), logarithmic=True)

    def place(self, value: float, length: float) -> float:
        """Return where a value is on an axis of this length in pixels; values outside are put at its ends."""
        low, high = self.low, self.high
        if self.logarithmic:
            value, low, high = math.log2(max(value, low)), math.log2(low), math.log2(high)
        return round(length * min(1.0, max(0.0, (value - low) / (high - low))), 1)


UNIT = Scale(0.0, 1.0, (0.0, 0.5, 1.0))
"""From 0 to 1, as scores are."""


def tick_text(value: float) -> str:
    """Return a tick as short text: 0, .5, 1, 20."""
    text = f"{round(value, 4):g}"
    return text.replace("0.", ".", 1) if 0 < abs(value) < 1 else text


def _round_step(span: float) -> float:
    """The smallest of 1, 2, 5 times a power of 10 that gives at most 5 steps."""
    power = 10.0 ** math.floor(math.log10(span / MOST_TICKS))
    return next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= MOST_TICKS + 1e-9)
