"""An image as three planes: a third of the memory at a time, and factors for each pixel apply without copies."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from degradations.inputs import Image

Plane = NDArray[np.float32]
"""One channel, float32 ``(height, width)``, in 0..255 unless said otherwise."""


def float_planes(image: Image) -> tuple[Plane, ...]:
    """Return red, green and blue as float32 planes in 0..255."""
    return tuple(plane.astype(np.float32) for plane in cv2.split(image))


def truncate(plane: Plane) -> NDArray[np.uint8]:
    """Clip a plane to 0..255 (in place) and cut the fraction off, the last step of every distortion."""
    return np.clip(plane, 0, 255, out=plane).astype(np.uint8)


def join(planes: Iterable[NDArray[np.uint8]]) -> Image:
    """Return the image that has these red, green and blue planes."""
    return np.asarray(cv2.merge(list(planes)), np.uint8)
