"""Photographs, degradations and weights that the tests of measures share."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray

from miqd_builder.measures import MEASURES, Scorer, create_measure, find_measure
from miqd_builder.sources.images import decode_image
from tests.conftest import SHARED

Image = NDArray[np.uint8]

REAL_WEIGHTS = SHARED / "real" / "measures"
CALIBRATION = SHARED / "reference" / "calibration"
WITHOUT_WEIGHTS = [name for name in MEASURES.names() if not find_measure(name).weights]
LEARNED = ["lpips_alex", "lpips_squeeze", "brisque", "niqe"]


def photographs() -> list[Image]:
    """Two photographs of 256x320 pixels, one with an odd size."""
    astronaut, coffee = skimage.data.astronaut(), skimage.data.coffee()
    return [np.ascontiguousarray(astronaut[:256, 100:420]), np.ascontiguousarray(coffee[60:321, 120:363])]


def blurred(image: Image, sigma: float) -> Image:
    """The image through a Gaussian."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def noisy(image: Image, sigma: float) -> Image:
    """The image with Gaussian noise."""
    noise = np.random.default_rng(0).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def tensor(image: Image, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """(1, 3, height, width) in [0, 1], made by hand."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, 2, 0))).to(dtype)[None] / 255


def measure_or_skip(name: str, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Scorer:
    """The measure with its real weights; skips where they are not at hand."""
    monkeypatch.setenv("MIQD_CACHE", str(cache))
    if REAL_WEIGHTS.is_dir() and not (cache / "measures").exists():
        (cache / "measures").symlink_to(REAL_WEIGHTS)
    if find_measure(name).weights:
        from miqd_builder.measures.weights import weight_files

        known = weight_files()
        lacking = [w for w in find_measure(name).weights if not any(file.is_file() for file, _ in known[w].on_disk())]
        if lacking:
            pytest.skip(f"weights {', '.join(lacking)} are not at hand (../shared/real/measures, or the package)")
    return create_measure(name)


def calibration_pair(name: str) -> tuple[Image, Image]:
    """Degraded image and reference."""
    degraded, reference = (CALIBRATION / folder / f"{name}.png" for folder in ("dist_dir", "ref_dir"))
    return decode_image(degraded.read_bytes(), name), decode_image(reference.read_bytes(), name)
