"""Filtering curves by hand, and what ties, infinities and nulls do."""

from __future__ import annotations

import numpy as np
import pytest

from miqd_builder.correlation.filtering import filtering_curves

HALF = np.array([0, 0.5])
RIGHT = np.array([[0.0], [0], [1], [1]])


def test_by_hand():
    outcomes = np.array([[0.0, 1], [0.2, 1], [0.4, 0], [0.8, 0]])
    curves = filtering_curves(np.array([4.0, 3, 2, 1]), outcomes, shares=np.array([0, 0.25, 0.5]))
    assert curves.reached == pytest.approx(np.array([[0.35, 0.5], [0.2, 2 / 3], [0.1, 1]]))
    assert curves.random == pytest.approx([0.35, 0.5])
    assert curves.areas == pytest.approx([-(0.15 / 2 + 0.25 / 2 + 0.15 / 2) * 0.25, (1 / 6 / 2 + 1 / 6 / 2 + 0.5 / 2) * 0.25])
    assert (curves.n, curves.dropped) == (4, 0)


def test_a_share_that_is_no_whole_number_drops_part_of_an_image():
    curves = filtering_curves(np.arange(4.0), RIGHT, shares=np.array([0.375]))
    assert curves.reached[0, 0] == pytest.approx(2 / 2.5)


def test_ties_have_their_expected_value_in_any_order():
    rng = np.random.default_rng(1)
    measure, outcomes = rng.integers(0, 4, 40).astype(float), rng.random((40, 3))
    curves = filtering_curves(measure, outcomes, shares=np.array([0.3, 0.7]))
    order = rng.permutation(40)
    again = filtering_curves(measure[order], outcomes[order], shares=np.array([0.3, 0.7]))
    assert curves.reached == pytest.approx(again.reached, abs=1e-12)
    drawn = np.zeros((2, 3))
    for _ in range(3000):
        by_measure = np.lexsort((rng.random(40), measure))
        drawn += [outcomes[by_measure[gone:]].mean(axis=0) for gone in (12, 28)]
    assert curves.reached == pytest.approx(drawn / 3000, abs=0.01)


def test_constant_measure_is_random_and_the_label_itself_is_the_best():
    rng = np.random.default_rng(2)
    outcomes = rng.random((50, 1))
    assert filtering_curves(np.ones(50), outcomes).areas == pytest.approx([0], abs=1e-12)
    oracle = filtering_curves(outcomes[:, 0], outcomes)
    assert oracle.areas[0] > filtering_curves(outcomes[:, 0] + rng.normal(size=50), outcomes).areas[0] > 0
    assert (np.diff(oracle.reached[:, 0]) > 0).all()
    assert oracle.reached[-1, 0] == pytest.approx(np.sort(outcomes[:, 0])[35:].mean())


def test_infinite_is_dropped_last_and_first_where_less_is_better():
    measure = np.array([np.inf, 20, np.inf, 30])
    outcomes = np.array([[1.0], [0], [1], [0]])
    assert filtering_curves(measure, outcomes, shares=HALF).reached[:, 0].tolist() == [0.5, 1]
    assert filtering_curves(measure, outcomes, shares=HALF, lower_better=True).reached[:, 0].tolist() == [0.5, 0]


def test_nulls_are_left_out_and_counted():
    curves = filtering_curves(np.array([1, np.nan, 2, 3]), np.array([[0.0, 1], [9, 9], [1, np.nan], [0.5, 0]]), shares=HALF)
    assert (curves.n, curves.dropped) == (3, 1)
    assert curves.random == pytest.approx([0.5, 0.5])
    assert curves.reached[1] == pytest.approx([(0.5 + 0.5) / 1.5, 0])


def test_nothing_to_filter():
    curves = filtering_curves(np.full(3, np.nan), np.ones((3, 2)))
    assert curves.n == 0
    assert np.isnan(curves.reached).all()
    assert np.isnan(curves.random).all()


def test_boolean_outcomes():
    assert filtering_curves(np.arange(4.0), RIGHT.astype(bool), shares=HALF).reached[:, 0].tolist() == [0.5, 1]


@pytest.mark.parametrize(
    ("outcomes", "shares", "message"),
    [
        (np.ones((3, 1)), HALF, "outcomes"),
        (RIGHT, np.array([0, 1.0]), "rising shares"),
        (RIGHT, np.array([0.5, 0.2]), "rising shares"),
    ],
    ids=["images", "everything dropped", "falling"],
)
def test_wrong_arguments(outcomes, shares, message):
    with pytest.raises(ValueError, match=message):
        filtering_curves(np.arange(4.0), outcomes, shares=shares)
