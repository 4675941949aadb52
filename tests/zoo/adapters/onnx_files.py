"""Small networks as ONNX files: a classifier by colour, and detectors that find one bright rectangle."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

FREE = {0: "images"}


def write(network: nn.Module, file: Path, shape: tuple[int, ...], outputs: list[str], *, any_number: bool = False) -> Path:
    """Export a network of one input ``image``."""
    content = io.BytesIO()
    axes = {"image": FREE, **dict.fromkeys(outputs, FREE)} if any_number else {}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.rand(shape),),
            content,
            dynamo=False,
            opset_version=17,
            input_names=["image"],
            output_names=outputs,
            dynamic_axes=axes,
        )
    file.write_bytes(content.getvalue())
    return file


class Colours(nn.Module):
    """Logits: the means of R, G and B, times 10."""

    def forward(self, image: Tensor) -> Tensor:
        return 10 * image.mean(dim=(2, 3))


class Rectangle(nn.Module):
    """The box of all pixels brighter than a half, twice with other scores and labels, and a third one that is padding.

    Args:
        layout: ``apart``: boxes, scores, labels; ``columns``: all in one; ``classes``: boxes, scores of every class;
            ``masks``: as apart, with masks of the input; ``box masks``: with masks of the boxes.
        share: boxes as shares of the input instead of pixels.
        centre: boxes as centre and size.
    """

    def __init__(self, layout: str = "apart", *, share: bool = False, centre: bool = False) -> None:
        super().__init__()
        self.layout, self.share, self.centre = layout, share, centre

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        height, width = image.shape[2:]
        bright = (image.mean(dim=1)[0] > 0.5).float()
        rows, columns = bright.amax(dim=1), bright.amax(dim=0)
        across, down = torch.arange(width).float(), torch.arange(height).float()
        x1, x2 = width - (columns * (width - across)).max(), (columns * (across + 1)).max()
        y1, y2 = height - (rows * (height - down)).max(), (rows * (down + 1)).max()
        corners = torch.stack([x1, y1, x2, y2])
        if self.centre:
            corners = torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1])
        if self.share:
            corners = corners / torch.tensor([width, height, width, height])
        boxes = torch.stack([corners, corners, torch.zeros(4)])
        scores, labels = torch.tensor([0.4, 0.9, 0.0]), torch.tensor([0, 2, -1])
        if self.layout == "columns":
            return (torch.cat([boxes, scores[:, None], labels[:, None].float()], dim=1)[None],)
        if self.layout == "classes":
            return boxes[None], torch.tensor([[0.4, 0.1, 0.0], [0.2, 0.0, 0.9], [0.0, 0.0, 0.0]])[None]
        if self.layout == "masks":
            return boxes, scores, labels, torch.stack([bright, bright, 0 * bright])[:, None]
        if self.layout == "box masks":
            half = torch.cat([torch.ones(14, 28), torch.zeros(14, 28)])
            return boxes, scores, labels, torch.stack([half, half, half]) + 0 * x1
        return boxes[None], scores[None], labels[None]
