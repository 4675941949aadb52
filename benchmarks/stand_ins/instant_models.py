"""Classifiers that take no time: what remains is what the runner takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from miqd_builder.responses import Classification, Response

CLASSES = 10


class Instant:
    """A classifier that answers by one pixel, with answers that are ready."""

    num_classes = CLASSES

    def __init__(self, number: int) -> None:
        rows = np.random.default_rng(number).dirichlet(np.ones(CLASSES), 256).astype(np.float32)
        self._answers = [Classification(row) for row in rows]

    def predict(self, images: Sequence[Any]) -> list[Response]:
        """One answer an image."""
        return [self._answers[image[0, 0, 0]] for image in images]


def make(entry: Any, options: Any, number: int) -> Instant:
    """Factory for the zoo file."""
    return Instant(number)


class Fed(Instant):
    """A classifier that costs nothing on the device: real preprocessing, predictions that are ready.

    Args:
        number: of the model; even ones normalise by ImageNet, odd ones to -1..1.
        alone: prepare each image as a model alone does, with torchvision's functions (as before crops were shared).
    """

    def __init__(self, number: int, alone: bool) -> None:
        from miqd_builder.zoo.adapters.preprocess import IMAGENET_MEAN, IMAGENET_STD, ClassifierInput

        super().__init__(number)
        half = (0.5, 0.5, 0.5)
        mean, std = (IMAGENET_MEAN, IMAGENET_STD) if number % 2 == 0 else (half, half)
        self._input = ClassifierInput(resize=256, crop=(224, 224), interpolation="bilinear", mean=mean, std=std)
        self.preprocess = None if alone else self._input

    def predict(self, images: Sequence[Any]) -> list[Response]:
        """One answer an image, 32 at a time, by a value of what goes to the device: bytes, which are normalised there."""
        import torch

        found: list[Response] = []
        for start in range(0, len(images), 32):
            group = images[start : start + 32]
            if self.preprocess is None:
                inputs = torch.stack([_by_torchvision(self._input, image) for image in group])[:, 0, 0, 0]
            else:
                inputs = torch.from_numpy(np.stack([self._input.cropped(image) for image in group]))[:, 0, 0, 0]
            found += [self._answers[int(100 * abs(value)) % 256] for value in inputs.tolist()]
        return found


def _by_torchvision(settings: Any, image: Any) -> Any:
    import torch
    from PIL import Image
    from torchvision.transforms import functional
    from torchvision.transforms.functional import InterpolationMode

    picture = functional.resize(Image.fromarray(image), settings.resize, InterpolationMode(settings.interpolation))
    picture = functional.center_crop(picture, list(settings.crop))
    values = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float().div(255)
    return functional.normalize(values, list(settings.mean), list(settings.std))


def make_fed(entry: Any, options: Any, number: int, alone: bool) -> Fed:
    """Factory for the zoo file."""
    return Fed(number, alone)
