"""Pictures made by arithmetic, and where golden numbers and the pictures of the published generator lie."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).with_name("golden")
PUBLISHED_PICTURES = ROOT.parent / "shared" / "reference" / "astronaut"
"""PNG files of the published generator; they are no part of the repository."""


def scene(height: int, width: int) -> np.ndarray:
    """A picture made by whole-number arithmetic: gradients, a disk, stripes, black and white flats."""
    y, x = np.indices((height, width))
    red = (x * 255) // max(width - 1, 1)
    green = np.where((x - width // 2) ** 2 + (y - height // 2) ** 2 < (min(height, width) // 3) ** 2, 200, (x * y) % 256)
    blue = np.where((x // 5 + y // 3) % 2 == 0, 40, 230)
    image = np.stack([red, green, blue], axis=-1).astype(np.uint8)
    image[: height // 5, : width // 4] = 255
    image[-(height // 6) :, -(width // 4) :] = 0
    return image


def ellipse(height: int, width: int) -> np.ndarray:
    """The mask that the published figures use."""
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, (width // 2, height // 2), (width // 4, height // 3), 0, 0, 360, 255, -1)
    return mask
