"""ROI kind ``annotations``: the union of the annotated objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError
from miqd_builder.responses import decode_masks
from miqd_builder.roi.config import RoiConfig
from miqd_builder.sources import SourceImage, SourceSet


def check(config: RoiConfig, sources: SourceSet) -> None:
    """Refuse a source in which no image has annotations.

    Raises:
        ConfigError: it has none.
    """
    if all(image.truth_for("ins") is None for image in sources.images):
        raise ConfigError("roi.kind 'annotations' needs a source with annotations: use source.kind coco, or roi.kind saliency.")


def mask(config: RoiConfig, source: SourceImage, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the union of the instance masks, see :func:`annotation_mask`."""
    return annotation_mask(source, image)


def content_hash(config: RoiConfig, source: SourceImage) -> str:
    """Return the content hash of the image's annotations."""
    truth = source.truth_for("ins")
    return "annotations " + (truth.content_hash() if truth else "")


def annotation_mask(source: SourceImage, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Union of the instance masks; empty for an image without annotations.

    Raises:
        UnreadableImageError: a segmentation is malformed.
    """
    height, width = image.shape[:2]
    truth = source.truth_for("ins")
    if truth is None:
        return np.zeros((height, width), np.uint8)
    union = decode_masks(truth.masks, height, width).any(axis=0)
    return np.where(union, np.uint8(255), np.uint8(0)).astype(np.uint8)
