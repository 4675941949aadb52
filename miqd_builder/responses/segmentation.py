"""The prediction of a semantic segmenter for one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from miqd_builder.responses.masks import decode_masks, encode_map


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Prediction of a semantic segmenter: at most one class for each pixel. Label PNGs are read into the same form.

    Attributes:
        height, width: size of the image in pixels.
        category_ids: int32 ``(n,)``, the classes that are present, rising: pixel values of the label PNGs.
        masks: COCO compressed RLE ``counts`` of the full image size, one for each class; no pixel is in two of them.
    """

    height: int
    width: int
    category_ids: NDArray[np.int32]
    masks: list[bytes]

    @classmethod
    def from_map(cls, classes: NDArray[np.integer]) -> Segmentation:
        """Return the segmentation of a class map.

        Args:
            classes: integers ``(height, width)``, the category id of each pixel; below 0 for a pixel of no class.

        Raises:
            ValueError: it isn't a non-empty integer array of two dimensions.
        """
        if classes.ndim != 2 or not classes.size or not np.issubdtype(classes.dtype, np.integer):
            raise ValueError(f"expected a map of integers (height, width), got {classes.dtype} {classes.shape}")
        height, width = classes.shape
        masks = encode_map(classes)
        return cls(height, width, np.array(list(masks), np.int32), list(masks.values()))

    def to_map(self) -> NDArray[np.int32]:
        """Return the category id of each pixel, int32 ``(height, width)``; -1 for a pixel of no class."""
        classes = np.full((self.height, self.width), -1, np.int32)
        for category_id, mask in zip(self.category_ids, decode_masks(self.masks, self.height, self.width), strict=True):
            classes[mask] = category_id
        return classes
