"""A network in bfloat16: faster on GPUs with tensor cores, where predictions may differ in the third digit."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

Precision = Literal["float32", "bfloat16"]


def use_bfloat16(network: nn.Module, method: str, device: torch.device) -> None:
    """Let one method of a network run under autocast, in place; what it returns is float32 again.

    Of a detector that is the part that extracts features: boxes, scores and masks are computed from them in full precision,
    since 8 bits are too few for a coordinate. On a GPU the weights are laid out channels last, as tensor cores read them.

    Args:
        network: in evaluation mode, on its device.
        method: ``forward``, or ``extract_feat`` of an OpenMMLab network.
        device: where it runs. A CPU without bfloat16 instructions is 10 to 25 times slower so.
    """
    if device.type == "cuda":
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    full = getattr(network, method)

    def half(*args: Any, **kwargs: Any) -> Any:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            result = full(*args, **kwargs)
        return _as_float32(result)

    setattr(network, method, half)


def _as_float32(value: Any) -> Any:
    """The same tensors, tuples, lists and dicts in float32."""
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, list | tuple):
        return type(value)(map(_as_float32, value))
    return {key: _as_float32(item) for key, item in value.items()} if isinstance(value, dict) else value
