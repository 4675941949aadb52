"""ROI kind ``masks``: a folder of mask files, ``<source_id>_binary_mask.png``, or the folder ``roi`` of another run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError, UnreadableImageError
from miqd_builder.roi.config import RoiConfig
from miqd_builder.sources import SourceImage, SourceSet
from miqd_builder.sources.images import decode_image


def check(config: RoiConfig, sources: SourceSet) -> None:
    """Refuse a folder that lacks masks.

    Raises:
        ConfigError: there is no folder, or a source has no mask in it.
    """
    if config.path is None or not config.path.is_dir():
        raise ConfigError(f"roi.kind 'masks' needs a folder of <source_id>_binary_mask.png: roi.path is '{config.path}'.")
    missing = [file.name for file in (_file(config, source) for source in sources.images) if not file.is_file()]
    if missing:
        raise ConfigError(f"{len(missing)} masks are missing in '{config.path}', the first is '{missing[0]}'.")


def mask(config: RoiConfig, source: SourceImage, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the mask of the source's file; values above 127 are the region.

    Raises:
        UnreadableImageError: the file is gone, damaged or of another size than its image.
    """
    path = _file(config, source)
    try:
        values = decode_image(path.read_bytes(), path.name, source.max_pixels)[:, :, 0]
    except OSError as error:
        raise UnreadableImageError(f"Mask '{path.name}' can't be read ({error.strerror}).") from None
    if values.shape != image.shape[:2]:
        raise UnreadableImageError(
            f"Mask '{path.name}' is {values.shape[1]}x{values.shape[0]} pixels, its image {image.shape[1]}x{image.shape[0]}."
        )
    return np.array((values > 127) * 255, np.uint8)


def content_hash(config: RoiConfig, source: SourceImage) -> str:
    """Return a hash of the mask's file; a fixed text for a file that can't be read."""
    try:
        return "masks " + hashlib.sha256(_file(config, source).read_bytes()).hexdigest()
    except OSError:
        return "masks unreadable"


def _file(config: RoiConfig, source: SourceImage) -> Path:
    folder = config.path or Path()
    published, of_a_run = folder / f"{source.source_id}_binary_mask.png", folder / f"{source.source_id}.png"
    return of_a_run if of_a_run.is_file() and not published.is_file() else published
