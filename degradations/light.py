"""Too little light, and too much: shifts of the value of HSV."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from degradations.candidates import CANDIDATES
from degradations.inputs import Image
from degradations.planes import join
from degradations.registry import register


@dataclass(frozen=True, slots=True)
class _Valued:
    planes: tuple[NDArray[np.uint8], ...]
    value: NDArray[np.uint8]


def _with_value(image: Image) -> _Valued:
    red, green, blue = (np.asarray(plane, np.uint8) for plane in cv2.split(image))
    value = np.maximum(np.maximum(red, green), blue)
    # A black pixel has no proportions to keep: it becomes gray, so its channels count as one level for each level of value.
    black = (value == 0).astype(np.uint8)
    return _Valued((red + black, green + black, blue + black), value)


def _shift_value(valued: _Valued, shift: float) -> Image:
    """Add ``shift`` (of 1) to the value of HSV, hue and saturation kept.

    With hue and saturation fixed, red, green and blue are proportional to the value: the way to HSV and back is one factor a
    pixel, and the factor depends on an 8-bit number only.
    """
    levels = np.arange(256)
    factors = np.clip(levels / 255.0 + shift, 0, 1) * 255 / np.maximum(levels, 1)
    # A little more than float32's own error, so that a value raised to 255 isn't truncated to 254.
    factor = cv2.LUT(valued.value, (factors * (1 + 2.0**-21)).astype(np.float32))
    return join((plane * factor).astype(np.uint8) for plane in valued.planes)


@register(category="environment", candidates=CANDIDATES["darkness"], prepare=_with_value)
def darkness(valued: _Valued, value_shift: float) -> Image:
    """Lower the value of HSV by ``value_shift`` (of 1)."""
    return _shift_value(valued, -value_shift)


@register(category="environment", candidates=CANDIDATES["brightness"], prepare=_with_value)
def brightness(valued: _Valued, value_shift: float) -> Image:
    """Raise the value of HSV by ``value_shift`` (of 1)."""
    return _shift_value(valued, value_shift)
