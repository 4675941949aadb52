"""SRCC, PLCC, KRCC and RMSE beside SciPy, and by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from miqd_builder.correlation.coefficients import krcc, plcc, rmse, srcc
from miqd_builder.correlation.pairs import bounded, oriented, paired
from miqd_builder.correlation.ranks import dense_ranks, level_counts, rank_bins

VALUES = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda value: round(value, 3)),
    st.sampled_from([np.nan, np.inf, -np.inf]),
)
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=60)


def scipy_or_nan(function, x, y):
    if len(x) < 2 or len(np.unique(x)) < 2 or len(np.unique(y)) < 2:
        return np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(x, y).statistic


@settings(max_examples=100, deadline=None)
@given(rows=ROWS)
def test_equal_to_scipy_with_ties_infinities_and_nulls(rows):
    x, y = np.array(rows, np.float64).reshape(-1, 2).T
    known = ~(np.isnan(x) | np.isnan(y))
    kept_x, kept_y = x[known], y[known]
    assert paired(x, y).dropped == len(x) - known.sum()
    # SciPy's spearmanr and kendalltau take infinities as values once they are ranked.
    ranked_x, ranked_y = scipy.stats.rankdata(kept_x), scipy.stats.rankdata(kept_y)
    assert srcc(x, y) == pytest.approx(scipy_or_nan(scipy.stats.spearmanr, ranked_x, ranked_y), abs=1e-9, nan_ok=True)
    assert krcc(x, y) == pytest.approx(scipy_or_nan(scipy.stats.kendalltau, ranked_x, ranked_y), abs=1e-9, nan_ok=True)
    finite_x, finite_y = bounded(kept_x), bounded(kept_y)
    assert plcc(x, y) == pytest.approx(scipy_or_nan(scipy.stats.pearsonr, finite_x, finite_y), abs=1e-9, nan_ok=True)


@settings(max_examples=50, deadline=None)
@given(rows=ROWS)
def test_direction_turns_the_sign_and_monotone_maps_keep_the_ranks(rows):
    x, y = np.array(rows, np.float64).reshape(-1, 2).T
    turned = oriented(x, lower_better=True)
    for coefficient in (srcc, krcc, plcc):
        assert coefficient(turned, y) == pytest.approx(-coefficient(x, y), abs=1e-9, nan_ok=True)
    stretched = np.sign(x) * np.abs(x) ** 3
    assert srcc(stretched, y) == pytest.approx(srcc(x, y), abs=1e-12, nan_ok=True)
    assert krcc(stretched, y) == pytest.approx(krcc(x, y), abs=1e-12, nan_ok=True)


def test_large_columns_equal_scipy():
    rng = np.random.default_rng(1)
    x = rng.normal(size=20_000)
    y = np.round(x + rng.normal(size=20_000), 1)
    x[rng.random(20_000) < 0.1] = 40
    assert srcc(x, y) == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-9)
    assert krcc(x, y) == pytest.approx(scipy.stats.kendalltau(x, y).statistic, abs=1e-9)
    assert plcc(x, y) == pytest.approx(scipy.stats.pearsonr(x, y).statistic, abs=1e-9)


def test_infinite_psnr_ranks_last_and_ties():
    psnr, label = np.array([20, 30, np.inf, np.inf]), np.array([0.1, 0.2, 0.9, 0.9])
    assert srcc(psnr, label) == 1
    assert krcc(psnr, label) == 1
    assert srcc(psnr, np.array([0.1, 0.2, 0.8, 0.9])) == pytest.approx(
        scipy.stats.spearmanr([1, 2, 3, 3], [1, 2, 3, 4]).statistic
    )
    assert plcc(psnr, label) == pytest.approx(scipy.stats.pearsonr([20, 30, 30, 30], label).statistic)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([], []),
        ([1], [2]),
        ([0.1] * 3, [1, 2, 3]),
        ([1, 2, 3], [0.1] * 3),
        ([np.inf] * 3, [1, 2, 3]),
        ([np.nan] * 3, [1, 2, 3]),
    ],
    ids=["empty", "one row", "constant measure", "constant label", "all infinite", "all null"],
)
def test_undefined_is_nan(x, y):
    x, y = np.array(x, np.float64), np.array(y, np.float64)
    assert all(np.isnan(coefficient(x, y)) for coefficient in (srcc, krcc, plcc))


def test_huge_and_tiny_numbers():
    x = np.array([1.0, 2, 4])
    assert plcc(x * 1e300, x * 1e-300) == pytest.approx(1)


def test_rmse_by_hand():
    assert rmse(np.array([1, 2, np.nan]), np.array([1.0, 4, 9])) == pytest.approx(np.sqrt(2))
    assert rmse(np.array([1, 3, np.inf]), np.array([1.0, 3, 3])) == 0
    assert np.isnan(rmse(np.array([np.nan]), np.array([1.0])))
    assert np.isnan(rmse(np.array([np.inf]), np.array([1.0])))


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="equal length"):
        srcc(np.zeros(3), np.zeros(4))


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.integers(-20, 20), min_size=1, max_size=200), most=st.integers(1, 30))
def test_bins_keep_order_and_never_split_a_value(values, most):
    ranks = dense_ranks(np.array(values, np.float64))
    bins, found = rank_bins(level_counts(ranks.codes, ranks.levels), most)
    assert found <= most
    assert (np.diff(bins) >= 0).all()
    assert set(bins) == set(range(found))
    if ranks.levels <= most:
        assert found == ranks.levels
