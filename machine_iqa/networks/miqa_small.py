"""miqa-small, the project's own network: one for all outputs, aware of regions, small enough for a camera on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from degradations import MIQD_DISTORTIONS
from machine_iqa.networks.base import Output, Prediction, QualityNetwork, Views
from machine_iqa.networks.certainty import STATISTICS as CERTAINTY
from machine_iqa.networks.certainty import certainty
from machine_iqa.networks.crops import HALF, normalised
from machine_iqa.networks.patch_branch import STATISTICS as PIXELS
from machine_iqa.networks.patch_branch import PatchBranch, deviation, pixel_statistics
from machine_iqa.networks.pretrained import load_pretrained
from machine_iqa.networks.whole_image import BLOCK, GRID, LONGEST, PATCH, STEP, input_size, native_patches, resized

BACKBONE = "tf_efficientnet_lite0"
LEVELS = (1, 2, 3, 4)
CHANNELS = (24, 40, 112, 320)
"""The backbone's features at strides 4, 8, 16 and 32, and their channels."""
DISTORTIONS = len(MIQD_DISTORTIONS)
DAMAGE = 128
"""Width of the layer that tells distortions apart."""
LARGE = 100_000
"""Numbers of a matrix or kernel from which files hold it in 8 bits."""


class MiqaSmall(QualityNetwork):
    """Scores a whole image of any shape, with a soft mask of the region of interest that it predicts itself.

    EfficientNet-Lite0, a classifier, looks at the whole image, made smaller, and stays nearly as it was: how sure it is of what
    it sees tells most. A mask head says where the region of interest is; the classifier's features are averaged over it, over
    the background and over everything, so that damage in either place counts for what it is. What making the image smaller
    hides, noise and blocking, is seen on 3x3 patches of the original pixels, by fixed statistics and by a small branch that
    learns, averaged over the same regions. From all of these it says what was done to the image, which distortion and how
    severe in either place: every rendered image teaches that, whatever models say of it. Many features and few photographs:
    those of the classifier and of the branch pass narrow layers, most of them left out at random in training. A small
    perceptron joins all to scores from 0 to 1.

    Views: ``image``, the resized image, values -1 to 1; ``patches``, ``(9, 3, 64, 64)``; ``scale``, ``(1,)``, log2 of how many
    times larger the original is.

    Args:
        outputs: columns of its scores.
        backbone: pretrained weights of timm's ``tf_efficientnet_lite0``; random without.
        area: pixels that the backbone looks at; time grows with it.
        narrow: width of the narrow layers.
        hidden: width of the joining layer.

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
        narrow: int = 16,
        hidden: int = 256,
    ) -> None:
        super().__init__()
        self.outputs, self.area = tuple(outputs), area
        self.backbone = cast(Any, timm.create_model(BACKBONE))
        if backbone is not None:
            load_pretrained(self.backbone, backbone)
        self.mask_head = nn.Sequential(nn.Conv2d(sum(CHANNELS[2:]), 64, 1), nn.ReLU(), nn.Conv2d(64, 1, 3, padding=1))
        self.patch_branch = PatchBranch()
        features = 2 * CHANNELS[0] + 3 * sum(CHANNELS[1:])
        self.features = _narrow(features, narrow, left_out=0.8)
        self.patches = _narrow(3 * self.patch_branch.width, narrow, left_out=0.5)
        told = 3 * PIXELS + 1
        self.damage = nn.Sequential(
            nn.LayerNorm(features + 3 * self.patch_branch.width + told),
            nn.Dropout(0.3),
            nn.Linear(features + 3 * self.patch_branch.width + told, DAMAGE),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(DAMAGE, DISTORTIONS + 2),
        )
        width = CERTAINTY + told + 2 * narrow + DISTORTIONS + 2
        self.head = nn.Sequential(
            nn.Dropout(0.1), nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(0.3), nn.Linear(hidden, len(self.outputs))
        )
        sizes = {name: tensor.numel() for name, tensor in self.state_dict().items() if tensor.ndim > 1}
        self.eight_bits = tuple(name for name, size in sizes.items() if size >= LARGE)

    def train(self, mode: bool = True) -> MiqaSmall:
        """Set the mode; the backbone stays in evaluation: its statistics are those of many more images."""
        super().train(mode)
        self.backbone.eval()
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
        last, (fine, *levels) = self.backbone.forward_intermediates(views["image"], indices=LEVELS)
        mask = self.mask_head(torch.cat([levels[1], _to_size_of(levels[2], levels[1])], 1))
        inside = torch.sigmoid(mask)
        features = [fine.mean((2, 3)), deviation(fine.flatten(2))]
        for level in levels:
            features += by_region(level.flatten(2), _to_size_of(inside, level).flatten(2))
        cells = F.interpolate(inside, size=(GRID, GRID), mode="bilinear", align_corners=False).flatten(2)
        patches = by_region(self.patch_branch(views["patches"]), cells)
        told = [*by_region(pixel_statistics(views["patches"]), cells), views["scale"]]
        damage = self.damage(torch.cat([*features, *patches, *told], 1))
        which, severe = damage[:, :DISTORTIONS], damage[:, DISTORTIONS:]
        joined = [
            certainty(self.backbone.forward_head(last)),
            *told,
            self.features(torch.cat(features, 1)),
            self.patches(torch.cat(patches, 1)),
            which.detach().softmax(1),
            severe.detach(),
        ]
        return Prediction(torch.sigmoid(self.head(torch.cat(joined, 1))), mask, damage)


def by_region(features: Tensor, inside: Tensor) -> list[Tensor]:
    """Return the mean of features ``(N, C, P)`` in a soft mask ``(N, 1, P)``, outside it and everywhere, each ``(N, C)``."""
    outside = 1 - inside
    means = [(features * part).sum(2) / (part.sum(2) + 1e-3) for part in (inside, outside)]
    return [*means, features.mean(2)]


def _narrow(features: int, narrow: int, *, left_out: float) -> nn.Module:
    return nn.Sequential(nn.LayerNorm(features), nn.Dropout(left_out), nn.Linear(features, narrow))


def _to_size_of(values: Tensor, other: Tensor) -> Tensor:
    return F.interpolate(values, size=other.shape[2:], mode="bilinear", align_corners=False)
