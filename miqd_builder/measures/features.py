"""The convolutional features that LPIPS and DISTS compare: torchvision's networks without their classifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from miqd_builder.errors import ConfigError
from miqd_builder.zoo.weights.checkpoint import read_state_dict


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network of torchvision and the layers whose outputs are compared.

    Attributes:
        network: of torchvision.
        layers: numbers in its ``features``.
        channels: of those layers.
    """

    network: Callable[..., nn.Module]
    layers: tuple[int, ...]
    channels: tuple[int, ...]


BACKBONES: Mapping[str, Backbone] = {
    "alexnet": Backbone(torchvision.models.alexnet, (1, 4, 7, 9, 11), (64, 192, 384, 256, 256)),
    "vgg16": Backbone(torchvision.models.vgg16, (3, 8, 15, 22, 29), (64, 128, 256, 512, 512)),
    "squeezenet": Backbone(torchvision.models.squeezenet1_1, (1, 4, 7, 9, 10, 11, 12), (64, 128, 256, 384, 384, 512, 512)),
}
"""By the name of their weights. All layers are outputs of a ReLU."""


class Features(nn.Module):
    """Returns the outputs of some layers of a stack."""

    def __init__(self, stack: nn.Sequential, layers: Sequence[int]) -> None:
        super().__init__()
        self.stack = nn.Sequential(*list(stack.children())[: max(layers) + 1])
        self.layers = frozenset(layers)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return ``(n, channels, height, width)`` of each layer."""
        found = []
        for number, layer in enumerate(self.stack.children()):
            images = layer(images)
            if number in self.layers:
                # A ReLU that works in place would change what is kept: the next layer is never one.
                found.append(images)
        return found


def empty_features(name: str) -> Features:
    """Return a backbone's features without weights that mean anything."""
    with torch.random.fork_rng(devices=[]):
        stack = BACKBONES[name].network(weights=None).features
    assert isinstance(stack, nn.Sequential)  # torchvision's networks keep theirs so
    return Features(stack, BACKBONES[name].layers)


def load_features(name: str, file: Path) -> Features:
    """Return a backbone's features with the weights of a file: a whole network's, or its features' alone.

    Raises:
        ConfigError: the file is damaged or another network's.
    """
    features = empty_features(name)
    tensors = {
        key.removeprefix("features."): value for key, value in read_state_dict(file).items() if key.startswith("features.")
    }
    wanted = features.stack.state_dict()
    misfits = [key for key, value in wanted.items() if key not in tensors or tensors[key].shape != value.shape]
    if misfits:
        raise ConfigError(
            f"Weights '{name}': {file} is another network's, features.{misfits[0]} is missing or of another shape."
        )
    features.stack.load_state_dict({key: tensors[key].float() for key in wanted})
    return features


def tensors_of(name: str, file: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Return named tensors of a small file of weights.

    Raises:
        ConfigError: the file is damaged, or a tensor is missing or of another shape.
    """
    tensors = read_state_dict(file)
    for key, shape in shapes.items():
        if key not in tensors or tuple(tensors[key].shape) != shape:
            raise ConfigError(f"Weights '{name}': expected {key} of shape {shape} in {file}.")
    return {key: tensors[key].float() for key in shapes}
