"""What computes a network's scores: PyTorch, or ONNX Runtime, which takes little more than half the time on a CPU."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from machine_iqa.export import onnx_graph
from machine_iqa.networks.base import QualityNetwork, Views
from machine_iqa.networks.folding import folded
from miqd_builder.errors import ConfigError
from miqd_builder.onnx_session import open_session

EngineName = Literal["auto", "torch", "onnx"]


class Engine(Protocol):
    """Scores a batch of views of equal shapes: ``(N, K)``."""

    def __call__(self, batch: Views) -> NDArray[np.float32]:
        """Return the scores."""


class TorchEngine:
    """A network in PyTorch, its BatchNorms folded into its convolutions.

    Args:
        network: in eval mode.
        device: to compute on.
    """

    def __init__(self, network: QualityNetwork, device: torch.device) -> None:
        self._device = device
        # On a CPU, convolutions are faster over pixels whose channels lie together.
        layout = torch.channels_last if device.type == "cpu" else torch.contiguous_format
        self._network = folded(network).to(device)
        self._network.to(memory_format=layout)  # type: ignore[call-overload]  # missing in torch's stubs

    @torch.inference_mode()
    def __call__(self, batch: Views) -> NDArray[np.float32]:
        """Return the scores of a batch."""
        moved = {name: view.to(self._device) for name, view in batch.items()}
        with torch.backends.cudnn.flags(allow_tf32=False):  # else a GPU rounds to 10 bits, and scores differ from the CPU's
            scores: NDArray[np.float32] = self._network(moved).scores.float().cpu().numpy()
        return scores


class OnnxEngine:
    """A network in ONNX Runtime, on one core of a CPU for each thread that calls it.

    Args:
        network: in eval mode.
    """

    def __init__(self, network: QualityNetwork) -> None:
        self._session = open_session(onnx_graph(network), who="engine onnx")

    def __call__(self, batch: Views) -> NDArray[np.float32]:
        """Return the scores of a batch."""
        scores: NDArray[np.float32] = self._session.run(None, {name: view.numpy() for name, view in batch.items()})[0]
        return scores


def create_engine(name: EngineName, network: QualityNetwork, device: torch.device) -> Engine:
    """Return the engine of a name; ``auto`` is ONNX Runtime on a CPU, for networks that gain by it, and PyTorch else.

    Raises:
        ConfigError: the name is unknown, or ONNX Runtime is to compute on a GPU.
    """
    if name not in ("auto", "torch", "onnx"):
        raise ConfigError(f"Unknown engine '{name}': expected auto, torch or onnx.")
    if name == "onnx" and device.type != "cpu":
        raise ConfigError(f"Engine onnx computes on the CPU, not on device '{device}'.")
    onnx = name == "onnx" or (name == "auto" and network.faster_in_onnx and device.type == "cpu")
    return OnnxEngine(network) if onnx else TorchEngine(network, device)
