"""Masks of the region of interest, by the kind that the run file asks for."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError
from miqd_builder.registry import Registry
from miqd_builder.roi.config import RoiConfig
from miqd_builder.sources import SourceImage, SourceSet


class RoiKind(Protocol):
    """A way to find regions of interest: a module, or an object, with three functions."""

    def check(self, config: RoiConfig, sources: SourceSet) -> None:
        """Refuse, with ConfigError, a setting that can't give a mask for any source."""

    def mask(self, config: RoiConfig, source: SourceImage, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return uint8 ``(height, width)`` of 0 (background) and 255 (ROI); UnreadableImageError costs only this image."""

    def content_hash(self, config: RoiConfig, source: SourceImage) -> str:
        """Return a text that changes whenever the mask of the same pixels may change."""


ROI_KINDS: Registry[RoiKind] = Registry(
    "ROI kind",
    "miqd.roi",
    {name: f"miqd_builder.roi.{name}" for name in ("annotations", "masks", "salient", "saliency", "dino", "published")},
)
"""Ways to find regions of interest, by their names."""


def check_roi(config: RoiConfig, sources: SourceSet) -> None:
    """Refuse a setting that can't give a mask for any source.

    Raises:
        ConfigError: a mask folder lacks masks, the source has no annotations, or a network's weights are missing.
    """
    if ROI_KINDS.shipped(config.kind) and config.options:
        raise ConfigError(f"roi.options is for kinds of other packages: roi.kind '{config.kind}' takes none. Remove it.")
    ROI_KINDS[config.kind].check(config, sources)


def roi_mask(config: RoiConfig, source: SourceImage, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the source's mask, uint8 ``(height, width)`` of 0 (background) and 255 (ROI).

    Raises:
        UnreadableImageError: a mask file is damaged or of another size than its image, or a segmentation is malformed.
        ConfigError: another package's kind returned something else than a mask.
    """
    mask = ROI_KINDS[config.kind].mask(config, source, image)
    return mask if ROI_KINDS.shipped(config.kind) else _checked(config.kind, source, image, mask)


def roi_hash(config: RoiConfig, source: SourceImage) -> str:
    """Return a hash of everything that the source's mask depends on besides its pixels."""
    found = ROI_KINDS[config.kind].content_hash(config, source)
    if ROI_KINDS.shipped(config.kind):
        return found
    if not isinstance(found, str):
        raise ConfigError(f"ROI kind '{config.kind}' returned the content hash {found!r}: expected a text.")
    return f"{config.kind} {found}"


def _checked(kind: str, source: SourceImage, image: NDArray[np.uint8], mask: object) -> NDArray[np.uint8]:
    who = f"ROI kind '{kind}' returned for image '{source.source_id}'"
    if not isinstance(mask, np.ndarray):
        raise ConfigError(f"{who} {type(mask).__name__}: expected a NumPy array.")
    height, width = image.shape[:2]
    if mask.dtype != np.uint8 or mask.shape != (height, width):
        raise ConfigError(f"{who} {mask.dtype} {mask.shape}: expected uint8 ({height}, {width}).")
    strange = mask[(mask != 0) & (mask != 255)]
    if strange.size:
        raise ConfigError(f"{who} the value {strange[0]}: expected only 0 (background) and 255 (ROI).")
    return mask
