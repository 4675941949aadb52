"""Resized and cropped images that several models see: made once, by whoever asks first, for as long as the image lives."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class SharedCrops:
    """Crops by image and settings; an image is known by identity, and its crops go when it goes.

    Only images that were announced with :meth:`share` are kept: a caller that changes an array in place and doesn't announce
    it is never given crops of its earlier content. Any thread may ask; two that ask at once may both make a crop, of the same
    pixels.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._crops: dict[int, dict[Hashable, Pixels]] = {}

    def share(self, image: Pixels) -> None:
        """Keep the crops of an image from now on; its pixels must not change any more."""
        with self._lock:
            if id(image) in self._crops:
                return
            self._crops[id(image)] = {}
        weakref.finalize(image, self._crops.pop, id(image), None).atexit = False

    def of(self, image: Pixels, settings: Hashable, make: Callable[[Pixels], Pixels]) -> Pixels:
        """Return the crop of an image with some settings.

        Args:
            image: uint8 ``(height, width, 3)`` RGB.
            settings: all that the crop depends on besides the image.
            make: makes it.

        Returns:
            uint8 ``(crop height, crop width, 3)``, not to be written into.
        """
        known = self._crops.get(id(image))
        if known is None:
            return make(image)
        crop = known.get(settings)
        if crop is None:
            crop = known[settings] = make(image)
        return crop

    def __len__(self) -> int:
        """Number of images whose crops are kept."""
        return len(self._crops)


SHARED_CROPS = SharedCrops()
"""Those of this process."""
