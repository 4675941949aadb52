"""SSIM and MS-SSIM against independent computations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import correlate1d
from skimage import data as pictures
from skimage.metrics import structural_similarity

import degradations
from miqd_builder.measures import create_measure

Image = np.ndarray
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@pytest.fixture(scope="module")
def pair() -> tuple[Image, Image]:
    """A photograph, large enough that some SSIMs would shrink it, whose sides halve four times; and a blurred one."""
    image = np.ascontiguousarray(pictures.astronaut()[:400, :416])
    degraded = next(degradations.render(image, source_id="a", names=["defocus_blur_2"])).pixels
    return image, degraded


def measured(name: str, source: Image, degraded: Image) -> float:
    return float(create_measure(name)(degraded[None], source)[0])


def smooth(plane: Image) -> Image:
    """Gaussian window of 11, only where it lies inside."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()
    return correlate1d(correlate1d(plane, taps, axis=0), taps, axis=1)[5:-5, 5:-5]


def ssim_terms(a: Image, b: Image) -> tuple[float, float]:
    """Mean SSIM and mean contrast-structure term of one channel, from their definitions in double precision."""
    c1, c2 = 0.01**2, 0.03**2
    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b, cov = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2, smooth(a * b) - mean_a * mean_b
    structure = (2 * cov + c2) / (var_a + var_b + c2)
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return float((luminance * structure).mean()), float(structure.mean())


def halved(plane: Image) -> Image:
    return (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / 4


def multi_scale(a: Image, b: Image) -> float:
    values = []
    for channel in range(3):
        x, y, product = a[..., channel] / 255, b[..., channel] / 255, 1.0
        for scale, weight in enumerate(WEIGHTS):
            ssim, structure = ssim_terms(x, y)
            product *= (ssim if scale == 4 else structure) ** weight
            x, y = (halved(x), halved(y)) if scale < 4 else (x, y)
        values.append(product)
    return float(np.mean(values))


def test_ssim_is_that_of_skimage(pair: tuple[Image, Image]) -> None:
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = structural_similarity(*pair, channel_axis=2, data_range=255, **settings)
    assert measured("ssim", *pair) == pytest.approx(expected, abs=1e-4)
    assert 0.3 < expected < 0.99


def test_ms_ssim_is_that_of_its_definition(pair: tuple[Image, Image]) -> None:
    assert measured("ms_ssim", *pair) == pytest.approx(multi_scale(*pair), abs=1e-4)
