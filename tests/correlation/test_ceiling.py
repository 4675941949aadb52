"""The noise ceiling beside a direct computation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from miqd_builder.correlation.ceiling import noise_ceiling


def test_equal_to_a_direct_computation():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(150, 1)) + rng.normal(size=(150, 7))
    scores[rng.random(scores.shape) < 0.1] = np.nan
    weights = rng.random(7) + 0.5
    found = noise_ceiling(scores, weights, halvings=20, seed=3)
    dealing = np.random.default_rng(3)
    expected = []
    for _ in range(20):
        dealt = dealing.permutation(7)
        labels = []
        for half in (dealt[:3], dealt[3:]):
            masked = np.ma.masked_invalid(scores[:, half])
            labels.append(np.ma.average(masked, axis=1, weights=weights[half]).filled(np.nan))
        r = scipy.stats.spearmanr(*labels, nan_policy="omit").statistic
        expected.append(2 * r / (1 + r))
    assert found.corrected == pytest.approx(np.array(expected), abs=1e-9)
    assert found.value == pytest.approx(np.mean(expected), abs=1e-9)


def test_estimates_the_correlation_with_other_models():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(4000, 1))
    models = truth + 2 * rng.normal(size=(4000, 32))
    found = noise_ceiling(models[:, :16], np.ones(16), seed=1)
    others = scipy.stats.spearmanr(models[:, :16].mean(axis=1), models[:, 16:].mean(axis=1)).statistic
    assert found.value == pytest.approx(others, abs=0.02)
    reached = scipy.stats.spearmanr(truth[:, 0], models[:, :16].mean(axis=1)).statistic
    assert reached == pytest.approx(np.sqrt(found.value), abs=0.02)


def test_weights_are_used():
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(100, 4))
    assert noise_ceiling(scores, np.ones(4)).value != noise_ceiling(scores, np.array([1.0, 2, 3, 4])).value


def test_undefined():
    assert np.isnan(noise_ceiling(np.zeros((5, 1)), np.ones(1)).value)
    assert np.isnan(noise_ceiling(np.zeros((5, 4)), np.ones(4)).value)
    opposite = np.array([[1.0, -1], [2, -2], [3, -3]])
    assert np.isnan(noise_ceiling(opposite, np.ones(2)).value)


def test_shapes_must_fit():
    with pytest.raises(ValueError, match=r"weights \(models,\)"):
        noise_ceiling(np.zeros((5, 3)), np.ones(2))
