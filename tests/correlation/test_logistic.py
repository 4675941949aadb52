"""The logistic curve beside SciPy's curve_fit, and what happens where none can be fitted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit

from miqd_builder.correlation.coefficients import plcc, rmse
from miqd_builder.correlation.logistic import fit_logistic


def vqeg(x, b1, b2, b3, b4):
    return (b1 - b2) / (1 + np.exp(-(x - b3) / np.abs(b4))) + b2


@pytest.mark.parametrize("truth", [(0.9, 0.2, 25, 4), (0.2, 0.9, 25, 4), (0.7, 0.1, 32, 8)], ids=["rising", "falling", "half"])
@pytest.mark.parametrize("n", [200, 6000], ids=["rows", "binned first"])
def test_equal_to_curve_fit(truth, n):
    rng = np.random.default_rng(2)
    x = rng.normal(25, 6, n)
    y = vqeg(x, *truth) + rng.normal(0, 0.05, n)
    expected, _ = curve_fit(vqeg, x, y, p0=truth, maxfev=10_000)
    fit = fit_logistic(x, y)
    theirs = vqeg(x, *expected)
    assert rmse(fit(x), y) == pytest.approx(rmse(theirs, y), rel=1e-8)
    assert np.abs(fit(x) - theirs).max() < 1e-3
    assert plcc(fit(x), y) == pytest.approx(plcc(theirs, y), abs=1e-8)


@pytest.mark.parametrize("shape", ["linear", "noise", "exponential", "step"])
def test_curves_that_are_no_logistic_are_fitted_at_least_as_well_as_a_line(shape):
    rng = np.random.default_rng(3)
    x = rng.normal(size=3000)
    clean = {"linear": 0.1 * x, "noise": 0 * x, "exponential": np.exp(x) / 10, "step": (x > 0.3) * 0.5}[shape]
    y = clean + rng.normal(0, 0.1, 3000)
    residual = y - np.polyval(np.polyfit(x, y, 1), x)
    fit = fit_logistic(x, y)
    assert rmse(fit(x), y) <= residual.std() * (1 + 1e-4)
    ordered = fit(np.sort(x))
    assert (np.diff(ordered) >= 0).all() or (np.diff(ordered) <= 0).all()


def test_an_infinity_stands_for_the_largest_finite_value():
    x, y = np.array([1.0, 2, 3, 4, 5, 6]), np.array([0.1, 0.15, 0.4, 0.7, 0.8, 0.85])
    infinite = fit_logistic(np.append(x, np.inf), np.append(y, 0.85))
    finite = fit_logistic(np.append(x, 6), np.append(y, 0.85))
    assert infinite == finite
    assert infinite(np.array([6, np.inf])).tolist() == [finite(np.array([6.0]))[0]] * 2


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([1, 2, 3, 4], [1, 3, 5, 7], [1, 3, 5, 7]),
        ([2.0] * 6, [1, 2, 3, 4, 5, 6], [3.5] * 6),
        ([1, 2, 3, 4, 5, 6], [0.3] * 6, [0.3] * 6),
    ],
    ids=["four rows", "constant measure", "constant label"],
)
def test_a_line_where_no_curve_can_be_fitted(x, y, expected):
    x, y = np.array(x, np.float64), np.array(y, np.float64)
    fit = fit_logistic(x, y)
    assert fit.kind == "line"
    assert fit(x) == pytest.approx(np.array(expected))


def test_nothing_to_fit():
    fit = fit_logistic(np.full(3, np.nan), np.zeros(3))
    assert fit.kind == "line"
    assert np.isnan(fit(np.array([1.0]))).all()


def test_same_rows_same_curve():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=5000), rng.random(5000)
    assert fit_logistic(x, y) == fit_logistic(x.copy(), y.copy())
