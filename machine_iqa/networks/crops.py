"""Square crops of a resized image, with the values that torchvision's ``Resize`` and ``CenterCrop`` give."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
"""Mean and standard deviation of networks that take values from -1 to 1."""

BILINEAR = Image.Resampling.BILINEAR
LONGEST = 4
"""Sides of a picture in proportion, from which on it isn't resized as a whole."""


def crop_of_resized(
    image: NDArray[np.uint8], short_side: int, crop: int, rng: np.random.Generator | None = None
) -> NDArray[np.uint8]:
    """Resize an image (bilinear, antialiased) until its short side is ``short_side``, and take a square of it.

    Of a picture of extreme shape only the square is computed, so that one of 1x5000 pixels costs no more than others.

    Args:
        image: uint8 ``(height, width, 3)``, any size from 1x1.
        short_side: of the resized image, pixels.
        crop: side of the square, pixels; not above ``short_side``.
        rng: draws the place of the square; None for the centre.

    Returns:
        uint8 ``(crop, crop, 3)``.
    """
    height, width = image.shape[:2]
    short = min(height, width)
    rows, columns = int(short_side * height / short), int(short_side * width / short)
    if rng is None:
        top, left = round((rows - crop) / 2), round((columns - crop) / 2)
    else:
        top, left = int(rng.integers(0, rows - crop + 1)), int(rng.integers(0, columns - crop + 1))
    whole = Image.fromarray(image)
    if max(height, width) <= LONGEST * short:
        return np.asarray(whole.resize((columns, rows), BILINEAR))[top : top + crop, left : left + crop]
    across, down = width / columns, height / rows  # the same up to rounding to whole values
    box = (left * across, top * down, min(width, (left + crop) * across), min(height, (top + crop) * down))
    return np.asarray(whole.resize((crop, crop), BILINEAR, box=box))


def normalised(image: NDArray[np.uint8], mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Return float32 ``(3, height, width)`` of a uint8 ``(height, width, 3)`` image: (value / 255 - mean) / std."""
    values = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float().div_(255)
    return values.sub_(torch.tensor(mean).view(3, 1, 1)).div_(torch.tensor(std).view(3, 1, 1))


def crop_record(short_side: int, crop: int, mean: tuple[float, ...], std: tuple[float, ...]) -> dict[str, Any]:
    """Return in JSON values how a view is made by :func:`crop_of_resized` and :func:`normalised`."""
    return {
        "resize": {"short_side": short_side, "interpolation": "bilinear, antialiased (Pillow)"},
        "centre_crop": crop,
        "channels": "RGB",
        "scale": 1 / 255,
        "mean": list(mean),
        "std": list(std),
    }
