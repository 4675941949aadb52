"""From uint8 images to tensors, in portions that fit the memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from miqd_builder.measures.measure import Core, Images, Values

GPU_PIXELS = 2**22
"""Pixels in one portion on a GPU: a dozen images of 640x480. On a CPU a portion is one image, which is no slower."""

TensorCore = Callable[[Tensor, Tensor], Tensor]
"""Degraded ``(n, 3, height, width)`` and reference ``(1 or n, 3, height, width)`` in [0, 1] in, n values out."""


def in_portions(function: TensorCore, device: str, *, dtype: torch.dtype = torch.float32) -> Core:
    """Let a function of tensors take uint8 images.

    Args:
        function: of RGB tensors in [0, 1].
        device: where it runs. On a GPU convolutions keep full precision (no TF32).
        dtype: of the tensors.
    """
    place = torch.device(device)

    def core(degraded: Images, reference: Images) -> Values:
        size = max(1, GPU_PIXELS // (degraded.shape[1] * degraded.shape[2])) if place.type == "cuda" else 1
        common = to_tensor(reference, place, dtype) if len(reference) == 1 else None
        values = []
        with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
            for start in range(0, len(degraded), size):
                portion = slice(start, start + size)
                other = to_tensor(reference[portion], place, dtype) if common is None else common
                values.append(function(to_tensor(degraded[portion], place, dtype), other).double().cpu().numpy())
        return np.concatenate(values)

    return core


def to_tensor(images: Images, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return uint8 ``(n, height, width, 3)`` as ``(n, 3, height, width)`` in [0, 1]."""
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return torch.from_numpy(planes).to(device).to(dtype) / 255
