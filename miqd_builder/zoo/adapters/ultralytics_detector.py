"""YOLO detectors and instance segmenters of ultralytics (AGPL-3.0: an optional extra, never a default)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from ultralytics.data.augment import LetterBox
from ultralytics.nn import tasks
from ultralytics.utils import ROOT, nms, ops

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.responses import MAX_DETECTIONS, Detections, Response
from miqd_builder.zoo.adapters.base import Adapter, BatchedAdapter, BuildOptions, Prepared, RGBImage
from miqd_builder.zoo.adapters.categories import category_ids_of
from miqd_builder.zoo.adapters.engine import OnnxMethod
from miqd_builder.zoo.entry import ModelEntry
from miqd_builder.zoo.weights.loading import load_weights

INPUT_SIZE = 640
"""Longer side of the image in the network, in pixels."""
STRIDE = 4
"""Pixels of the padded image for a cell of a segmenter's prototypes, in both directions."""
MIN_SCORE = 0.01
NMS_IOU = 0.6
NO_TIME_LIMIT = 1e9
"""Seconds an image: ultralytics' suppression stops early on a busy machine, which would make predictions depend on the load."""

NETWORKS: dict[str, type[nn.Module]] = {"detect": tasks.DetectionModel, "segment": tasks.SegmentationModel}
"""Network class by the kind of head of an architecture."""


def build(entry: ModelEntry, options: BuildOptions) -> Adapter:
    """Build the architecture ``entry.arch`` (such as ``yolo11n-seg``) from the package's own description of it.

    Raises:
        ConfigError: the package has no such architecture, or it makes no masks but the task is ins.
    """
    description = _architecture(entry)
    kind = tasks.guess_model_task(description)
    if kind not in NETWORKS or (entry.task == "ins" and kind != "segment"):
        raise ConfigError(
            f"Model {entry.name!r}: ultralytics architecture {entry.arch!r} does {kind}, it can't do task {entry.task}. "
            "Architectures that make masks end in '-seg'."
        )
    network: Any = NETWORKS[kind](description, ch=3, nc=entry.arch_kwargs.get("nc"), verbose=False)
    category_ids = category_ids_of(entry.name, len(network.names), options.category_ids)
    if not options.random_weights:
        load_weights(network, entry)
    return UltralyticsDetector(entry, options, network, category_ids)


def _architecture(entry: ModelEntry) -> dict[str, Any]:
    if unknown := set(entry.arch_kwargs) - {"nc"}:
        raise ConfigError(
            f"Model {entry.name!r}: arch_kwargs of ultralytics may hold nc only, got {', '.join(sorted(unknown))}."
        )
    known = _known_architectures()
    if entry.arch not in known:
        raise ConfigError(
            f"Model {entry.name!r}: ultralytics has no architecture {entry.arch!r}.{did_you_mean(str(entry.arch), known)}"
        )
    return tasks.yaml_model_load(f"{entry.arch}.yaml")


def _known_architectures() -> set[str]:
    """Names in the package: each description, and its sizes n, s, m, l and x where the description scales."""
    stems = {path.stem for path in (ROOT / "cfg" / "models").rglob("yolo*.yaml")}
    sized = {f"{base}{size}{dash}{rest}" for stem in stems for base, dash, rest in [stem.partition("-")] for size in "nsmlx"}
    return stems | sized


class UltralyticsDetector(BatchedAdapter):
    """A YOLO model as ``YOLO.predict`` runs it: letterbox, suppression of overlapping boxes, masks at full resolution."""

    def __init__(self, entry: ModelEntry, options: BuildOptions, network: Any, category_ids: NDArray[np.int32]) -> None:
        super().__init__(entry, options)
        self.num_classes = len(category_ids)
        self._category_ids = category_ids
        self.model = network.eval().fuse(verbose=False).to(self.device)
        self._features = OnnxMethod(self.model, self._trunk, entry.name) if options.engine == "onnxruntime" else None
        self._letterbox: Any = LetterBox(INPUT_SIZE, auto=True, stride=int(network.stride.max()))

    def prepare(self, image: RGBImage) -> Prepared:
        """Resize the image into 640 pixels and pad it to whole strides, values in [0, 1]."""
        boxed = self._letterbox(image=image)
        return Prepared(torch.from_numpy(np.ascontiguousarray(boxed.transpose(2, 0, 1))), image.shape[:2])

    def infer(self, items: Sequence[Prepared]) -> list[Response]:
        """Return the detections in each item, in pixels of the original image."""
        inputs = torch.stack([item.inputs for item in items]).to(self.device).float() / 255
        raw = self.model(inputs) if self._features is None else self.model.model[-1](list(self._features(inputs)))
        predictions, prototypes = self._split(raw)
        kept = nms.non_max_suppression(
            predictions,
            MIN_SCORE,
            NMS_IOU,
            max_det=MAX_DETECTIONS,
            nc=self.num_classes,
            max_time_img=NO_TIME_LIMIT,
            end2end=bool(getattr(self.model, "end2end", False)),
        )
        return [
            self._detections(rows, None if prototypes is None else prototypes[index], items[index].context, inputs.shape[2:])
            for index, rows in enumerate(kept)
        ]

    def _trunk(self, inputs: Tensor) -> list[Tensor]:
        """Everything before the head, as ``BaseModel.predict`` runs it: layers that take the outputs of earlier ones."""
        *layers, head = self.model.model
        outputs: list[Tensor] = []
        current: Any = inputs
        for layer in layers:
            if layer.f != -1:
                origins = [layer.f] if isinstance(layer.f, int) else layer.f
                taken = [current if origin == -1 else outputs[origin] for origin in origins]
                current = taken[0] if isinstance(layer.f, int) else taken
            current = layer(current)
            outputs.append(current)
        return [outputs[origin] for origin in head.f]

    def _split(self, raw: Any) -> tuple[Any, Any]:
        """Predictions and, for a segmenter, the mask prototypes; in evaluation the head puts them first in its output."""
        first = raw[0]
        return first if isinstance(first, tuple) else (first, None)

    def _detections(self, rows: Any, prototypes: Any, size: tuple[int, int], input_size: Any) -> Detections:
        boxes: Any = ops.scale_boxes(input_size, rows[:, :4], size)
        masks = None
        if self.entry.task == "ins":
            masks = self._masks(rows[:, 6:], prototypes, boxes, size)
        return Detections.from_raw(
            height=size[0],
            width=size[1],
            boxes=boxes.cpu().numpy(),
            scores=rows[:, 4].cpu().numpy(),
            category_ids=self._category_ids[rows[:, 5].long().cpu().numpy()],
            masks=masks,
        )

    def _masks(self, coefficients: Any, prototypes: Any, boxes: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
        """Masks in pixels of the original image, as ``YOLO.predict`` with ``retina_masks`` makes them."""
        if self.device.type == "cpu" and max(size) == INPUT_SIZE:
            return masks_in_boxes(coefficients, prototypes, boxes, size)
        # Few at a time, so that they stay in the cache of a CPU.
        step = 2 if self.device.type == "cpu" else max(1, len(boxes))
        parts = [
            ops.process_mask_native(prototypes, coefficients[i : i + step], boxes[i : i + step], size)
            for i in range(0, len(boxes), step)
        ]
        return torch.cat(parts).bool().cpu().numpy() if parts else np.zeros((0, *size), np.bool_)


def masks_in_boxes(coefficients: Any, prototypes: Any, boxes: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Masks of an image that the letterbox pads but doesn't scale, enlarged inside their boxes only.

    ``ops.process_mask_native`` enlarges whole planes of prototypes until the padding is whole cells, cuts it off and enlarges
    the rest to pixels. The cells around a box give the same bits inside it, for a fraction of the work.

    Args:
        coefficients: float ``(n, channels)``.
        prototypes: float ``(channels, rows, columns)``, a cell for ``STRIDE`` x ``STRIDE`` pixels of the padded image.
        boxes: float ``(n, 4)``, x1, y1, x2, y2 in pixels of the image.
        size: height and width of the image in pixels, the longer one ``INPUT_SIZE``.

    Returns:
        bool ``(n, height, width)``.
    """
    masks = np.zeros((len(boxes), *size), np.bool_)
    if not len(boxes):  # no plane can be enlarged
        return masks
    channels, rows, columns = prototypes.shape
    planes = (coefficients @ prototypes.float().view(channels, -1)).view(-1, rows, columns)
    padding = STRIDE * rows - size[0], STRIDE * columns - size[1]
    top, left = (round(pixels / 2 - 0.1) for pixels in padding)
    scale = math.gcd(STRIDE, *padding, *(pixels // 2 for pixels in padding))
    if scale > 1:
        if scale < STRIDE:
            planes = F.interpolate(planes[None], scale_factor=STRIDE // scale, mode="bilinear")[0]
        height, width = size[0] // scale, size[1] // scale
        planes = planes[:, top // scale : top // scale + height, left // scale : left // scale + width]
        top = left = 0
    else:
        scale = STRIDE
    # A pixel x is inside where x1 <= x < x2.
    for mask, plane, (x1, y1, x2, y2) in zip(masks, planes, boxes.ceil().int().tolist(), strict=True):
        if x1 < x2 and y1 < y2:
            across = _cells(x1 + left, x2 + left, scale, plane.shape[1])
            down = _cells(y1 + top, y2 + top, scale, plane.shape[0])
            part = F.interpolate(plane[None, None, slice(*down), slice(*across)], scale_factor=scale, mode="bilinear")
            x, y = x1 + left - scale * across[0], y1 + top - scale * down[0]
            mask[y1:y2, x1:x2] = part[0, 0, y : y + y2 - y1, x : x + x2 - x1].numpy() > 0
    return masks


def _cells(start: int, stop: int, scale: int, limit: int) -> tuple[int, int]:
    """Range of the cells around a range of pixels, with a neighbour on either side where there is one."""
    return max(0, start // scale - 1), min(limit, -(-stop // scale) + 1)
