"""Checks of images and masks before any work: the error names what was expected and what was given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from degradations.errors import DegradationError

Image = NDArray[np.uint8]
"""An RGB image, uint8 ``(height, width, 3)``."""

Mask = NDArray[np.uint8]
"""A region mask, uint8 ``(height, width)``: 255 in the ROI, 0 in the background."""


def _describe(value: object) -> str:
    if not isinstance(value, np.ndarray):
        return f"{type(value).__name__} {value!r}"[:80]
    layout = "" if value.flags.c_contiguous else ", not C-contiguous"
    return f"{value.dtype} array of shape {value.shape}{layout}"


def check_image(image: object, what: str = "image") -> Image:
    """Return ``image`` if it is a C-contiguous, non-empty uint8 ``(height, width, 3)`` array.

    Raises:
        DegradationError: it is anything else; views with gaps are refused, pass them through ``np.ascontiguousarray``.
    """
    expected = "a C-contiguous uint8 RGB array of shape (height, width, 3)"
    good = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    if not (good and image.size and image.flags.c_contiguous):  # type: ignore[attr-defined]
        raise DegradationError(f"{what}: expected {expected} with at least one pixel, got {_describe(image)}")
    return image  # type: ignore[return-value]


def check_mask(mask: object, shape: tuple[int, int]) -> Mask:
    """Return ``mask`` if it is a C-contiguous uint8 array of ``shape`` that holds only 0 and 255.

    Raises:
        DegradationError: it is anything else.
    """
    good = isinstance(mask, np.ndarray) and mask.dtype == np.uint8 and mask.shape == shape and mask.flags.c_contiguous
    if not good:
        raise DegradationError(f"mask: expected a C-contiguous uint8 array of the image's shape {shape}, got {_describe(mask)}")
    assert isinstance(mask, np.ndarray)
    # Two cheap comparisons instead of np.unique, which sorts; the values are looked up only for the message.
    if not np.all((mask == 0) | (mask == 255)):
        others = [int(v) for v in np.unique(mask) if v not in (0, 255)]
        raise DegradationError(f"mask: expected only the values 0 and 255, got {others[:5]} too; threshold it first")
    return mask
