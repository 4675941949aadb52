"""Averages of features over the region of interest, the background and everything."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def by_region(features: Tensor, inside: Tensor) -> list[Tensor]:
    """Return the mean of features ``(N, C, P)`` in a soft mask ``(N, 1, P)``, outside it and everywhere, each ``(N, C)``."""
    outside = 1 - inside
    means = [(features * part).sum(2) / (part.sum(2) + 1e-3) for part in (inside, outside)]
    return [*means, features.mean(2)]


def to_size_of(values: Tensor, other: Tensor) -> Tensor:
    """Return maps ``(N, C, h, w)`` in the height and width of others."""
    return F.interpolate(values, size=other.shape[2:], mode="bilinear", align_corners=False)
