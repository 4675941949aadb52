"""Memory and file handles of processes over time, and how they grow."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import psutil
from scipy import stats


@dataclass(frozen=True)
class Sample:
    """A look at one process.

    Attributes:
        role: client, scheduler or worker.
        stage: of the run.
        seconds: since the start.
        resident: bytes in memory.
        handles: open files and sockets.
    """

    role: str
    stage: str
    seconds: float
    resident: int
    handles: int


@dataclass(frozen=True)
class Growth:
    """How a quantity grows with time.

    Attributes:
        mean: of the samples.
        slope: an hour.
        low, high: 95 % interval of the slope.
        n: samples that it was computed from.
    """

    mean: float
    slope: float
    low: float
    high: float
    n: int


def sample(processes: Mapping[str, int], start: float, stage: str) -> list[Sample]:
    """Look at processes by role; those that are gone are left out."""
    found = []
    for role, pid in processes.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            seconds = time.monotonic() - start
            found.append(Sample(role, stage, seconds, process.memory_info().rss, process.num_fds()))
    return found


def growth(seconds: Sequence[float], values: Sequence[float], *, warm_up: float, bin_seconds: float = 60.0) -> Growth | None:
    """Return the slope of a straight line through the means of each minute, with its interval.

    Samples that follow one another closely are alike: the means of minutes are taken as independent, the samples are not.

    Args:
        seconds: of the samples.
        values: of the samples.
        warm_up: seconds at the start that don't count.
        bin_seconds: length of what a mean is of.

    Returns:
        None for fewer than four means, of which no interval can be given.

    Examples:
        >>> found = growth(range(0, 3600, 10), [5.0 + t / 3600 for t in range(0, 3600, 10)], warm_up=600)
        >>> round(found.slope, 6), found.n
        (1.0, 50)
    """
    times, numbers = np.asarray(seconds, float), np.asarray(values, float)
    kept = times >= warm_up
    bins = ((times[kept] - warm_up) // bin_seconds).astype(int)
    groups = np.unique(bins)
    if len(groups) < 4:
        return None
    x = np.array([times[kept][bins == group].mean() for group in groups]) / 3600
    y = np.array([numbers[kept][bins == group].mean() for group in groups])
    line = stats.linregress(x, y)
    constant = bool(np.ptp(y) == 0)  # then the line has no error, and SciPy none to tell
    half = 0.0 if constant else float(stats.t.ppf(0.975, len(groups) - 2) * line.stderr)
    return Growth(float(y.mean()), float(line.slope), float(line.slope) - half, float(line.slope) + half, len(groups))
