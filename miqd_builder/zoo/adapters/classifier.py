"""Classifiers that are one network from normalised pixels to logits, as timm and torchvision build them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from miqd_builder.responses import Classification, Response
from miqd_builder.zoo.adapters.base import BatchedAdapter, BuildOptions, Prepared, RGBImage
from miqd_builder.zoo.adapters.preprocess import ClassifierInput
from miqd_builder.zoo.entry import ModelEntry


class Classifier(BatchedAdapter):
    """A network, its preprocessing and a softmax over its logits."""

    cpu_group: ClassVar[int] = 4
    gpu_batch: ClassVar[int] = 32

    def __init__(
        self, entry: ModelEntry, options: BuildOptions, *, model: nn.Module, preprocess: ClassifierInput, num_classes: int
    ) -> None:
        super().__init__(entry, options)
        self.model = self.ready(model)
        self.preprocess: ClassifierInput = preprocess
        self.num_classes = num_classes

    def input_size(self, image: RGBImage) -> Hashable:
        """Images of all sizes become one size: they share a pass."""
        return self.preprocess.crop

    def prepare(self, image: RGBImage) -> Prepared:
        """Resize and crop the image; it is normalised with its pass, on the device."""
        return Prepared(torch.from_numpy(self.preprocess.cropped(image)))

    def infer(self, items: Sequence[Prepared]) -> list[Response]:
        """Return the class probabilities of each item."""
        return classifications(self.model(network_input(self.preprocess, items, self.device)))


def network_input(preprocess: ClassifierInput, items: Sequence[Prepared], device: torch.device) -> Tensor:
    """Return crops as a network takes them, float32 ``(N, 3, height, width)`` on its device."""
    return preprocess.normalised([item.inputs.numpy() for item in items], device)


def classifications(logits: Tensor) -> list[Response]:
    """Turn logits ``(batch, classes)`` into responses."""
    probabilities = torch.softmax(logits.float(), dim=1).cpu().numpy()
    return [Classification(row) for row in probabilities]
