"""Where an image lies in a detector's input, and how boxes and masks come back from there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from miqd_builder.zoo.onnx_entry import OnnxGraph

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Placed:
    """An image in a network's input; all sizes are height and width in pixels.

    Attributes:
        image: size of the image.
        canvas_size: size of the input.
        inside: size of the image in the input.
        corner: top and left of the image in the input.
    """

    image: Size
    canvas_size: Size
    inside: Size
    corner: Size

    def canvas(self, image: NDArray[np.uint8], fill: int) -> NDArray[np.uint8]:
        """Return the input, uint8 ``(height, width, 3)``: the image resized (linearly, as YOLO and mmdet do) and padded."""
        import cv2

        height, width = self.inside
        if self.inside != self.image:
            image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
        if self.inside == self.canvas_size:
            return image
        canvas = np.full((*self.canvas_size, 3), fill, np.uint8)
        top, left = self.corner
        canvas[top : top + height, left : left + width] = image
        return canvas

    def in_image(self, boxes: Tensor, unit: str) -> Tensor:
        """Return boxes ``(n, 4)``, x1, y1, x2, y2, in pixels of the image."""
        if unit == "image":
            return boxes
        if unit == "share":
            boxes = boxes * torch.tensor([*self.canvas_size[::-1], *self.canvas_size[::-1]], dtype=torch.float32)
        scale = torch.tensor([self.image[1] / self.inside[1], self.image[0] / self.inside[0]] * 2, dtype=torch.float32)
        return (boxes - torch.tensor([*self.corner[::-1], *self.corner[::-1]], dtype=torch.float32)) * scale


def placement(image: Size, graph: OnnxGraph) -> Placed:
    """Return where an image of some size lies in the input of a detector."""
    if graph.size is None:
        return Placed(image, image, image, (0, 0))
    if graph.fit == "stretch":
        return Placed(image, graph.size, graph.size, (0, 0))
    scale = min(graph.size[0] / image[0], graph.size[1] / image[1])
    inside = (max(1, round(image[0] * scale)), max(1, round(image[1] * scale)))
    middle = ((graph.size[0] - inside[0]) // 2, (graph.size[1] - inside[1]) // 2)
    return Placed(image, graph.size, inside, (0, 0) if graph.fit == "pad_end" else middle)


def masks_in_image(masks: Tensor, boxes: Tensor, placed: Placed, graph: OnnxGraph) -> NDArray[np.bool_]:
    """Return bool masks ``(n, height, width)`` of the image.

    Args:
        masks: float ``(n, rows, columns)``, covering what ``graph.mask_area`` says.
        boxes: ``(n, 4)``, x1, y1, x2, y2 in pixels of the image.
        placed: where the image lies in the input.
        graph: the entry's section.
    """
    height, width = placed.image
    found = np.zeros((len(masks), height, width), np.bool_)
    for index, mask in enumerate(masks):
        if graph.mask_area == "box":
            values = _pasted(mask, boxes[index], placed.image)
        else:
            values = mask if graph.mask_area == "image" else _cut(_enlarged(mask, placed.canvas_size), placed)
            values = _enlarged(values, placed.image)
        found[index] = (values > graph.mask_threshold).numpy()
    return found


def _enlarged(mask: Tensor, size: Size) -> Tensor:
    if tuple(mask.shape) == size:
        return mask
    return F.interpolate(mask[None, None], size, mode="bilinear", align_corners=False)[0, 0]


def _cut(mask: Tensor, placed: Placed) -> Tensor:
    top, left = placed.corner
    return mask[top : top + placed.inside[0], left : left + placed.inside[1]]


def _pasted(mask: Tensor, box: Tensor, size: Size) -> Tensor:
    """Sample a mask that covers its box at the centres of the image's pixels; 0 outside (as Mask R-CNN does)."""
    x1, y1, x2, y2 = box.tolist()
    height, width = size
    across = (torch.arange(width, dtype=torch.float32) + 0.5 - x1) / max(x2 - x1, 1e-6) * 2 - 1
    down = (torch.arange(height, dtype=torch.float32) + 0.5 - y1) / max(y2 - y1, 1e-6) * 2 - 1
    grid = torch.stack([across[None, :].expand(height, width), down[:, None].expand(height, width)], dim=-1)
    return F.grid_sample(mask[None, None], grid[None], align_corners=False)[0, 0]
