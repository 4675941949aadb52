"""What patches of original pixels tell: statistics of fixed filters, and features of three small convolutions."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from machine_iqa.networks.whole_image import BLOCK

STATISTICS = 9
"""Numbers that :func:`pixel_statistics` gives for a patch."""
_LEAST = 1e-3
"""Below half a grey level, of values from -1 to 1: what a logarithm adds to stay finite."""


class PatchBranch(nn.Module):
    """Three convolutions over patches of original pixels, and how much and how evenly their features respond in each patch.

    Attributes:
        width: features of a patch.
    """

    width = 96

    def __init__(self) -> None:
        super().__init__()
        channels = (3, 16, 32, self.width // 2)
        steps = [layer for a, b in pairwise(channels) for layer in (nn.Conv2d(a, b, 3, 2, 1), nn.ReLU())]
        self.layers = nn.Sequential(*steps)

    def forward(self, patches: Tensor) -> Tensor:
        """Return ``(N, width, P)`` of patches ``(N, P, 3, side, side)``."""
        found = self.layers(patches.flatten(0, 1)).flatten(2)
        features = torch.cat([found.mean(2), deviation(found)], 1)
        return features.reshape(-1, patches.shape[1], self.width).transpose(1, 2)


def pixel_statistics(patches: Tensor) -> Tensor:
    """Return nine statistics of each patch, of about the same spread.

    They are brightness, contrast, colour, mean slope along rows and along columns, mean and largest Laplacian (edges and
    noise), how much steeper slopes are at the borders of JPEG's blocks, and the share of flat pixels. All but the first
    and the last are logarithms.

    Args:
        patches: values -1 to 1, ``(N, P, 3, side, side)``; they begin at multiples of JPEG's blocks.

    Returns:
        ``(N, 9, P)``.
    """
    grey = patches.mean(2)
    rows = (grey[..., :, 1:] - grey[..., :, :-1]).abs()
    columns = (grey[..., 1:, :] - grey[..., :-1, :]).abs()
    middle = grey[..., 1:-1, 1:-1]
    around = grey[..., :-2, 1:-1] + grey[..., 2:, 1:-1] + grey[..., 1:-1, :-2] + grey[..., 1:-1, 2:]
    laplacian = (4 * middle - around).abs().flatten(2)
    colour = (patches - grey.unsqueeze(2)).abs().mean((2, 3, 4))
    flat = (laplacian < _LEAST).to(grey.dtype).mean(2)
    slopes = [logarithm(rows.mean((2, 3))), logarithm(columns.mean((2, 3)))]
    blocks = logarithm(rows[..., BLOCK - 1 :: BLOCK].mean((2, 3))) - slopes[0]
    edges = [logarithm(laplacian.mean(2)), logarithm(laplacian.amax(2))]
    contrast = logarithm(deviation(grey.flatten(2, 3)))
    return torch.stack([grey.mean((2, 3)), contrast, logarithm(colour), *slopes, *edges, blocks, flat], 1)


def deviation(values: Tensor) -> Tensor:
    """Return the standard deviation along the last axis; smooth at 0."""
    centred = values - values.mean(-1, keepdim=True)
    return (centred.square().mean(-1) + 1e-4).sqrt()


def logarithm(values: Tensor) -> Tensor:
    """Return half the logarithm of values + 0.001, plus 1.5: -2 to 1.5 for values from 0 to 1."""
    return 0.5 * (values + _LEAST).log() + 1.5
