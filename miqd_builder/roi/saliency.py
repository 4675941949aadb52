"""ROI kind ``saliency``: the spectral residual of the image; needs nothing but the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from miqd_builder.roi.config import RoiConfig
from miqd_builder.sources import SourceImage, SourceSet

VERSION = 1


def check(config: RoiConfig, sources: SourceSet) -> None:
    """Every source has a mask: there is nothing to refuse."""


def mask(config: RoiConfig, source: SourceImage, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the salient region, see :func:`spectral_residual`."""
    return spectral_residual(image)


def content_hash(config: RoiConfig, source: SourceImage) -> str:
    """Return the version of the method."""
    return f"saliency {VERSION}"


def spectral_residual(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Salient region by the spectral residual of the log amplitude (Hou and Zhang, CVPR 2007).

    :func:`residual_map`, cut at Otsu's threshold (the paper's fixed factor of the mean leaves large objects hollow).
    """
    import cv2

    saliency = residual_map(image)
    low, high = float(saliency.min()), float(saliency.max())
    if high - low <= 1e-12 * max(high, 1.0):
        return np.zeros(image.shape[:2], np.uint8)
    levels = ((saliency - low) * (255 / (high - low))).astype(np.uint8)
    _, mask = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return mask


def residual_map(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return how much each pixel of uint8 ``(height, width, 3)`` RGB stands out, float64 ``(height, width)`` of at least 0.

    It is computed on 64 pixels of the shorter side, smoothed with a Gaussian of sigma 2.5 there, and enlarged to the image.
    """
    import cv2

    height, width = image.shape[:2]
    scale = 64 / min(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    gray = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA).astype(np.float64)
    spectrum = np.fft.fft2(gray)
    log_amplitude = np.log(np.abs(spectrum) + 1e-9)
    residual = log_amplitude - cv2.blur(log_amplitude, (3, 3))
    saliency = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    saliency = cv2.GaussianBlur(saliency, (0, 0), 2.5)
    return np.asarray(cv2.resize(saliency, (width, height), interpolation=cv2.INTER_LINEAR), np.float64)
