"""One network, run in every way that this machine knows: PyTorch's and two other engines."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from miqd_builder.onnx_session import open_session

Run = Callable[[Tensor], Any]


def ways(network: nn.Module, example: Tensor) -> dict[str, Callable[[], Run]]:
    """Return a maker of each way; making one may take minutes or fail."""
    return {
        "eager": lambda: network,
        "channels last": lambda: _channels_last(network),
        "torch.jit frozen (oneDNN fusion)": lambda: _frozen(network, example),
        "torch.compile": lambda: torch.compile(network, dynamic=False),  # type: ignore[no-any-return]
        "ONNX Runtime": lambda: _onnxruntime(graph(network, example)),
        "OpenVINO": lambda: _openvino(graph(network, example)),
    }


def milliseconds(run: Run, example: Tensor, repeats: int) -> tuple[float, np.ndarray]:
    """Least CPU time of some runs, in ms an image, and the output."""
    with torch.inference_mode():
        output = np.asarray(run(example))
        run(example)
        best = float("inf")
        for _ in range(repeats):
            start = time.process_time()
            run(example)
            best = min(best, time.process_time() - start)
    return best / len(example) * 1e3, output


def graph(network: nn.Module, example: Tensor) -> bytes:
    """Export a network to ONNX."""
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        options: dict[str, Any] = {"input_names": ["images"], "output_names": ["out"], "opset_version": 17, "dynamo": False}
        torch.onnx.export(network, (example,), file, **options)  # type: ignore[arg-type]
    return file.getvalue()


def _channels_last(network: nn.Module) -> Run:
    import copy

    laid_out: Any = copy.deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return lambda images: laid_out(images.contiguous(memory_format=torch.channels_last))


def _frozen(network: nn.Module, example: Tensor) -> Run:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, example)))  # type: ignore[no-any-return]


def _onnxruntime(content: bytes) -> Run:
    session = open_session(content, who="benchmark")
    return lambda images: session.run(None, {"images": images.numpy()})[0]


def _openvino(content: bytes) -> Run:
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    model = core.compile_model(core.read_model(content), "CPU", settings)
    return lambda images: model(images.numpy())[0]
