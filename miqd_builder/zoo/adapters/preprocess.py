"""From an image to the input of a classifier: resize, centre crop, normalise; one implementation for all back ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional
from torchvision.transforms.functional import InterpolationMode

from miqd_builder.zoo.entry import Preprocess

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class ClassifierInput:
    """How an image becomes a classifier's input. Resizing is Pillow's, with antialiasing, as in timm and torchvision.

    Attributes:
        resize: pixels of the shorter side, or height and width regardless of the aspect ratio.
        crop: height and width cut from the centre (a smaller image is padded with black).
        interpolation: ``nearest``, ``box``, ``bilinear``, ``bicubic`` or ``lanczos``.
        mean, std: of the R, G and B channel, on [0, 1].
    """

    resize: int | tuple[int, int]
    crop: tuple[int, int]
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def overridden_by(self, given: Preprocess | None) -> ClassifierInput:
        """Return this with the fields that a zoo entry gives in place of its own."""
        if given is None:
            return self
        changes: dict[str, Any] = given.model_dump(exclude_none=True)
        if "resize_short" in changes:
            changes["resize"] = changes.pop("resize_short")
        if "crop" in changes:
            changes["crop"] = (changes["crop"], changes["crop"])
        return replace(self, **changes)

    def __call__(self, image: NDArray[np.uint8]) -> Tensor:
        """Return float32 ``(3, crop height, crop width)`` for a uint8 ``(height, width, 3)`` RGB image."""
        size = self.resize if isinstance(self.resize, int) else list(self.resize)
        picture = functional.resize(Image.fromarray(image), size, InterpolationMode(self.interpolation))
        picture = functional.center_crop(picture, list(self.crop))
        values = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float().div(255)
        return functional.normalize(values, list(self.mean), list(self.std))


def missing_fields(given: Preprocess) -> list[str]:
    """Return the fields that a complete preprocessing needs and ``given`` lacks (the interpolation has a default)."""
    values = given.model_dump(exclude_none=True)
    return [name for name in Preprocess.model_fields if name not in values and name != "interpolation"]
