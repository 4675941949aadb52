"""Detectors and instance segmenters that are an ONNX file: an image into its input, its outputs back into the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import batched_nms

from miqd_builder.errors import ConfigError
from miqd_builder.responses import MAX_DETECTIONS, Detections, Response
from miqd_builder.zoo.adapters.base import BatchedAdapter, BuildOptions, Prepared, RGBImage
from miqd_builder.zoo.adapters.categories import category_ids_of
from miqd_builder.zoo.adapters.onnx_masks import Placed, masks_in_image, placement
from miqd_builder.zoo.adapters.onnx_network import Arrays, OnnxNetwork
from miqd_builder.zoo.entry import ModelEntry

_NOT_USED = ("resize_short", "crop", "interpolation")


@dataclass(frozen=True, slots=True)
class Found:
    """Detections as the graph gives them, with labels from 0.

    Attributes:
        boxes: ``(n, 4)``, in the entry's format and unit.
        scores: ``(n,)``.
        labels: ``(n,)``; negative for the background.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


class OnnxDetector(BatchedAdapter):
    """A graph that ends in boxes, scores and labels, and masks where the task is ins; one image in a pass."""

    def __init__(self, entry: ModelEntry, options: BuildOptions) -> None:
        super().__init__(entry, options)
        assert entry.onnx is not None and entry.onnx.classes is not None  # the entry was validated
        self._graph = graph = entry.onnx
        self._group = self.batch_size = 1
        self._category_ids = category_ids_of(entry.name, entry.onnx.classes, options.category_ids)
        self.num_classes = len(self._category_ids)
        given = entry.preprocess
        if given is not None and (unused := [name for name in _NOT_USED if getattr(given, name) is not None]):
            raise ConfigError(f"Model {entry.name!r}: preprocess.{unused[0]} is for classifiers: give onnx.size and onnx.fit.")
        self._mean = np.array(given.mean if given and given.mean else (0, 0, 0), np.float32)
        self._std = np.array(given.std if given and given.std else (1, 1, 1), np.float32)
        names = [name for name in (graph.boxes, graph.scores, graph.labels, graph.masks) if name is not None]
        self._network = OnnxNetwork(entry, list(dict.fromkeys(names)), options.device)
        if graph.size is not None:
            self._network.check_size(*graph.size)
        if self._network.images not in (None, 1):
            raise ConfigError(
                f"Model {entry.name!r}: its ONNX file takes {self._network.images} images at a time; export it for one, or for "
                "any number."
            )

    def prepare(self, image: RGBImage) -> Prepared:
        """Fit the image into the input and normalise it."""
        placed = placement(image.shape[:2], self._graph)
        values = (placed.canvas(image, self._graph.fill).astype(np.float32) / 255 - self._mean) / self._std
        values = values[:, :, ::-1] if self._graph.channels == "bgr" else values
        return Prepared(torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1), np.float32)), placed)

    def infer(self, items: Sequence[Prepared]) -> list[Response]:
        """Return the detections in each item, in pixels of the original image."""
        return [self._detections(self._network.run(item.inputs.numpy()[None]), item.context) for item in items]

    def _detections(self, outputs: Arrays, placed: Placed) -> Detections:
        graph = self._graph
        found = self._read(outputs)
        boxes = placed.in_image(_corners(found.boxes, graph.box_format), graph.box_unit)
        height, width = placed.image
        boxes = torch.minimum(boxes.clamp(min=0), torch.tensor([width, height, width, height], dtype=torch.float32))
        valid = (boxes[:, 2:] > boxes[:, :2]).all(dim=1) & (found.labels >= 0)
        keep = torch.nonzero(valid & (found.scores > graph.min_score))[:, 0]
        if graph.nms_iou is not None:
            keep = keep[batched_nms(boxes[keep], found.scores[keep], found.labels[keep], graph.nms_iou)]
        keep = keep[torch.argsort(found.scores[keep], descending=True, stable=True)][:MAX_DETECTIONS]
        self._check_labels(found.labels[keep])
        masks = None if graph.masks is None else masks_in_image(self._masks(outputs, keep), boxes[keep], placed, graph)
        return Detections.from_raw(
            height=height,
            width=width,
            boxes=boxes[keep].numpy(),
            scores=found.scores[keep].numpy(),
            category_ids=self._category_ids[found.labels[keep].numpy()],
            masks=masks,
        )

    def _check_labels(self, labels: Tensor) -> None:
        if len(labels) and (largest := int(labels.max())) >= self.num_classes:
            first = self._graph.first_label
            raise self._wrong(
                f"label {largest + first} is none of {self.num_classes} classes from onnx.first_label = {first} on"
            )

    def _masks(self, outputs: Arrays, keep: Tensor) -> Tensor:
        raw = outputs[str(self._graph.masks)]
        raw = _of_one_image(raw, 4) if raw.ndim == 5 else raw
        if raw.ndim == 4:
            raw = raw[:, 0] if raw.shape[1] == 1 and len(raw) != 1 else _of_one_image(raw, 3)
        if raw.ndim != 3 or (len(keep) and len(raw) <= int(keep.max())):
            raise self._wrong(f"output {self._graph.masks!r} is {raw.shape}: expected a mask (rows, columns) for each box")
        return torch.from_numpy(raw)[keep].float()

    def _read(self, outputs: Arrays) -> Found:
        """Bring boxes, scores and labels of any of the layouts of :class:`OnnxGraph` into one."""
        graph = self._graph
        boxes = _of_one_image(outputs[str(graph.boxes)], 2)
        if boxes.ndim != 2 or boxes.shape[1] not in (4, 5, 6):
            raise self._wrong(f"output {graph.boxes!r} is {boxes.shape}: expected (n, 4), (n, 5) or (n, 6)")
        columns = boxes.shape[1]
        scores: Any = boxes[:, 4] if columns > 4 else None
        labels: Any = boxes[:, 5] if columns > 5 else None
        if graph.scores is not None:
            raw = outputs[graph.scores]
            scores = raw.reshape(-1) if raw.size == len(boxes) else _of_one_image(raw, 2)
        if graph.labels is not None:
            labels = outputs[graph.labels].reshape(-1)
        if scores is None:
            raise self._wrong(f"output {graph.boxes!r} has no scores: name onnx.scores")
        if scores.ndim == 2:
            if scores.shape[1] != graph.first_label + self.num_classes:
                raise self._wrong(
                    f"output {graph.scores!r} is {scores.shape}: expected {self.num_classes} classes from onnx.first_label on"
                )
            scores = scores[:, graph.first_label :]
            scores, labels = scores.max(axis=1, initial=0), scores.argmax(axis=1) + graph.first_label
        elif labels is None and self.num_classes > 1:
            raise self._wrong("nothing says which class a box is of: name onnx.labels")
        labels = np.full(len(boxes), graph.first_label) if labels is None else labels
        if not len(boxes) == len(scores) == len(labels):
            raise self._wrong(f"{len(boxes)} boxes, {len(scores)} scores and {len(labels)} labels: expected equal numbers")
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all() and np.isfinite(labels).all()):
            raise self._wrong("boxes, scores and labels must be finite, got NaN or infinity")
        whole = labels.astype(np.int64) - graph.first_label
        return Found(
            *(
                torch.from_numpy(np.ascontiguousarray(v))
                for v in (boxes[:, :4].astype(np.float32), scores.astype(np.float32), whole)
            )
        )

    def _wrong(self, what: str) -> ConfigError:
        return ConfigError(f"Model {self.entry.name!r}: {what}.")


def _of_one_image(array: NDArray[Any], axes: int) -> NDArray[Any]:
    """Drop the axis of the images."""
    return array[0] if array.ndim == axes + 1 and len(array) == 1 else array


def _corners(boxes: Tensor, box_format: str) -> Tensor:
    """Return boxes as x1, y1, x2, y2."""
    if box_format == "xyxy":
        return boxes
    first, size = boxes[:, :2], boxes[:, 2:]
    first = first - size / 2 if box_format == "cxcywh" else first
    return torch.cat([first, first + size], dim=1)
