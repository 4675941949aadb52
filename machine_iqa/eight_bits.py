"""Matrices and kernels in 8 bits for files of weights: whole numbers from -127 to 127, and a scale for each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SCALE = ".scale"
"""What follows a tensor's name in the name of its scales."""


def packed(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Return a tensor as int8 of its shape, and float32 scales, one for each index of the first axis.

    >>> import torch
    >>> values, scales = packed(torch.tensor([[1.0, -2.0], [0.0, 0.0]]))
    >>> values.tolist(), [round(scale, 4) for scale in scales.tolist()]
    ([[64, -127], [0, 0]], [0.0157, 1.0])
    """
    import torch

    rows = tensor.detach().float().flatten(1)
    scales = rows.abs().amax(1) / 127
    scales = torch.where(scales > 0, scales, torch.ones_like(scales))
    return (rows / scales[:, None]).round().to(torch.int8).reshape(tensor.shape), scales


def unpacked(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors by name, those in 8 bits as float32, without the scales."""
    import torch

    found = {}
    for name, tensor in state.items():
        scales = state.get(name + SCALE)
        if tensor.dtype == torch.int8 and scales is not None and scales.shape == tensor.shape[:1]:
            tensor = tensor.float() * scales.float().reshape(-1, *[1] * (tensor.ndim - 1))
        elif name.endswith(SCALE) and name.removesuffix(SCALE) in state:
            continue
        found[name] = tensor
    return found
