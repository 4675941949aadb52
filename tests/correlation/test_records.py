"""Intervals over source images: the draws themselves, coverage, determinism, and what has no interval."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from miqd_builder.auditing.bootstrap import draw_sources
from miqd_builder.correlation.bootstrap import drawn_linear_statistics, drawn_rank_correlations, moved
from miqd_builder.correlation.coefficients import krcc, plcc, rmse, srcc
from miqd_builder.correlation.draws import draw, interval
from miqd_builder.correlation.logistic import fit_logistic
from miqd_builder.correlation.ranks import dense_ranks
from miqd_builder.correlation.records import column, correlate, correlate_all


def simulated(rng, sources, rows_each, decimals=9):
    """Columns whose rows of one source resemble each other."""
    source_of = np.repeat(np.arange(sources, dtype=np.int32), rows_each)
    x = rng.normal(size=sources)[source_of] + rng.normal(size=len(source_of))
    y = 0.7 * x + rng.normal(size=sources)[source_of] + rng.normal(size=len(source_of))
    return np.round(x, decimals), np.round(y, decimals), source_of


def drawn_rows(source_of, copies):
    return np.repeat(np.arange(len(source_of)), copies[source_of])


@pytest.mark.parametrize("decimals", [0, 1], ids=["many ties", "few ties"])
def test_draws_of_few_values_are_those_of_scipy(decimals):
    x, y, source_of = simulated(np.random.default_rng(1), 12, 9, decimals)
    copies = draw_sources(12, 70, 5)
    found = drawn_rank_correlations(dense_ranks(x), dense_ranks(y), source_of, draw(12, resamples=70, seed=5))
    fitted = fit_logistic(x, y)(x)
    linear = drawn_linear_statistics(x, y, fitted, source_of, draw(12, resamples=70, seed=5))
    for index in range(70):
        rows = drawn_rows(source_of, copies[index])
        assert found[0][index] == pytest.approx(scipy.stats.spearmanr(x[rows], y[rows]).statistic, abs=1e-9)
        assert found[1][index] == pytest.approx(scipy.stats.kendalltau(x[rows], y[rows]).statistic, abs=1e-9)
        assert linear[0][index] == pytest.approx(plcc(fitted[rows], y[rows]), abs=1e-9)
        assert linear[1][index] == pytest.approx(plcc(x[rows], y[rows]), abs=1e-9)
        assert linear[2][index] == pytest.approx(rmse(fitted[rows], y[rows]), abs=1e-9)
    assert found[0][-1] == pytest.approx(srcc(x, y), abs=1e-12)
    assert found[1][-1] == pytest.approx(krcc(x, y), abs=1e-12)


def test_bins_change_a_draw_by_little_of_the_spread_of_the_draws():
    x, y, source_of = simulated(np.random.default_rng(2), 60, 50)
    copies = draw_sources(60, 60, 3)
    found = drawn_rank_correlations(dense_ranks(x), dense_ranks(y), source_of, draw(60, resamples=60, seed=3))
    for drawn, coefficient in zip(found, (srcc, krcc), strict=True):
        exact = np.array([coefficient(x[rows], y[rows]) for rows in (drawn_rows(source_of, copy) for copy in copies)])
        assert np.abs(moved(drawn, coefficient(x, y)) - exact).max() < 0.02 * exact.std()


def test_refitting_every_draw_changes_the_intervals_by_little():
    x, y, source_of = simulated(np.random.default_rng(3), 80, 20)
    copies = draw_sources(80, 100, 4)
    fitted = fit_logistic(x, y)(x)
    plcc_draws, _, rmse_draws = drawn_linear_statistics(x, y, fitted, source_of, draw(80, resamples=100, seed=4))
    refitted = []
    for copy in copies:
        rows = drawn_rows(source_of, copy)
        curve = fit_logistic(x[rows], y[rows])(x[rows])
        refitted.append((plcc(curve, y[rows]), rmse(curve, y[rows])))
    for drawn, exact in zip((plcc_draws, rmse_draws), np.array(refitted).T, strict=True):
        width = np.diff(interval(exact))[0]
        assert np.abs(np.subtract(interval(drawn), interval(exact))).max() < 0.1 * width


def test_intervals_cover_the_truth_where_rows_of_a_source_resemble_each_other():
    rng = np.random.default_rng(5)
    big_x, big_y, _ = simulated(rng, 20_000, 5)
    truth = {"srcc": srcc(big_x, big_y), "krcc": krcc(big_x, big_y), "plcc_raw": plcc(big_x, big_y)}
    draws = draw(60, resamples=300, seed=6)
    covered = dict.fromkeys(truth, 0)
    for _ in range(120):
        x, y, source_of = simulated(rng, 60, 5)
        found = correlate(column(x), column(y), source_of, draws)
        for name, value in truth.items():
            estimate = getattr(found, name)
            covered[name] += estimate.low <= value <= estimate.high
    # 95 % of 120 are 114; a binomial count lies within 105 and 120 with probability .9997.
    assert all(105 <= count <= 120 for count in covered.values()), covered


@pytest.fixture(scope="module")
def table():
    x, y, source_of = simulated(np.random.default_rng(7), 40, 30)
    x[::7], y[::11] = np.inf, np.nan
    measures = {"psnr": column(x), "lpips": column(-x + np.roll(y, 1), lower_better=True)}
    labels = {"consistency": column(y), "accuracy": column(np.round(y))}
    subsets = {"all": np.ones(len(x), bool), "mild": np.arange(len(x)) % 3 == 0, "one source": source_of == 3}
    return measures, labels, subsets, source_of, draw(40, resamples=100, seed=8)


def test_records_come_in_order_and_equal_the_plain_functions(table):
    measures, labels, subsets, _, _ = table
    records = list(correlate_all(*table))
    names = [(record.label, record.measure, record.subset) for record in records]
    assert names == list(itertools.product(labels, measures, subsets))
    for record in records:
        rows = subsets[record.subset]
        x, y = measures[record.measure].values[rows], labels[record.label].values[rows]
        found = record.correlation
        assert found.srcc.value == pytest.approx(srcc(x, y), abs=1e-12)
        assert found.krcc.value == pytest.approx(krcc(x, y), abs=1e-12)
        assert found.plcc_raw.value == pytest.approx(plcc(x, y), abs=1e-12)
        assert found.plcc.value == pytest.approx(plcc(found.fit(x), y), abs=1e-9)
        assert found.n + found.dropped == rows.sum()
        assert found.dropped == np.isnan(x + 0 * y).sum()
        estimates = (found.srcc, found.krcc, found.plcc, found.plcc_raw, found.rmse)
        if record.subset == "one source":
            assert all(np.isnan([one.low, one.high]).all() for one in estimates)
        else:
            assert all(one.low < one.value < one.high for one in estimates)


def test_results_do_not_depend_on_threads_and_follow_the_seed(table):
    measures, labels, subsets, source_of, _ = table
    one, three = (list(correlate_all(*table, threads=threads)) for threads in (1, 3))
    assert repr(one) == repr(three)
    other = list(correlate_all(measures, labels, subsets, source_of, draw(40, resamples=100, seed=9)))
    assert one[0].correlation.srcc.value == other[0].correlation.srcc.value
    assert one[0].correlation.srcc != other[0].correlation.srcc


def test_lower_better_turns_the_sign(table):
    measures, labels, _, source_of, draws = table
    values = measures["lpips"].values
    up, down = (correlate(column(v), labels["accuracy"], source_of, draws) for v in (values, -values))
    assert up.srcc.value == pytest.approx(-down.srcc.value)
    assert up.srcc.low == pytest.approx(-down.srcc.high, abs=1e-4)
    assert up.plcc.value == pytest.approx(down.plcc.value, abs=1e-6)


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf], ids=["constant", "null", "infinite"])
def test_a_measure_that_says_nothing(table, value):
    _, labels, _, source_of, draws = table
    found = correlate(column(np.full(len(source_of), value)), labels["accuracy"], source_of, draws)
    assert np.isnan([found.srcc.value, found.krcc.value, found.plcc.value, found.plcc_raw.value, found.srcc.low]).all()
    assert found.n == (0 if np.isnan(value) else 1200 - found.dropped)


def test_rows_and_sources_must_fit(table):
    measures, labels, _, source_of, draws = table
    with pytest.raises(ValueError, match="same rows"):
        correlate(measures["psnr"], column(np.zeros(3)), source_of, draws)
    with pytest.raises(ValueError, match="sources from 0 to 39, got 1 to 40"):
        correlate(measures["psnr"], labels["accuracy"], source_of + 1, draws)


def test_no_interval_if_most_draws_are_undefined():
    assert np.isnan(interval(np.array([0.1, np.nan, np.nan]))).all()
    assert interval(np.array([0.1, 0.1, np.nan])) == (0.1, 0.1)
