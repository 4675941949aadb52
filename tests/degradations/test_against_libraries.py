"""Single steps against independent implementations: scikit-image, SciPy, imagecorruptions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import degradations
from degradations.blur import disk_kernel
from degradations.exact_filters import LARGEST_SUM, correlate, gaussian, pad, whole_weights
from degradations.motion import blur_along_line
from degradations.plasma import plasma_fractal
from degradations.randomness import standard_normal
from degradations.weather import _enlarge
from tests.degradations.pictures import scene

SIZES = [(61, 83), (3, 50), (1, 1)]


def candidates_of(name: str) -> list[tuple[float, ...]]:
    return list(degradations.distortion(name).candidates)


def render_candidate(name: str, image: np.ndarray, candidate: int) -> np.ndarray:
    distortion = degradations.distortion(name)
    prepared = distortion.prepare(image) if distortion.prepare else image
    return distortion.render(prepared, candidate, np.random.default_rng(0))


def assert_truncated(image: np.ndarray, exact: np.ndarray, share: float = 0.01) -> None:
    """``image`` is ``exact`` truncated: never a level off, and equal but for a ``share`` of what float error leaves decided."""
    exact = np.clip(exact, 0, 255)
    difference = image - exact
    assert difference.min() > -1.03
    assert difference.max() <= 0.03
    decided = np.abs(exact - np.rint(exact)) > 1e-4
    assert np.count_nonzero(decided & (image != exact.astype(np.uint8))) <= max(3, share * image.size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sigma", [0.4, 0.65, 1.5, 4.0, 12.0])
def test_gaussian_is_that_of_skimage(size, sigma):
    filters = pytest.importorskip("skimage.filters")
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    exact = filters.gaussian(image / 255.0, sigma=sigma, truncate=4, channel_axis=-1) * 255
    assert_truncated(gaussian(image, sigma), exact)


@pytest.mark.parametrize(("name", "sign"), [("darkness", -1), ("brightness", 1)])
@pytest.mark.parametrize("candidate", [1, 6, 12])
def test_light_is_a_shift_in_hsv(name, sign, candidate):
    color = pytest.importorskip("skimage.color")
    image = scene(61, 83)
    (shift,) = candidates_of(name)[candidate - 1]
    hsv = color.rgb2hsv(image / 255.0)
    hsv[..., 2] = np.clip(hsv[..., 2] + sign * shift, 0, 1)
    assert_truncated(render_candidate(name, image, candidate), color.hsv2rgb(hsv) * 255)


@pytest.mark.parametrize("candidate", [1, 5, 9, 12])
def test_saturate_is_a_scale_and_shift_in_hsv(candidate):
    color = pytest.importorskip("skimage.color")
    image = scene(61, 83)
    image[20:30, 20:30] = 90
    scale, shift = candidates_of("saturate")[candidate - 1]
    hsv = color.rgb2hsv(image / 255.0)
    hsv[..., 1] = np.clip(hsv[..., 1] * scale + shift, 0, 1)
    exact = color.hsv2rgb(hsv) * 255
    assert_truncated(render_candidate("saturate", image, candidate), exact)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("candidate", range(1, 13))
def test_defocus_is_opencvs_filter_with_the_disk(size, candidate):
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    kernel = disk_kernel(*candidates_of("defocus_blur")[candidate - 1]).astype(np.float64)
    exact = np.dstack([cv2.filter2D(image[..., c].astype(np.float64), -1, kernel) for c in range(3)])
    assert_truncated(render_candidate("defocus_blur", image, candidate), exact, share=0.02)


@pytest.mark.parametrize("radius", [3, 5, 9, 12])
def test_disk_is_that_of_imagecorruptions(radius):
    corruptions = pytest.importorskip("imagecorruptions.corruptions")
    np.testing.assert_allclose(disk_kernel(radius, 0.5), corruptions.disk(radius, 0.5), atol=1e-9)


@pytest.mark.parametrize("angle", [-44.0, -17.3, 0.0, 31.0, 45.0, -60.0, -120.0])
def test_motion_blur_is_that_of_imagecorruptions(angle):
    corruptions = pytest.importorskip("imagecorruptions.corruptions")
    image = scene(90, 120)
    expected = corruptions._motion_blur(image, radius=10, sigma=4.0, angle=angle)
    inner = (slice(21, -21), slice(21, -21))  # it fills the border otherwise
    difference = expected[inner] - blur_along_line(image, 10.0, 4.0, angle)[inner]
    assert difference.min() > -0.01
    assert difference.max() < 1.01


@pytest.mark.parametrize("zoom", [1.0, 1.3636363636363638, 2.45, 5.0])
@pytest.mark.parametrize(("height", "width"), [(37, 50), (3, 7), (1, 1)])
def test_flakes_are_enlarged_as_by_scipy(zoom, height, width):
    ndimage = pytest.importorskip("scipy.ndimage")
    plane = np.random.default_rng(2).random((-int(-height // zoom), -int(-width // zoom)), dtype=np.float32)
    expected = ndimage.zoom(plane, zoom, order=1)[:height, :width]
    np.testing.assert_allclose(_enlarge(plane, zoom, (height, width)), expected, atol=1e-5)


def test_plasma_has_the_statistics_of_imagecorruptions(monkeypatch):
    corruptions = pytest.importorskip("imagecorruptions.corruptions")
    monkeypatch.setattr(corruptions.np.random, "uniform", np.random.default_rng(7).uniform)
    ours = [plasma_fractal(64, 2.0, np.random.default_rng(k)) for k in range(60)]
    theirs = [corruptions.plasma_fractal(64, 2.0) for _ in range(60)]
    for statistic in (
        np.mean,
        np.std,
        lambda p: np.abs(np.diff(p, axis=0)).mean(),
        lambda p: np.abs(p[:, 0] - p[:, -1]).mean(),
    ):
        a, b = [statistic(p) for p in ours], [statistic(p) for p in theirs]
        standard_error = np.hypot(np.std(a), np.std(b)) / np.sqrt(60)
        assert abs(np.mean(a) - np.mean(b)) < 4.5 * standard_error


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (25, 25), (40, 3), (13, 29)])
def test_correlate_is_exact(shape):
    rng = np.random.default_rng(3)
    kernel = rng.random(shape) * (rng.random(shape) < 0.4) + 1e-9
    weights = whole_weights(kernel, LARGEST_SUM / kernel.sum())
    assert weights.sum() == LARGEST_SUM
    assert np.abs(weights - kernel * LARGEST_SUM / kernel.sum()).max() <= 1
    image = rng.integers(0, 256, (20, 31), dtype=np.uint8)
    image[5:9] = 255
    height, width = shape
    padded = pad(image, (0, 0), (height - 1, width - 1), cv2.BORDER_REPLICATE)
    windows = np.lib.stride_tricks.sliding_window_view(padded.astype(np.int64), shape)
    np.testing.assert_array_equal(
        correlate(padded, weights, image.shape), np.einsum("yxji,ji->yx", windows, weights.astype(np.int64))
    )


def test_normal_numbers_are_normal():
    stats = pytest.importorskip("scipy.stats")
    drawn = standard_normal(np.random.Generator(np.random.SFC64(1)), (300, 1001)).ravel()
    assert drawn.dtype == np.float32
    assert stats.kstest(drawn, "norm").pvalue > 0.01
    assert abs(drawn.mean()) < 4 / np.sqrt(drawn.size)
    assert abs(drawn.var() - 1) < 4 * np.sqrt(2 / drawn.size)
    assert abs((drawn.astype(np.float64) ** 4).mean() - 3) < 4 * np.sqrt(96 / drawn.size)
    lags = [np.corrcoef(drawn[:-lag], drawn[lag:])[0, 1] for lag in range(1, 9)]
    assert np.abs(lags).max() < 5 / np.sqrt(drawn.size)
