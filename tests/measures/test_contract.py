"""What every measure keeps: directions, batches, repetition, small and odd images, records."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from miqd_builder.errors import ConfigError
from miqd_builder.measures import MEASURES, create_measure, find_measure, list_measures
from tests.measures.pictures import LEARNED, WITHOUT_WEIGHTS, blurred, measure_or_skip, noisy, photographs

NAMES = [*WITHOUT_WEIGHTS, *LEARNED]
BEST = {"psnr": np.inf, "ssim": 1, "ms_ssim": 1, "vsi": 1, "fsim": 1, "gmsd": 0, "vif": 1, "haarpsi": 1, "mdsi": 0}
BEST |= {"lpips_alex": 0, "lpips_squeeze": 0}


@pytest.mark.parametrize("name", NAMES)
def test_batch_equals_single_and_second_call_equals_first(name, monkeypatch, tmp_path) -> None:
    score = measure_or_skip(name, monkeypatch, tmp_path)
    image = photographs()[1]
    batch = np.stack([blurred(image, 1), noisy(image, 12), image])
    together = score(batch, image)
    assert together.dtype == np.float64 and together.shape == (3,)
    alone = [score(one[None], image)[0] for one in batch]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(together, score(batch, np.stack([image] * 3)))
    assert np.all(
        (together >= find_measure(name).score_range[0] - 1e-5) & (together <= find_measure(name).score_range[1] + 1e-5)
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name != "bytes"])
@pytest.mark.parametrize("degrade", [blurred, noisy])
def test_more_degradation_is_worse(name, degrade, monkeypatch, tmp_path) -> None:
    score = measure_or_skip(name, monkeypatch, tmp_path)
    image = photographs()[0]
    strengths = (1, 2, 4) if degrade is blurred else (8, 24, 60)
    values = score(np.stack([degrade(image, strength) for strength in strengths]), image)
    assert np.all(np.diff(values) > 0 if find_measure(name).lower_better else np.diff(values) < 0), values


@pytest.mark.parametrize("name", BEST)
def test_identical_images_have_the_best_value(name, monkeypatch, tmp_path) -> None:
    image = photographs()[1]
    value = measure_or_skip(name, monkeypatch, tmp_path)(image[None], image)[0]
    assert value == BEST[name] or value == pytest.approx(BEST[name], abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_below_the_minimum_size_there_is_no_value(name, monkeypatch, tmp_path) -> None:
    score, least = measure_or_skip(name, monkeypatch, tmp_path), find_measure(name).minimum_size
    rng = np.random.default_rng(1)
    for height, width in ((1, 1), (least - 1, 300), (300, least - 1), (least, 2 * least), (2 * least + 1, least)):
        if not height or not width:
            continue
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        value = score(np.stack([255 - image, image]), image)
        assert np.all(np.isnan(value) == (min(height, width) < least)), (height, width, value)
    assert score(np.zeros((0, 8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)).shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_gray_and_even_images_have_values(name, monkeypatch, tmp_path) -> None:
    score = measure_or_skip(name, monkeypatch, tmp_path)
    gray = np.repeat(photographs()[0][:, :, 1:2], 3, 2)
    assert np.isfinite(score(blurred(gray, 2)[None], gray)).all()
    even = np.full((200, 203, 3), 90, np.uint8)
    assert np.isnan(score(even[None], even + 20)[0]) == (name in ("brisque", "niqe"))  # no contrast, no statistics


def test_an_infinity_is_a_value() -> None:
    image = photographs()[0]
    assert create_measure("psnr")(np.stack([image, image ^ 1]), image).tolist() == [np.inf, pytest.approx(48.1308, abs=1e-4)]


def test_the_same_bytes_as_stored() -> None:
    from miqd_builder.sources.png import encode_png_portably

    assert create_measure("bytes")(photographs()[0][None], None).tolist() == [len(encode_png_portably(photographs()[0]))]


@pytest.mark.parametrize("name", MEASURES.names())
def test_records(name) -> None:
    measure = find_measure(name)
    assert measure.name == name and measure.reference in ("full", "none") and measure.minimum_size >= 1
    assert measure.score_range[0] < measure.score_range[1] and measure.tolerance >= 0
    assert all((measure.input, measure.source, measure.licence, measure.agrees_with))


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys; from miqd_builder.measures import *; [find_measure(n) for n in list_measures()]; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
    assert list_measures("lpips_*") == ["lpips_alex", "lpips_vgg", "lpips_squeeze"]


def test_unknown_measure_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"Unknown measure 'ms_sim'.*Did you mean 'ms_ssim'"):
        create_measure("ms_sim")


@pytest.mark.parametrize(
    ("degraded", "reference", "message"),
    [
        (np.zeros((1, 8, 8, 3)), np.zeros((8, 8, 3), np.uint8), "as uint8"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8), "degraded images"),
        (np.zeros((1, 8, 8, 3), np.uint8), None, "compares with a reference"),
        (np.zeros((1, 8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8), "don't match"),
        (np.zeros((3, 8, 8, 3), np.uint8), np.zeros((2, 8, 8, 3), np.uint8), "don't match"),
    ],
)
def test_wrong_arrays_are_refused(degraded, reference, message) -> None:
    with pytest.raises(ValueError, match=message):
        create_measure("psnr")(degraded, reference)


def test_docstring_examples() -> None:
    found = doctest.testmod(importlib.import_module("miqd_builder.measures.registry"))
    assert found.attempted >= 4 and not found.failed
