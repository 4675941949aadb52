"""Joining a degraded ROI and a degraded background along a soft edge.

``smooth`` is the mask blurred by a 65x65 Gaussian, and 1 where the mask survives two erosions. The result is
``roi * smooth + background * (1 - smooth)``; where ``0.05 < smooth < 0.95`` that is averaged with its own 3x3 Gaussian blur;
then truncated. ``smooth`` has 256 levels, so all of it is done in whole numbers (exactly, see ``exact_filters``), and only in
the band of pixels that are neither ROI nor background.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from degradations.inputs import Image, Mask

_BLUR_SIZE = 65
_CORE = (13, 242)
"""``0.05 < smooth < 0.95`` in 255ths, both included."""

# Sixteen times a pixel plus its 3x3 Gaussian (which sums to 16): twice the average of the two, in 32nds.
_HALF_SMOOTHED = np.array([[1, 2, 1], [2, 20, 2], [1, 2, 1]], np.float32)
_UNSMOOTHED = 32.0
_UNIT = 32 * 255


class SoftRegion:
    """All that depends on the mask alone, computed once a source."""

    def __init__(self, mask: Mask) -> None:
        """Prepare the soft edge.

        Args:
            mask: uint8 ``(height, width)``, 255 in the ROI and 0 elsewhere.
        """
        smooth = np.asarray(cv2.GaussianBlur(mask, (_BLUR_SIZE, _BLUR_SIZE), 0), np.uint8)
        smooth[cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=2) > 0] = 255
        core = (smooth >= _CORE[0]) & (smooth <= _CORE[1])
        edge = (smooth > 0) & (smooth < 255) & ~core
        self.roi_only = (smooth == 255).astype(np.uint8)
        self.band = np.concatenate([_value_indices(core), _value_indices(edge)])
        self._window = window = _surrounding(core | edge)
        self._core, self._edge = _value_indices(core[window]), _value_indices(edge[window])
        self.roi_weight = np.repeat(smooth[window][..., None], 3, axis=2)
        self.background_weight = 255 - self.roi_weight

    def share(self, image: Image, weight: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what ``image`` adds to the values of the band, in units of 1/8160, for one of the two weights."""
        if not len(self.band):
            return np.zeros(0, np.float32)
        weighted = np.asarray(cv2.multiply(image[self._window], weight, dtype=cv2.CV_32F), np.float32)
        smoothed = cv2.filter2D(weighted, cv2.CV_32F, _HALF_SMOOTHED)
        edge = weighted.ravel().take(self._edge) * np.float32(_UNSMOOTHED)
        return np.concatenate([smoothed.ravel().take(self._core), edge])


class Blends:
    """Joins any two of some numbered images of one size; what an image adds as ROI or as background is computed once."""

    def __init__(self, region: SoftRegion, image_of: Callable[[int], Image]) -> None:
        """Prepare for images that ``image_of`` gives by their number when they are needed."""
        self._region = region
        self._image_of = image_of
        self._roi_shares: dict[int, NDArray[np.float32]] = {}
        self._background_shares: dict[int, NDArray[np.float32]] = {}

    def blend(self, roi: int, background: int) -> Image:
        """Return a new image: number ``roi`` inside, number ``background`` outside, both in the band between."""
        region, inside, outside = self._region, self._image_of(roi), self._image_of(background)
        if roi not in self._roi_shares:
            self._roi_shares[roi] = region.share(inside, region.roi_weight)
        if background not in self._background_shares:
            self._background_shares[background] = region.share(outside, region.background_weight)
        band = self._roi_shares[roi] + self._background_shares[background]
        # A whole number below 2^24 over a constant: the float32 quotient never reaches the next integer by rounding.
        band /= np.float32(_UNIT)
        blended = outside.copy()
        cv2.copyTo(inside, region.roi_only, blended)
        blended.ravel()[region.band] = band.astype(np.uint8)
        return blended


def _surrounding(pixels: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the rows and columns that hold the chosen pixels and their neighbours, for the 3x3 filter; nothing if none is."""
    spans = [np.flatnonzero(pixels.any(axis=axis)) for axis in (1, 0)]
    rows, columns = (slice(max(s[0] - 1, 0), s[-1] + 2) if len(s) else slice(0) for s in spans)
    return rows, columns


def _value_indices(pixels: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the flat indices of all three values of the chosen pixels."""
    return (3 * np.flatnonzero(pixels)[:, None] + np.arange(3)).ravel()
