"""Official values of five TID2013 pairs (research use, ../shared/reference/calibration; skipped where it is absent).

Not compared, since they are other measures of the same name: SSIM and MS-SSIM (official: luma alone), VIF (official: wavelet
domain; here, as in piq, pixel domain), DISTS (VGG16's weights are not to be had). VSI: piq's saliency map differs.
"""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tests.measures.pictures import CALIBRATION, calibration_pair, measure_or_skip

PAIRS = ("I03", "I04", "I06", "I08", "I19")
EVEN_AREAS = {"brisque": (0.01, 0.01, 0.01, 0.7, 2.5), "niqe": (0.03, 1e-3, 2e-3, 0.03, 0.05)}
"""By pair: I03, I08 and I19 have even areas, whose rounding errors the official values count as contrast."""
TOLERANCES = {
    "psnr": 0.006,  # two decimals were published
    "fsim": 6e-4,
    "gmsd": 5e-4,  # official: gray rounded to 8 bits
    "vsi": 0.02,
    "lpips_alex": 1e-4,
    **EVEN_AREAS,
}


def official(name: str) -> list[float]:
    with (CALIBRATION / "results_official.csv").open() as file:
        rows = {row["Method"]: row for row in csv.DictReader(file)}
    return [float(rows[name.removesuffix("_alex")][f"{pair}.bmp"]) for pair in PAIRS]


@pytest.mark.skipif(not CALIBRATION.is_dir(), reason="../shared/reference/calibration is not beside the checkout")
@pytest.mark.parametrize("name", TOLERANCES)
def test_official_values(name, monkeypatch, tmp_path) -> None:
    score = measure_or_skip(name, monkeypatch, tmp_path)
    values = [score(degraded[None], reference)[0] for degraded, reference in map(calibration_pair, PAIRS)]
    assert np.all(np.abs(np.subtract(values, official(name))) <= TOLERANCES[name]), values
