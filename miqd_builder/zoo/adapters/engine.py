"""A network, or its part that extracts features, run by ONNX Runtime instead of PyTorch: on a CPU several times as fast."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from miqd_builder.errors import ConfigError
from miqd_builder.onnx_session import open_session

Engine = Literal["torch", "onnxruntime"]

TOLERANCE = 1e-3
"""Greatest difference from PyTorch, relative to the largest output, with which a graph is taken for the same network."""
AXES = {0: "images", 2: "height", 3: "width"}


def use_onnxruntime(network: nn.Module, method: str, name: str) -> None:
    """Let one method of a network run in ONNX Runtime, in place.

    Args:
        network: in evaluation mode, on the CPU.
        method: takes one tensor ``(N, 3, height, width)`` and returns a tensor or a tuple or list of tensors.
        name: of the model, for errors.
    """
    setattr(network, method, OnnxMethod(network, getattr(network, method), name))


class OnnxMethod:
    """A function of one tensor as an ONNX graph: exported at the first call, compared with PyTorch for each new shape.

    Args:
        network: what the function belongs to; its parameters are written into the graph.
        function: from one tensor to a tensor, or a tuple or list of tensors.
        name: of the model, for errors.
    """

    def __init__(self, network: nn.Module, function: Callable[[Tensor], Any], name: str) -> None:
        self._wrapped = _Function(network, function).eval()  # the exporter puts back the mode that it found
        self._name = name
        self._session: Any = None
        self._checked: set[torch.Size] = set()

    def __call__(self, inputs: Tensor) -> Any:
        """Run the graph on float32 ``(N, 3, height, width)``.

        Raises:
            ConfigError: the network can't be exported, or its graph gives other values.
        """
        if self._session is None:
            self._session = self._export(inputs)
        outputs = [torch.from_numpy(array) for array in self._session.run(None, {"inputs": inputs.numpy()})]
        if inputs.shape not in self._checked:
            self._check(inputs, outputs)
            self._checked.add(inputs.shape)
        kind = self._wrapped.kind
        return outputs[0] if kind is Tensor else kind(outputs)

    def _export(self, inputs: Tensor) -> Any:
        file = io.BytesIO()
        try:
            with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                example = inputs.clone()
                count = len(self._wrapped(example))
                names = [f"output_{index}" for index in range(count)]
                torch.onnx.export(
                    self._wrapped,
                    (example,),
                    file,  # type: ignore[arg-type]  # it takes any file object
                    input_names=["inputs"],
                    output_names=names,
                    dynamic_axes={"inputs": AXES, **{name: {0: "images"} for name in names}},
                    opset_version=17,
                    dynamo=False,
                )
            return open_session(file.getvalue(), who=f"Model {self._name!r}", threads=torch.get_num_threads())
        except ConfigError:
            raise
        except Exception as error:  # the exporter raises whatever it likes
            line = str(error).strip().splitlines() or [""]
            raise self._refused(f"can't be exported to ONNX ({type(error).__name__}: {line[0]})") from error

    def _check(self, inputs: Tensor, outputs: list[Tensor]) -> None:
        with torch.no_grad():
            expected = self._wrapped(inputs)
        for ours, theirs in zip(outputs, expected, strict=True):
            scale = max(1.0, float(theirs.abs().max()))
            if ours.shape != theirs.shape or not float((ours - theirs).abs().max()) <= TOLERANCE * scale:
                raise self._refused(f"gives other values in ONNX Runtime for inputs {tuple(inputs.shape)}")

    def _refused(self, why: str) -> ConfigError:
        return ConfigError(f"Model {self._name!r} {why}: use engine: torch for it.")


class _Function(nn.Module):
    """A function as a module that returns a tuple of tensors, as the exporter wants it."""

    def __init__(self, network: nn.Module, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.network = network
        self._function = function
        self.kind: type = Tensor

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        result = self._function(inputs)
        self.kind = Tensor if isinstance(result, Tensor) else type(result)
        values = (result,) if isinstance(result, Tensor) else tuple(result)
        if not all(isinstance(value, Tensor) for value in values):
            raise TypeError("its output is no tensor and no tuple of tensors")
        return values
