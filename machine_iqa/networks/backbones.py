"""The five ordinary networks that the paper retrained: one linear layer in place of the classifier, a 224x224 crop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import timm
from numpy.typing import NDArray
from torch import nn
from torchvision import models

from machine_iqa.networks.base import Output, Prediction, QualityNetwork, Views
from machine_iqa.networks.crops import HALF, IMAGENET_MEAN, IMAGENET_STD, crop_of_resized, crop_record, normalised
from machine_iqa.networks.pretrained import load_pretrained

SHORT_SIDE, CROP = 288, 224


def _resnet(build: Callable[..., Any], outputs: int) -> nn.Module:
    network: nn.Module = build(weights=None, num_classes=outputs)
    return network


def _efficientnet(build: Callable[..., Any], outputs: int) -> nn.Module:
    network: Any = build(weights=None)
    network.classifier = nn.Linear(network.classifier[1].in_features, outputs)  # without the dropout before it
    built: nn.Module = network
    return built


def _vit(outputs: int) -> nn.Module:
    network: nn.Module = timm.create_model("vit_small_patch16_224", num_classes=outputs)
    return network


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a backbone is built.

    Attributes:
        build: from the number of outputs.
        head: beginning of the names of its last layer.
        mean: of its input.
        std: of its input.
    """

    build: Callable[[int], nn.Module]
    head: str
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


_KINDS = {
    "resnet18": _Kind(partial(_resnet, models.resnet18), "fc."),
    "resnet50": _Kind(partial(_resnet, models.resnet50), "fc."),
    "efficientnet_b1": _Kind(partial(_efficientnet, models.efficientnet_b1), "classifier."),
    "efficientnet_b5": _Kind(partial(_efficientnet, models.efficientnet_b5), "classifier."),
    "vit_small_patch16_224": _Kind(_vit, "head.", HALF, HALF),
}


class Backbone(QualityNetwork):
    """A network for classification that scores.

    View: ``crop``, 224x224 of the image resized to a short side of 288.

    Args:
        kind: one of the five names.
        outputs: columns of its scores; the published checkpoints have one.
        backbone: pretrained weights of torchvision (of timm for the ViT); their classifier is left out.

    Raises:
        ConfigError: the file of weights doesn't fit.
    """

    def __init__(self, kind: str, outputs: Sequence[Output], backbone: str | Path | None = None) -> None:
        super().__init__()
        self.outputs = tuple(outputs)
        self._kind = _KINDS[kind]
        self.network = self._kind.build(len(self.outputs))
        parts = (*self.network.named_children(), *self.network.named_parameters(recurse=False))
        self.backbone_modules = tuple(f"network.{name}" for name, _ in parts if f"{name}." != self._kind.head)
        if backbone is not None:
            load_pretrained(self.network, backbone, keep=(self._kind.head,))

    def published(self) -> nn.Module:
        """Return the plain network: the published checkpoints have its names."""
        return self.network

    def views(self, image: NDArray[np.uint8], rng: np.random.Generator | None = None) -> Views:
        """Return ``crop`` ``(3, 224, 224)``: the centre, in training anywhere."""
        crop = crop_of_resized(image, SHORT_SIDE, CROP, rng)
        return {"crop": normalised(crop, self._kind.mean, self._kind.std)}

    def preprocessing(self) -> dict[str, Any]:
        """Return how the view is made."""
        return {"crop": crop_record(SHORT_SIDE, CROP, self._kind.mean, self._kind.std)}

    def forward(self, views: Views) -> Prediction:
        """Score a batch; the scores are not bounded."""
        return Prediction(self.network(views["crop"]))


def resnet18(outputs: Sequence[Output], backbone: str | Path | None = None) -> Backbone:
    """Build torchvision's ResNet-18 with a linear layer for the outputs."""
    return Backbone("resnet18", outputs, backbone)


def resnet50(outputs: Sequence[Output], backbone: str | Path | None = None) -> Backbone:
    """Build torchvision's ResNet-50 with a linear layer for the outputs."""
    return Backbone("resnet50", outputs, backbone)


def efficientnet_b1(outputs: Sequence[Output], backbone: str | Path | None = None) -> Backbone:
    """Build torchvision's EfficientNet-B1 with a linear layer for the outputs, without dropout before it."""
    return Backbone("efficientnet_b1", outputs, backbone)


def efficientnet_b5(outputs: Sequence[Output], backbone: str | Path | None = None) -> Backbone:
    """Build torchvision's EfficientNet-B5 with a linear layer for the outputs, without dropout before it."""
    return Backbone("efficientnet_b5", outputs, backbone)


def vit_small_patch16_224(outputs: Sequence[Output], backbone: str | Path | None = None) -> Backbone:
    """Build timm's ViT-S/16 with a linear layer for the outputs on its CLS token."""
    return Backbone("vit_small_patch16_224", outputs, backbone)
