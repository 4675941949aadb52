"""Pooling without aliases, which DISTS puts in the place of VGG's maxima."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from miqd_builder.measures.features import Features


class L2Pooling(nn.Module):
    """Square root of the Hann-weighted mean of squares, every second pixel: weights (1, 2, 1) / 4 each way."""

    def forward(self, maps: Tensor) -> Tensor:
        """Halve ``(n, channels, height, width)``."""
        taps = maps.new_tensor([0.25, 0.5, 0.25])
        kernel = (taps[:, None] * taps).expand(maps.shape[1], 1, 3, 3)
        return (F.conv2d(maps.square(), kernel, stride=2, padding=1, groups=maps.shape[1]) + 1e-12).sqrt()


def with_l2_pooling(features: Features) -> Features:
    """Return the same features with other poolings; the weights are shared."""
    layers = [L2Pooling() if isinstance(layer, nn.MaxPool2d) else layer for layer in features.stack.children()]
    return Features(torch.nn.Sequential(*layers), sorted(features.layers))
