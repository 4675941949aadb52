"""Statistics of natural scenes that BRISQUE and NIQE share: normalised contrast, generalised Gaussians, halving as MATLAB does.

All in float64, on any device.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SHAPES = (0.2, 10.0, 0.001)
"""First, last and step of the shapes that are tried."""
SHIFTS = ((0, 1), (1, 0), (1, 1), (-1, 1))
"""Neighbours, down and right: horizontal, vertical, and the two diagonals."""

ROUNDING = 1e-9
"""Contrast below this is rounding error of an even area (one gray level at a window's corner makes 1e-4). The published code
counts its signs in the fits: images with even areas get values that hang on the order of sums."""


def gray(images: Tensor) -> Tensor:
    """Return the gray of ``(n, 3, height, width)`` RGB in [0, 1] as integers 0..255, ``(n, 1, height, width)``."""
    weights = images.new_tensor([0.298936021293775, 0.587043074451121, 0.114020904255103]).view(1, 3, 1, 1)
    return (images * 255 * weights).sum(1, keepdim=True).add(0.5).floor()


def normalised_contrast(images: Tensor, padding: str) -> Tensor:
    """Return ``(x - mean) / (deviation + 1)`` in a Gaussian window of 7 pixels, sigma 7/6 (MSCN); exactly 0 where all is even.

    Args:
        images: ``(n, 1, height, width)``, 0..255.
        padding: ``constant`` (zeros, as BRISQUE) or ``replicate`` (as NIQE).
    """
    offsets = torch.arange(-3, 4, dtype=images.dtype, device=images.device)
    taps = torch.exp(-offsets.square() / (2 * (7 / 6) ** 2))
    taps = taps / taps.sum()

    def smooth(maps: Tensor) -> Tensor:
        maps = F.pad(maps, (3, 3, 3, 3), mode=padding)
        return F.conv2d(F.conv2d(maps, taps.view(1, 1, 1, 7)), taps.view(1, 1, 7, 1))

    mean = smooth(images)
    deviation = (smooth(images.square()) - mean.square()).abs().sqrt()
    contrast = (images - mean) / (deviation + 1)
    return torch.where(contrast.abs() < ROUNDING, 0.0, contrast)


def symmetric_fit(values: Tensor) -> tuple[Tensor, Tensor]:
    """Fit generalised Gaussians of mean 0 by moments: shape and variance of each row of ``(n, values)``."""
    variance = values.square().mean(-1)
    rho = variance / values.abs().mean(-1).square()
    shapes, ratios = _shapes(values.device)
    return _nearest(1 / ratios, rho, shapes), variance


def asymmetric_fit(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fit asymmetric generalised Gaussians by moments: shape, left and right deviation of each row of ``(n, values)``.

    NaN where a row has no negative or no positive values.
    """
    squares = values.square()
    left, right = ((squares * side).sum(-1).div(side.sum(-1)).sqrt() for side in (values < 0, values > 0))
    skew = left / right
    rho = values.abs().mean(-1).square() / squares.mean(-1)
    rho = rho * (skew**3 + 1) * (skew + 1) / (skew.square() + 1).square()
    shapes, ratios = _shapes(values.device)
    return _nearest(ratios, rho, shapes), left, right


def neighbour_features(contrast: Tensor, *, rooted: bool) -> list[Tensor]:
    """Return 16 features of products of neighbours in ``(n, height, width)``: shape, mean, left and right spread by direction.

    Args:
        contrast: :func:`normalised_contrast`; its edges are neighbours of the opposite ones.
        rooted: as NIQE, spreads of the Gaussian's own scale; else, as BRISQUE, variances.
    """
    features = []
    for shift in SHIFTS:
        products = contrast * contrast.roll(shift, (-2, -1))
        shape, left, right = asymmetric_fit(products.flatten(1))
        one, two, three = (torch.lgamma(k / shape) for k in (1, 2, 3))
        scale = torch.exp((one - three) / 2)
        mean = (right - left) * scale * torch.exp(two - one)
        spreads = (left * scale, right * scale) if rooted else (left.square(), right.square())
        features += [shape, mean, *spreads]
    return features


def halved(images: Tensor) -> Tensor:
    """Halve ``(n, 1, height, width)`` as MATLAB's ``imresize(image, 0.5)``: antialiased bicubic, edges mirrored, rounded up."""
    height, width = images.shape[-2:]
    rows, columns = (torch.from_numpy(_halving(side)).to(images) for side in (height, width))
    return rows @ images @ columns.T


@lru_cache(maxsize=64)
def _halving(size: int) -> np.ndarray:
    """Return the matrix ``(ceil(size / 2), size)`` that halves a line."""
    centres = 2 * np.arange(1, -(-size // 2) + 1) - 0.5
    taps = np.floor(centres - 4)[:, None] + np.arange(10)
    distances = np.abs(centres[:, None] - taps) / 2
    near = 1.5 * distances**3 - 2.5 * distances**2 + 1
    far = -0.5 * distances**3 + 2.5 * distances**2 - 4 * distances + 2
    weights = np.where(distances <= 1, near, np.where(distances <= 2, far, 0))
    mirror = np.concatenate([np.arange(size), np.arange(size)[::-1]])
    matrix = np.zeros((len(centres), size))
    np.add.at(matrix, (np.arange(len(centres))[:, None], mirror[(taps.astype(int) - 1) % (2 * size)]), weights)
    return matrix / matrix.sum(1, keepdims=True)


@lru_cache(maxsize=8)
def _shapes(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the shapes that are tried and the ratio (E|x|)^2 / E x^2 of each."""
    first, last, step = SHAPES
    shapes = torch.arange(round((last - first) / step) + 1, dtype=torch.float64, device=device) * step + first
    one, two, three = (torch.lgamma(k / shapes) for k in (1, 2, 3))
    return shapes, torch.exp(2 * two - one - three)


def _nearest(ratios: Tensor, wanted: Tensor, shapes: Tensor) -> Tensor:
    """Return the shape whose ratio is nearest; NaN for NaN."""
    found = shapes[(ratios - wanted[:, None]).abs().argmin(-1)]
    return torch.where(wanted.isnan(), wanted, found)
