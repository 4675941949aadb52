"""Growth over time, against NumPy's own line, and samples of this very process."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from tests.soak.sampling import growth, sample


def test_the_slope_is_that_of_the_minutes() -> None:
    rng = np.random.default_rng(0)
    seconds = np.arange(0, 1800, 5.0)
    values = 100 + 12 * seconds / 3600 + rng.normal(size=len(seconds))
    found = growth(seconds, values, warm_up=300)
    assert found is not None
    late = seconds >= 300
    minutes = values[late].reshape(-1, 12).mean(axis=1)
    hours = seconds[late].reshape(-1, 12).mean(axis=1) / 3600
    assert found.slope == pytest.approx(np.polyfit(hours, minutes, 1)[0], rel=1e-9)
    assert found.low < 12 < found.high and found.n == 25


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    seconds = np.arange(0, 1200, 10.0)
    found = [growth(seconds, 5 + rng.normal(size=len(seconds)), warm_up=0) for _ in range(400)]
    hits = np.mean([one is not None and one.low <= 0 <= one.high for one in found])
    assert 0.92 <= hits <= 0.98


def test_what_never_changes_has_no_slope() -> None:
    found = growth(range(0, 600, 5), [7.0] * 120, warm_up=0)
    assert found is not None and (found.slope, found.low, found.high) == (0, 0, 0)


def test_too_few_minutes_have_no_slope() -> None:
    assert growth([0, 60, 120], [1, 2, 3], warm_up=0) is None


def test_a_handle_more_is_seen(tmp_path: Path) -> None:
    [before] = sample({"here": os.getpid()}, time.monotonic(), "now")
    with (tmp_path / "x").open("w"):
        [after] = sample({"here": os.getpid(), "gone": 2**22 - 1}, time.monotonic(), "now")
    assert after.handles == before.handles + 1 and after.resident > 10 * 2**20
