"""From an image to the input of a classifier: resize, centre crop, normalise; one implementation for all back ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional
from torchvision.transforms.functional import InterpolationMode

from miqd_builder.zoo.adapters.shared_crops import SHARED_CROPS
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
        return self.normalised([self.cropped(image)], torch.device("cpu"))[0]

    def cropped(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the image resized and cropped, uint8 ``(crop height, crop width, 3)``, not to be written into.

        Models whose inputs differ in nothing but mean and std share it (:mod:`miqd_builder.zoo.adapters.shared_crops`).
        """
        return SHARED_CROPS.of(image, (self.resize, self.crop, self.interpolation), self._crop)

    def _crop(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        size = self.resize if isinstance(self.resize, int) else list(self.resize)
        picture = functional.resize(Image.fromarray(image), size, InterpolationMode(self.interpolation))
        return np.array(functional.center_crop(picture, list(self.crop)))

    def normalised(self, crops: Sequence[NDArray[np.uint8]], device: torch.device) -> Tensor:
        """Return crops as a network takes them: float32 ``(N, 3, crop height, crop width)`` on a device.

        Each of the 256 levels is looked up, on a CPU and on a GPU, so that the bits are the same on both: those of
        torchvision's ``to_tensor`` and ``normalize``. To a GPU go bytes, from pinned memory.
        """
        levels = _levels(self.mean, self.std)
        if device.type == "cuda":
            pixels = torch.from_numpy(np.stack(crops)).pin_memory().to(device, non_blocking=True)
            places = pixels.permute(0, 3, 1, 2).long() + 256 * torch.arange(3, device=device)[:, None, None]
            return levels.to(device).flatten()[places]
        import cv2

        batch = np.empty((len(crops), 3, *self.crop), np.float32)
        table = levels.numpy()
        for planes, crop in zip(batch, crops, strict=True):
            for channel, plane in enumerate(cv2.split(crop)):
                cv2.LUT(plane, table[channel], planes[channel])
        return torch.from_numpy(batch)


@lru_cache(maxsize=64)
def _levels(mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Return what each of the 256 levels of each channel becomes, float32 ``(3, 256)``."""
    values = torch.arange(256).float().div(255).expand(3, 1, 256)
    return functional.normalize(values, list(mean), list(std))[:, 0].contiguous()


def missing_fields(given: Preprocess) -> list[str]:
    """Return the fields that a complete preprocessing needs and ``given`` lacks (the interpolation has a default)."""
    values = given.model_dump(exclude_none=True)
    return [name for name in Preprocess.model_fields if name not in values and name != "interpolation"]
