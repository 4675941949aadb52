"""Scores over time: their statistics by second, and where they drop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

DROP = 0.1
"""A fall of the score by this much, from a peak to the next trough, is a drop."""


def statistics(scores: Sequence[float]) -> dict[str, float]:
    """Return mean, min, max and standard deviation (of the population)."""
    values = np.asarray(scores, np.float64)
    return {"mean": float(values.mean()), "min": float(values.min()), "max": float(values.max()), "std": float(values.std())}


def by_second(times: Sequence[float], scores: Sequence[float]) -> list[dict[str, Any]]:
    """Return statistics of the scores in each second that has any, with their number ``n``."""
    groups: dict[int, list[float]] = {}
    for time, score in zip(times, scores, strict=True):
        groups.setdefault(int(time), []).append(score)
    return [{"second": second, **statistics(found), "n": len(found)} for second, found in sorted(groups.items())]


def drops(times: Sequence[float], scores: Sequence[float], least: float = DROP) -> list[dict[str, float]]:
    """Return where the score falls: from a peak to the trough after it, by ``least`` or more.

    A single frame that stands out is ignored: the scores are medians of three. A trough ends where the score rises again by
    ``least`` above it.

    Returns:
        for each drop ``start`` and ``end``, seconds, and the scores ``from`` and ``to`` there.

    >>> drops([0, 1, 2, 3, 4, 5], [0.9, 0.9, 0.5, 0.3, 0.3, 0.3])
    [{'start': 1, 'end': 3, 'from': 0.9, 'to': 0.3}]
    """
    smooth = _median_of_three(scores)
    found: list[dict[str, float]] = []
    peak = trough = 0
    for index, score in enumerate(smooth):
        if smooth[peak] - smooth[trough] >= least:
            if score < smooth[trough]:
                trough = index
            elif score - smooth[trough] >= least:
                found.append(_drop(times, smooth, peak, trough))
                peak = trough = index
        elif score >= smooth[peak]:
            peak = trough = index
        elif score < smooth[trough]:
            trough = index
    if smooth and smooth[peak] - smooth[trough] >= least:
        found.append(_drop(times, smooth, peak, trough))
    return found


def _drop(times: Sequence[float], scores: Sequence[float], peak: int, trough: int) -> dict[str, float]:
    return {"start": times[peak], "end": times[trough], "from": scores[peak], "to": scores[trough]}


def _median_of_three(scores: Sequence[float]) -> list[float]:
    padded = [*scores[:1], *scores, *scores[-1:]]
    return [sorted(padded[index : index + 3])[1] for index in range(len(scores))]
