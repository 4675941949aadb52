"""BRISQUE: 36 statistics of natural scenes at two scales, scored by a support vector machine (Mittal et al. 2012)."""

from __future__ import annotations

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

Floats = NDArray[np.float64]

LEAST = (
    0.338, 0.017204, 0.236, -0.123884, 0.000155, 0.001122, 0.244, -0.123586, 0.000152, 0.000975, 0.249, -0.135687,
    0.000174, 0.000913, 0.258, -0.143408, 0.000179, 0.000888, 0.471, 0.012809, 0.218, -0.094876, 1.5e-05, 0.001272,
    0.222, -0.115772, 1.6e-05, 0.001374, 0.227, -0.117188, 3e-05, 0.001122, 0.228, -0.12243, 2.8e-05, 0.001118,
)  # fmt: skip
MOST = (
    10, 0.806612, 1.642, 0.20293, 0.712298, 0.470257, 1.641, 0.179083, 0.710456, 0.470984, 1.555, 0.100858,
    0.684173, 0.534174, 1.561, 0.100486, 0.685696, 0.536508, 3.264, 0.703171, 1.046, 0.187459, 0.442057, 0.40803,
    1.042, 0.162604, 0.444362, 0.40243, 0.996, 0.098323, 0.531903, 0.369589, 0.99, 0.098658, 0.530092, 0.370399,
)  # fmt: skip
"""Of the 36 features in training (LIVE's release, ``allrange``): they are scaled to [-1, 1] by these."""


def brisque_core(coefficients: Floats, vectors: Floats, gamma: float, rho: float, device: str) -> Core:
    """Return BRISQUE with a given support vector machine.

    Args:
        coefficients: ``(vectors,)``.
        vectors: ``(vectors, 36)``.
        gamma: of the kernel ``exp(-gamma |x - vector|^2)``.
        rho: what is subtracted from the sum.
        device: where it runs.
    """
    import torch

    from miqd_builder.measures.batches import in_portions

    def tensor(values: object) -> Tensor:
        return torch.as_tensor(np.asarray(values, np.float64), device=device)

    weights, support, least, most = map(tensor, (coefficients, vectors, LEAST, MOST))

    def score(degraded: Tensor, reference: Tensor) -> Tensor:
        scaled = 2 * (brisque_features(degraded) - least) / (most - least) - 1
        distances = (scaled[:, None] - support).square().sum(-1)
        return torch.exp(-gamma * distances) @ weights - rho

    return in_portions(score, device, dtype=torch.float64)


def brisque_features(images: Tensor) -> Tensor:
    """Return the 36 features of ``(n, 3, height, width)`` RGB in [0, 1], ``(n, 36)``; NaN for an image without contrast."""
    import torch

    from miqd_builder.measures.natural_scenes import gray, halved, neighbour_features, normalised_contrast, symmetric_fit

    features = []
    image = gray(images)
    for _ in range(2):
        contrast = normalised_contrast(image, "constant")[:, 0]
        shape, variance = symmetric_fit(contrast.flatten(1))
        features += [shape, variance, *neighbour_features(contrast, rooted=False)]
        image = halved(image)
    return torch.stack(features, 1)


def read_machine(file: Path) -> tuple[Floats, Floats, float, float]:
    """Read a support vector regression with an RBF kernel from libsvm's text format: coefficients, vectors, gamma, rho.

    Raises:
        ConfigError: the file is no such machine of 36 features.
    """
    try:
        head, _, body = file.read_text(encoding="ascii").partition("\nSV\n")
        fields = dict(line.split(" ", 1) for line in head.splitlines())
        rows = [line.split() for line in body.splitlines()]
        vectors = np.zeros((len(rows), 36))
        for vector, (_, *entries) in zip(vectors, rows, strict=True):
            for index, value in (entry.split(":") for entry in entries):
                vector[int(index) - 1] = float(value)
        if (fields["svm_type"], fields["kernel_type"], int(fields["total_sv"])) != ("epsilon_svr", "rbf", len(rows)):
            raise ValueError("another kind of machine")
        return np.array([float(row[0]) for row in rows]), vectors, float(fields["gamma"]), float(fields["rho"])
    except (OSError, ValueError, LookupError) as error:
        raise ConfigError(f"Weights 'brisque': {file} is no libsvm regression of 36 features ({error}).") from None


def _build(device: str, files: Mapping[str, Path]) -> Core:
    return brisque_core(*read_machine(files["brisque"]), device)


BRISQUE = Measure(
    name="brisque",
    reference="none",
    lower_better=True,
    score_range=(-inf, inf),
    minimum_size=16,
    input="gray 0..255 rounded, at full and half resolution",
    source="Mittal, Moorthy and Bovik, IEEE TIP 21(12), 2012, doi:10.1109/TIP.2012.2214050",
    licence="Apache-2.0 (own code)",
    weights=("brisque",),
    agrees_with="piq.brisque on even sizes, with the same machine",
    tolerance=1e-2,
    build=_build,
)
"""Mostly 0 to 100. The window of 7 pixels must fit into half the size; undefined for an image without contrast.
piq works in float32, where a shape may fall on the neighbouring step of .001: that is the tolerance."""
