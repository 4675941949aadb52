"""Quality models for other programs: ONNX for ONNX Runtime, and PyTorch's exported programs (``.pt2``)."""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from machine_iqa.networks.base import Prediction, QualityNetwork, Views
from machine_iqa.networks.folding import folded
from miqd_builder.errors import ConfigError

if TYPE_CHECKING:
    from machine_iqa.model import MIQAModel

OPSET = 17
METADATA = "miqa"
"""Key of the record in the file's metadata."""


class _Scores(nn.Module):
    """A network that takes its views by position and returns the scores alone."""

    def __init__(self, network: QualityNetwork, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, *views: Tensor) -> Tensor:
        found: Prediction = self.network(dict(zip(self.names, views, strict=True)))
        return found.scores


def export(model: MIQAModel, to: str | Path) -> Path:
    """Write a model for other programs; its inputs are the network's views, with a first axis of any number of images.

    The output ``scores`` has a column for each of the network's outputs. The file's metadata (key ``miqa``) say in JSON what
    the columns are and how the views are made of an image; docs/quality-models.md shows that with NumPy and OpenCV.

    Args:
        model: to write.
        to: ``.onnx`` or ``.pt2``.

    Returns:
        the file.

    Raises:
        ConfigError: the name ends otherwise, or its folder isn't there.
    """
    file = Path(to)
    if file.suffix not in (".onnx", ".pt2"):
        raise ConfigError(f"Unknown format of '{file}': expected a name that ends with .onnx or .pt2.")
    if not file.parent.is_dir():
        raise ConfigError(f"Folder '{file.parent}' for the model is not there.")
    unfinished = file.with_name(f".{file.stem}.part{file.suffix}")
    write = _write_onnx if file.suffix == ".onnx" else _write_program
    write(model.network, unfinished, json.dumps(record(model)))
    unfinished.replace(file)
    return file


def onnx_graph(network: QualityNetwork) -> bytes:
    """Return a network as an ONNX file's content: inputs are its views, the output is ``scores``."""
    scores, views = _traceable(network)
    axes = {name: _free_axes(network, name) for name in views} | {"scores": {0: "images"}}
    content: Any = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the tracer warns of sizes that are constant here, and of its own age
        torch.onnx.export(
            scores,
            tuple(views.values()),
            content,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(views),
            output_names=["scores"],
            dynamic_axes=axes,
        )
    graph: bytes = content.getvalue()
    return graph


def record(model: MIQAModel) -> dict[str, Any]:
    """Return what a user of an exported file needs to know, as JSON values."""
    return {
        "model": model.name,
        "outputs": [asdict(output) for output in model.network.outputs],
        "sha256": model.sha256,
        "trained_on": model.trained_on,
        "licence": model.licence,
        "preprocessing": model.network.preprocessing(),
    }


def _traceable(network: QualityNetwork) -> tuple[_Scores, Views]:
    """Return a network that takes tensors only, on the CPU, and views of two images: a tracer takes a 1 for a constant."""
    view = network.views(np.zeros((480, 640, 3), np.uint8))
    views = {name: torch.stack([tensor, tensor]) for name, tensor in view.items()}
    return _Scores(folded(network).cpu(), tuple(views)).eval(), views


def _free_axes(network: QualityNetwork, name: str) -> dict[int, str]:
    """Return the axes of a view that may have another length: images, and height and width where the network takes any."""
    axes = {0: "images"}
    return axes | {2: f"{name}_height", 3: f"{name}_width"} if name in network.any_size else axes


def _write_onnx(network: QualityNetwork, file: Path, text: str) -> None:
    import onnx

    document = onnx.load_from_string(onnx_graph(network))
    onnx.helper.set_model_props(document, {METADATA: text})
    onnx.save(document, str(file))


def _write_program(network: QualityNetwork, file: Path, text: str) -> None:
    scores, views = _traceable(network)
    images = torch.export.Dim("images", min=1, max=4096)
    shapes = tuple({0: images} for _ in views)
    program = torch.export.export(scores, tuple(views.values()), dynamic_shapes=(shapes,))
    torch.export.save(program, str(file), extra_files={METADATA: text})
