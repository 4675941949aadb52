"""Detectors and instance segmenters of mmdet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from miqd_builder.errors import ConfigError
from miqd_builder.responses import Detections, Response
from miqd_builder.zoo.adapters.base import Adapter, BatchedAdapter, BuildOptions, Prepared, RGBImage
from miqd_builder.zoo.adapters.categories import category_ids_of
from miqd_builder.zoo.adapters.mm_config import OpenMMLabModel, build_network
from miqd_builder.zoo.adapters.mm_pipeline import build_pipeline
from miqd_builder.zoo.entry import ModelEntry
from miqd_builder.zoo.weights.loading import load_weights

MASK_MODULES = {"mask_head", "panoptic_head", "panoptic_fusion_head", "mask_branch"}
"""Names of the modules that make masks in mmdet's instance segmenters."""

HEADS = ("bbox_head", "roi_head", "panoptic_head", "mask_head", "decoder")
"""Modules of a detector with the number of classes, in the order in which they are tried."""


def build(entry: ModelEntry, options: BuildOptions) -> Adapter:
    """Build the detector or instance segmenter of an mmdet config, with the config's own thresholds and test pipeline.

    Raises:
        ConfigError: the config makes no masks but the task is ins, or the classes don't fit the annotations.
    """
    model = build_network(entry)
    if entry.task == "ins" and not _makes_masks(model.network):
        raise ConfigError(
            f"Model {entry.name!r}: config {entry.config!r} predicts boxes only, it can't do task ins. Use task det."
        )
    num_classes = _num_classes(entry, model.network)
    category_ids = category_ids_of(entry.name, num_classes, options.category_ids)
    _complete_ssd(model.network)
    if not options.random_weights:
        load_weights(model.network, entry)
    return MMDetDetector(entry, options, model, category_ids)


def _complete_ssd(network: nn.Module) -> None:
    """Give SSD's head the attribute that its base class asks for and its own constructor forgets."""
    head: Any = getattr(network, "bbox_head", None)
    if type(head).__name__ == "SSDHead" and not hasattr(head, "loss_cls"):
        head.loss_cls = None


def _makes_masks(network: nn.Module) -> bool:
    return any(name.rsplit(".", 1)[-1] in MASK_MODULES for name, _ in network.named_modules())


def _num_classes(entry: ModelEntry, network: nn.Module) -> int:
    for name in HEADS:
        head = getattr(network, name, None)
        found = None if head is None else _classes_of_head(head)
        if found is not None:
            return found
    raise ConfigError(f"Model {entry.name!r}: config {entry.config!r} is no detector's (no head with a number of classes).")


def _classes_of_head(head: Any) -> int | None:
    """Number of (countable) classes of a head; the heads inside a RoI head or of a cascade's last stage where it has none."""
    inner = getattr(head, "bbox_head", None)
    if inner is not None:
        head = inner[-1] if isinstance(inner, nn.ModuleList) else inner
    for attribute in ("num_things_classes", "num_classes"):  # panoptic heads count stuff in num_classes
        if isinstance(getattr(head, attribute, None), int):
            return int(getattr(head, attribute))
    return None


class MMDetDetector(BatchedAdapter):
    """An mmdet model: boxes, and masks of the full image size where the task is instance segmentation."""

    features: ClassVar[str] = "extract_feat"

    def __init__(
        self, entry: ModelEntry, options: BuildOptions, model: OpenMMLabModel, category_ids: NDArray[np.int32]
    ) -> None:
        super().__init__(entry, options)
        self.num_classes = len(category_ids)
        self._category_ids = category_ids
        self._pipeline = build_pipeline(entry, model.config)
        network: Any = self.ready(model.network)
        self.model = network
        if entry.task == "det" and getattr(network, "with_roi_head", False) and network.roi_head.with_mask:
            network.roi_head.mask_head = None  # a two-stage model finds its boxes first: masks aren't needed

    def prepare(self, image: RGBImage) -> Prepared:
        """Run the test pipeline on the image."""
        packed = self._pipeline(image)
        return Prepared(packed["inputs"], packed["data_samples"])

    def infer(self, items: Sequence[Prepared]) -> list[Response]:
        """Return the detections in each item, in pixels of the original image."""
        batch = {"inputs": [item.inputs for item in items], "data_samples": [item.context for item in items]}
        return [self._detections(sample) for sample in self.model.test_step(batch)]

    def _detections(self, sample: Any) -> Detections:
        height, width = sample.ori_shape
        found = sample.pred_instances
        masks = None
        boxes = found.bboxes.float()
        if self.entry.task == "ins":
            if "masks" not in found:
                raise ConfigError(f"Model {self.entry.name!r}: config {self.entry.config!r} returned no masks; use task det.")
            masks = torch.as_tensor(found.masks).bool()
        if "masks" in found and not boxes.any():
            boxes = boxes_of_masks(torch.as_tensor(found.masks).bool())
        # long: without a detection SOLOv2's labels are an empty float tensor.
        return Detections.from_raw(
            height=height,
            width=width,
            boxes=boxes.cpu().numpy(),
            scores=found.scores.float().cpu().numpy(),
            category_ids=self._category_ids[found.labels.long().cpu().numpy()],
            masks=None if masks is None else masks.cpu().numpy(),
        )


def boxes_of_masks(masks: Tensor) -> Tensor:
    """Return the bounding boxes ``(n, 4)`` of bool masks ``(n, height, width)``; zeros for an empty mask.

    SOLO and its relatives leave their boxes at zero.
    """
    boxes = torch.zeros((len(masks), 4), device=masks.device)
    for index, mask in enumerate(masks):
        rows, columns = mask.any(dim=1).nonzero(), mask.any(dim=0).nonzero()
        if len(rows):
            corners = [columns[0, 0], rows[0, 0], columns[-1, 0] + 1, rows[-1, 0] + 1]
            boxes[index] = torch.stack(corners).to(boxes)
    return boxes
