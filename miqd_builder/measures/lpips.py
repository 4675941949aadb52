"""LPIPS 0.1: distances between normalised features of a classifier, weighted by what people saw (Zhang et al. 2018).

``sum over layers of mean over pixels of sum over channels of w (x / |x| - y / |y|)^2``, x and y the features of RGB in [-1, 1],
shifted and scaled by the authors' constants, at full resolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from miqd_builder.measures.measure import Core, Measure

if TYPE_CHECKING:
    from torch import Tensor

    from miqd_builder.measures.features import Features

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of R, G and B in [-1, 1]."""
EPSILON = 1e-10


def lpips_core(features: Features, heads: list[Tensor], device: str) -> Core:
    """Return LPIPS with given networks.

    Args:
        features: of the backbone.
        heads: one ``(1, channels, 1, 1)`` a layer, not negative.
        device: where it runs.
    """
    import torch

    from miqd_builder.measures.batches import in_portions

    features = features.to(device).eval()
    heads = [head.to(device) for head in heads]
    shift, scale = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (SHIFT, SCALE))

    def normalised(images: Tensor) -> list[Tensor]:
        maps = features((images * 2 - 1 - shift) / scale)
        return [found / (found.square().sum(1, keepdim=True).sqrt() + EPSILON) for found in maps]

    def distance(degraded: Tensor, reference: Tensor) -> Tensor:
        pairs = zip(heads, normalised(degraded), normalised(reference), strict=True)
        layers = [((one - other).square() * head).sum(1).mean((1, 2)) for head, one, other in pairs]
        return torch.stack(layers).sum(0)

    return in_portions(distance, device)


def _build(backbone: str, name: str, device: str, files: Mapping[str, Path]) -> Core:
    from miqd_builder.measures.features import BACKBONES, load_features, tensors_of

    channels = BACKBONES[backbone].channels
    shapes = {f"lin{layer}.model.1.weight": (1, count, 1, 1) for layer, count in enumerate(channels)}
    heads = tensors_of(name, files[name], shapes)
    return lpips_core(load_features(backbone, files[backbone]), list(heads.values()), device)


def _lpips(network: str, backbone: str, minimum_size: int) -> Measure:
    name = f"lpips_{network}"
    return Measure(
        name=name,
        reference="full",
        lower_better=True,
        score_range=(0.0, inf),
        minimum_size=minimum_size,
        input="RGB in [-1, 1] at full resolution",
        source="Zhang et al., CVPR 2018, arXiv:1801.03924 (version 0.1)",
        licence="Apache-2.0 (own code)",
        weights=(backbone, name),
        agrees_with=f"lpips.LPIPS(net='{network}')",
        tolerance=1e-4,
        build=partial(_build, backbone, name),
    )


LPIPS_ALEX = _lpips("alex", "alexnet", 31)
LPIPS_VGG = _lpips("vgg", "vgg16", 16)
LPIPS_SQUEEZE = _lpips("squeeze", "squeezenet", 17)
"""Of each, the smallest image that leaves a pixel in the last layer."""
