"""Statistics of answers and of pixels, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage, special, stats

from machine_iqa.networks.certainty import certainty
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
