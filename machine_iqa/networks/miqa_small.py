"""miqa-small, the project's own network: one for all outputs, aware of regions, small enough for a camera on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from machine_iqa.networks.base import Output, Prediction, QualityNetwork, Views
from machine_iqa.networks.crops import HALF, normalised
from machine_iqa.networks.pretrained import load_pretrained
from machine_iqa.networks.whole_image import BLOCK, GRID, LONGEST, PATCH, STEP, input_size, native_patches, resized

BACKBONE = "tf_efficientnet_lite0"
CHANNELS = (24, 40, 112, 320)
"""Channels of the backbone's features at strides 4, 8, 16 and 32."""


class MiqaSmall(QualityNetwork):
    """Scores a whole image of any shape, with a soft mask of the region of interest that it predicts itself.

    EfficientNet-Lite0 looks at the whole image, made smaller. A mask head says where the region of interest is; the features
    are averaged over it, over the background and over everything, so that damage in either place counts for what it is. What
    making the image smaller hides, noise and blocking, is seen by a small branch on 3x3 patches of the original pixels,
    averaged over the same regions. A small perceptron joins all to scores from 0 to 1.

    Views: ``image``, the resized image, values -1 to 1; ``patches``, ``(9, 3, 64, 64)``; ``scale``, ``(1,)``, log2 of how many
    times larger the original is.

    Args:
        outputs: columns of its scores.
        backbone: pretrained weights of timm's ``tf_efficientnet_lite0``; random without.
        area: pixels that the backbone looks at; time grows with it.
        hidden: width of the joining layer.
        dropout: of the joining layer.

    Raises:
        ConfigError: the file of weights doesn't fit.
    """

    backbone_modules = ("backbone",)
    any_size = ("image",)
    faster_in_onnx = True

    def __init__(
        self,
        outputs: Sequence[Output],
        backbone: str | Path | None = None,
        area: int = 192 * 256,
        hidden: int = 256,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.outputs, self.area = tuple(outputs), area
        self.backbone = cast(Any, timm.create_model(BACKBONE, features_only=True, out_indices=(1, 2, 3, 4)))
        if backbone is not None:
            load_pretrained(self.backbone, backbone)
        self.mask_head = nn.Sequential(nn.Conv2d(sum(CHANNELS[2:]), 64, 1), nn.ReLU(), nn.Conv2d(64, 1, 3, padding=1))
        self.patch_branch = PatchBranch()
        width = 2 * CHANNELS[0] + 3 * sum(CHANNELS[1:]) + 3 * self.patch_branch.width + 1
        self.head = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, len(self.outputs))
        )

    def train(self, mode: bool = True) -> MiqaSmall:
        """Set the mode; the backbone's BatchNorm keeps its statistics, since batches differ in shape and are fine-tuned."""
        super().train(mode)
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def views(self, image: NDArray[np.uint8], rng: np.random.Generator | None = None) -> Views:
        """Return ``image``, ``patches`` and ``scale``; training moves the patches, and flips nothing: masks stay in place."""
        height, width = input_size(image.shape[0], image.shape[1], self.area)
        scale = 0.5 * np.log2(image.shape[0] * image.shape[1] / self.area)
        patches = native_patches(image, rng)
        tall = normalised(patches.reshape(-1, patches.shape[2], 3), HALF, HALF)
        return {
            "image": normalised(resized(image, height, width), HALF, HALF),
            "patches": tall.reshape(3, len(patches), *patches.shape[1:3]).transpose(0, 1).contiguous(),
            "scale": torch.tensor([scale], dtype=torch.float32),
        }

    def preprocessing(self) -> dict[str, Any]:
        """Return how the three views are made."""
        values = {"channels": "RGB", "scale": 1 / 255, "mean": list(HALF), "std": list(HALF)}
        sides = {"area": self.area, "multiple_of": STEP, "longest_proportion": LONGEST}
        patches = {"grid": GRID, "side": PATCH, "starts_multiple_of": BLOCK, "smaller_images": "continued by reflection"}
        return {
            "image": values | {"resize": sides | {"interpolation": "area where it shrinks, bilinear where it grows (OpenCV)"}},
            "patches": values | patches,
            "scale": f"log2(height * width / {self.area}) / 2",
        }

    def forward(self, views: Views) -> Prediction:
        """Score a batch; ``mask`` has a sixteenth of the resized image's sides."""
        fine, *levels = self.backbone(views["image"])
        mask = self.mask_head(torch.cat([levels[1], _to_size_of(levels[2], levels[1])], 1))
        inside = torch.sigmoid(mask)
        pooled = [fine.mean((2, 3)), _deviation(fine.flatten(2))]
        for level in levels:
            weights = _to_size_of(inside, level).flatten(2)
            pooled += by_region(level.flatten(2), weights)
        cells = F.interpolate(inside, size=(GRID, GRID), mode="bilinear", align_corners=False).flatten(2)
        pooled += by_region(self.patch_branch(views["patches"]), cells)
        scores = torch.sigmoid(self.head(torch.cat([*pooled, views["scale"]], 1)))
        return Prediction(scores, mask)


class PatchBranch(nn.Module):
    """Three convolutions over patches of original pixels, and how much and how evenly their features respond in each patch.

    Attributes:
        width: features of a patch.
    """

    width = 96

    def __init__(self) -> None:
        super().__init__()
        channels = (3, 16, 32, self.width // 2)
        steps = [layer for a, b in pairwise(channels) for layer in (nn.Conv2d(a, b, 3, 2, 1), nn.ReLU())]
        self.layers = nn.Sequential(*steps)

    def forward(self, patches: Tensor) -> Tensor:
        """Return ``(N, width, P)`` of patches ``(N, P, 3, side, side)``."""
        found = self.layers(patches.flatten(0, 1)).flatten(2)
        features = torch.cat([found.mean(2), _deviation(found)], 1)
        return features.reshape(-1, patches.shape[1], self.width).transpose(1, 2)


def by_region(features: Tensor, inside: Tensor) -> list[Tensor]:
    """Return the mean of features ``(N, C, P)`` in a soft mask ``(N, 1, P)``, outside it and everywhere, each ``(N, C)``."""
    outside = 1 - inside
    means = [(features * part).sum(2) / (part.sum(2) + 1e-3) for part in (inside, outside)]
    return [*means, features.mean(2)]


def _deviation(values: Tensor) -> Tensor:
    """Return the standard deviation along the last axis; smooth at 0."""
    centred = values - values.mean(2, keepdim=True)
    return (centred.square().mean(2) + 1e-4).sqrt()


def _to_size_of(values: Tensor, other: Tensor) -> Tensor:
    return F.interpolate(values, size=other.shape[2:], mode="bilinear", align_corners=False)
