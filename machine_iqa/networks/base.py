"""What every quality network has: the views that it looks at, and the scores that it gives."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from machine_iqa.labels import LABELS, Label
from miqd_builder.tasks import Task

__all__ = ["LABELS", "Label", "Output", "Prediction", "QualityNetwork", "Views"]

Views = dict[str, Tensor]
"""What a network looks at, by name: float32 ``(3, height, width)`` of one image, ``(N, 3, height, width)`` of a batch."""


@dataclass(frozen=True, slots=True)
class Output:
    """What one column of scores predicts: a label of a task."""

    task: Task
    label: Label


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a network says of a batch.

    Attributes:
        scores: ``(N, K)``, a column for each of the network's outputs; 0 (bad) to 1 (good), not clipped.
        mask: logits of the region of interest, ``(N, 1, h, w)`` with ``h, w`` smaller than the image; None if it predicts none.
        damage: logits of the ten distortions, and how severe it is in the region of interest and in the background, 0 to 1,
            ``(N, 12)``; None if it doesn't say.
    """

    scores: Tensor
    mask: Tensor | None = None
    damage: Tensor | None = None


class QualityNetwork(nn.Module):
    """A network that scores images.

    Attributes:
        outputs: what the columns of its scores are.
        backbone_modules: dotted names of what starts from pretrained weights, and may learn more slowly than the rest.
        unused: parameters that checkpoints hold and scores don't depend on: they aren't trained.
        any_size: views whose height and width depend on the image.
        faster_in_onnx: whether ONNX Runtime is much faster than PyTorch on a CPU.
        eight_bits: names of matrices and kernels that files of weights may hold in 8 bits, with a scale a row.
    """

    outputs: tuple[Output, ...]
    backbone_modules: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    any_size: tuple[str, ...] = ()
    faster_in_onnx: bool = False
    eight_bits: tuple[str, ...] = ()

    @abstractmethod
    def views(self, image: NDArray[np.uint8], rng: np.random.Generator | None = None) -> Views:
        """Return what the network looks at, of one image; views of images of different shapes may differ in shape.

        Args:
            image: uint8 ``(height, width, 3)`` RGB, any size from 1x1.
            rng: draws the random crop or flip of training; None for the fixed view of evaluation.
        """

    @abstractmethod
    def forward(self, views: Views) -> Prediction:
        """Score a batch of views, whose tensors have a first axis of N images."""

    def preprocessing(self) -> dict[str, Any]:
        """Return how each view is made of an image, as JSON values, for programs without this project; empty if unknown."""
        return {}

    def published(self) -> nn.Module:
        """Return the part that published checkpoints hold: their tensors have its names."""
        return self
