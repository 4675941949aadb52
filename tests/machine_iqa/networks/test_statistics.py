"""Statistics of answers and of pixels, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage, special, stats

from machine_iqa.networks.certainty import agreement, certainty
from machine_iqa.networks.patch_branch import pixel_statistics


def test_certainty_by_value() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (4, 50))
    found = certainty(torch.from_numpy(logits)).numpy()
    for row, values in zip(logits, found, strict=True):
        shares = np.sort(special.softmax(row))[::-1]
        entropy = stats.entropy(shares) / np.log(50)
        sums = [row.max() / 10, special.logsumexp(row) / 10, row.std(ddof=1) / 10]
        np.testing.assert_allclose(values, [shares[0], shares[1], shares[:5].sum(), entropy, *sums], atol=1e-6)


def test_certainty_of_hopeless_and_of_sure_answers_is_finite() -> None:
    logits = torch.zeros(2, 1000)
    logits[1, 0] = 1e4
    found = certainty(logits)
    assert bool(found.isfinite().all()) and float(found[0, 3]) == pytest.approx(1) and float(found[1, 3]) == pytest.approx(0)


def test_agreement_by_value() -> None:
    one, other = np.random.default_rng(2).normal(0, 3, (2, 4, 50))
    found = agreement(torch.from_numpy(one), torch.from_numpy(other)).numpy()
    for p, q, values in zip(special.softmax(one, 1), special.softmax(other, 1), found, strict=True):
        divergence = (stats.entropy(p, (p + q) / 2) + stats.entropy(q, (p + q) / 2)) / 2 / np.log(50)
        likeliest = [(a * b**4).sum() / (b**4).sum() for a, b in ((p, q), (q, p))]
        np.testing.assert_allclose(values, [(p * q).sum(), np.sqrt(p * q).sum(), divergence, *likeliest], atol=1e-6)


def test_agreement_of_the_surest_answers_is_finite() -> None:
    logits = torch.zeros(2, 1000)
    logits[0, 3], logits[1, 4] = 1e4, 1e4
    same, different = agreement(logits, logits), agreement(logits, logits.flip(0))
    assert bool(same.isfinite().all()) and bool(different.isfinite().all())
    np.testing.assert_allclose(same[0].numpy(), [1, 1, 0, 1, 1], atol=1e-6)
    np.testing.assert_allclose(different[0].numpy(), [0, 0, np.log(2) / np.log(1000), 0, 0], atol=1e-6)


def test_pixel_statistics_by_value() -> None:
    values = np.random.default_rng(1).uniform(-1, 1, (1, 2, 3, 64, 64)).astype(np.float32)
    values[0, 1, :, :, 32:] = 0.25  # half of the second patch is flat
    found = pixel_statistics(torch.from_numpy(values)).numpy()[0]

    def log(value: float) -> float:
        return float(0.5 * np.log(value + 1e-3) + 1.5)

    for patch, measured in zip(values[0].astype(np.float64), found.T, strict=True):
        grey = patch.mean(0)
        rows, columns = (np.abs(np.diff(grey, axis=axis)) for axis in (1, 0))
        kernel = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]])
        laplacian = np.abs(ndimage.convolve(grey, kernel)[1:-1, 1:-1])
        at_blocks = rows[:, [7, 15, 23, 31, 39, 47, 55]]
        expected = [
            grey.mean(),
            log(np.sqrt(grey.var() + 1e-4)),
            log(np.abs(patch - grey).mean()),
            log(rows.mean()),
            log(columns.mean()),
            log(laplacian.mean()),
            log(laplacian.max()),
            log(at_blocks.mean()) - log(rows.mean()),
            (laplacian < 1e-3).mean(),
        ]
        np.testing.assert_allclose(measured, expected, atol=1e-4)
