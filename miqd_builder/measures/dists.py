"""DISTS: structure and texture similarity of VGG16's features (Ding et al. 2020).

``1 - sum over layers and channels of alpha l + beta s``, l and s the SSIM terms of whole feature maps (mean, and covariance),
alpha and beta learned and normalised to sum 1; the image itself is the first layer; VGG's maxima are replaced by Hann-weighted
L2 pooling.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from miqd_builder.measures.measure import Core, Images, Measure, Values

if TYPE_CHECKING:
    from torch import Tensor

    from miqd_builder.measures.features import Features

SHORT_SIDE = 256
CHANNELS = (3, 64, 128, 256, 512, 512)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EPSILON = 1e-6


def dists_core(features: Features, alpha: Tensor, beta: Tensor, device: str) -> Core:
    """Return DISTS with given networks.

    Args:
        features: of VGG16, with its own poolings.
        alpha: weights of structure, ``(1, 1475, 1, 1)``.
        beta: weights of texture, ``(1, 1475, 1, 1)``.
        device: where it runs.
    """
    import torch

    from miqd_builder.measures.batches import in_portions
    from miqd_builder.measures.l2_pooling import with_l2_pooling

    features = with_l2_pooling(features).to(device).eval()
    total = alpha.sum() + beta.sum()
    alphas, betas = ((weights / total).to(device).split(CHANNELS, 1) for weights in (alpha, beta))
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))

    def distance(degraded: Tensor, reference: Tensor) -> Tensor:
        ones, others = ([images, *features((images - mean) / std)] for images in (degraded, reference))
        layers = [_layer(*layer) for layer in zip(ones, others, alphas, betas, strict=True)]
        return 1 - torch.stack(layers).sum(0)

    core = in_portions(distance, device)
    return lambda degraded, reference: _reduced(core, degraded, reference)


def _layer(one: Tensor, other: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """Return a layer's share of the similarity, ``(n,)``."""
    mean, other_mean = (maps.mean((2, 3), keepdim=True) for maps in (one, other))
    structure = (2 * mean * other_mean + EPSILON) / (mean.square() + other_mean.square() + EPSILON)
    variance, other_variance = (m.sub(mu).square().mean((2, 3), keepdim=True) for m, mu in ((one, mean), (other, other_mean)))
    covariance = (one * other).mean((2, 3), keepdim=True) - mean * other_mean
    texture = (2 * covariance + EPSILON) / (variance + other_variance + EPSILON)
    return (alpha * structure + beta * texture).sum((1, 2, 3))


def _reduced(core: Core, degraded: Images, reference: Images) -> Values:
    return core(shorter_to_256(degraded), shorter_to_256(reference))


def shorter_to_256(images: Images) -> Images:
    """Reduce images to a shorter side of 256 pixels where it's longer, bilinear and antialiased, as the authors do."""
    height, width = images.shape[1:3]
    short = min(height, width)
    if short <= SHORT_SIDE:
        return images
    size = tuple(SHORT_SIDE * side // short for side in (width, height))
    return np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)) for image in images])


def _build(device: str, files: Mapping[str, Path]) -> Core:
    from miqd_builder.measures.features import load_features, tensors_of

    weights = tensors_of("dists", files["dists"], {name: (1, sum(CHANNELS), 1, 1) for name in ("alpha", "beta")})
    return dists_core(load_features("vgg16", files["vgg16"]), weights["alpha"], weights["beta"], device)


DISTS = Measure(
    name="dists",
    reference="full",
    lower_better=True,
    score_range=(0.0, 1.0),
    minimum_size=16,
    input="RGB in [0, 1], shorter side reduced to 256 pixels on the uint8 image, then ImageNet mean and std",
    source="Ding et al., IEEE TPAMI 44(5), 2022, doi:10.1109/TPAMI.2020.3045810",
    licence="Apache-2.0 (own code)",
    weights=("vgg16", "dists"),
    agrees_with="DISTS_pytorch.DISTS on prepare_image(resize=True)",
    tolerance=1e-4,
    build=_build,
)
"""Four poolings leave one pixel of 16."""
