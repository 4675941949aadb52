"""NIQE: how far the statistics of an image's patches are from those of pristine photographs (Mittal et al. 2013).

``sqrt((m - m0)' ((S + S0) / 2)^-1 (m - m0))``, m and S the mean and covariance of 36 features over patches of 96 pixels.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError
from miqd_builder.measures.measure import Core, Measure

if TYPE_CHECKING:
    from torch import Tensor

PATCH = 96


def niqe_core(mean: NDArray[np.float64], covariance: NDArray[np.float64], device: str) -> Core:
    """Return NIQE with given statistics of pristine patches.

    Args:
        mean: ``(36,)``.
        covariance: ``(36, 36)``.
        device: where it runs.
    """
    import torch

    from miqd_builder.measures.batches import in_portions

    pristine_mean, pristine_covariance = (torch.as_tensor(v, dtype=torch.float64, device=device) for v in (mean, covariance))

    def one(features: Tensor) -> Tensor:
        # As the authors: a patch without contrast has no features and leaves the covariance, but each mean takes what there is.
        whole = features[~features.isnan().any(1)]
        if len(whole) < 2:
            return features.new_tensor(torch.nan)
        difference = pristine_mean - features.nanmean(0)
        inverse = torch.linalg.pinv((pristine_covariance + torch.cov(whole.T)) / 2)
        return (difference @ inverse @ difference).sqrt()

    def score(degraded: Tensor, reference: Tensor) -> Tensor:
        return torch.stack([one(features) for features in niqe_features(degraded)])

    return in_portions(score, device, dtype=torch.float64)


def niqe_features(images: Tensor) -> Tensor:
    """Return 36 features of every patch of ``(n, 3, height, width)`` RGB in [0, 1], ``(n, patches, 36)``."""
    import torch

    from miqd_builder.measures.natural_scenes import asymmetric_fit, gray, halved, neighbour_features, normalised_contrast

    rows, columns = (side // PATCH for side in images.shape[-2:])
    image = gray(images)[..., : rows * PATCH, : columns * PATCH]
    features = []
    for patch in (PATCH, PATCH // 2):
        contrast = normalised_contrast(image, "replicate")
        patches = contrast.unfold(2, patch, patch).unfold(3, patch, patch).reshape(-1, patch, patch)
        shape, left, right = asymmetric_fit(patches.flatten(1))
        scale = torch.exp((torch.lgamma(1 / shape) - torch.lgamma(3 / shape)) / 2)
        features += [shape, (left + right) * scale / 2, *neighbour_features(patches, rooted=True)]
        image = halved(image)
    return torch.stack(features, 1).view(len(images), rows * columns, -1)


def read_pristine(file: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read mean and covariance of pristine patches.

    Raises:
        ConfigError: the file holds something else.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            mean = np.asarray(arrays["mu_pris_param"], np.float64).reshape(36)
            return mean, np.asarray(arrays["cov_pris_param"], np.float64).reshape(36, 36)
    except (OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile) as error:
        raise ConfigError(f"Weights 'niqe': {file} doesn't hold mean and covariance of 36 features ({error}).") from None


def _build(device: str, files: Mapping[str, Path]) -> Core:
    return niqe_core(*read_pristine(files["niqe"]), device)


NIQE = Measure(
    name="niqe",
    reference="none",
    lower_better=True,
    score_range=(0.0, inf),
    minimum_size=PATCH,
    input="gray 0..255 rounded, at full and half resolution, whole patches of 96 pixels from the upper left corner",
    source="Mittal, Soundararajan and Bovik, IEEE SPL 20(3), 2013, doi:10.1109/LSP.2012.2227726",
    licence="Apache-2.0 (own code)",
    weights=("niqe",),
    agrees_with="official values of five TID2013 images",
    tolerance=1e-2,
    build=_build,
)
"""Undefined also where fewer than two patches have contrast: an image needs two patches."""
