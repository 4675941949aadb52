"""Full-reference measures beside PSNR: SSIM and MS-SSIM of a degraded image against its source, through piq."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError

if TYPE_CHECKING:
    import torch

SMALLEST_SIDE = {"ssim": 11, "ms_ssim": 161}
"""Least height and width in pixels: the window of 11, and of MS-SSIM four halvings that leave one window."""


def check_measures(names: Collection[str]) -> None:
    """Check that the measures can be computed here.

    Raises:
        ConfigError: piq is not installed.
    """
    if names and importlib.util.find_spec("piq") is None:
        raise ConfigError(
            f"full_reference: {', '.join(names)} needs the package piq: install it with pip install 'miqd-builder[quality]'."
        )


def full_reference(names: Collection[str], source: NDArray[np.uint8], degraded: NDArray[np.uint8]) -> dict[str, float | None]:
    """Return some measures of a degraded image against its source.

    ``ssim``: structural similarity (Wang et al. 2004), Gaussian window of 11 pixels with sigma 1.5, K1 = 0.01, K2 = 0.03, at
    full resolution, only windows that lie inside the image, mean over the three channels.
    ``ms_ssim``: the same over five scales, with the weights of Wang et al. 2003.
    Single precision: about four digits hold on any machine.

    Args:
        names: ssim, ms_ssim.
        source: uint8 ``(height, width, 3)`` RGB.
        degraded: the same size.

    Returns:
        Each measure by name, 1 for equal images; None where the image is too small for it (:data:`SMALLEST_SIDE`).
    """
    import piq
    import torch

    # Workers are the parallelism; one thread keeps the order of sums, and so the last bits.
    torch.set_num_threads(1)
    one, other = _tensor(source), _tensor(degraded)
    values: dict[str, float | None] = {}
    for name in names:
        if min(source.shape[:2]) < SMALLEST_SIDE[name]:
            values[name] = None
        elif name == "ssim":
            values[name] = float(piq.ssim(one, other, data_range=1.0, downsample=False))
        else:
            values[name] = float(piq.multi_scale_ssim(one, other, data_range=1.0))
    return values


def _tensor(image: NDArray[np.uint8]) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].float() / 255
