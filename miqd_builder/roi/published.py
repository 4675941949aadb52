"""ROI kind ``published``: the masks that a published data set carries in its table ``sources``."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError, UnreadableImageError
from miqd_builder.roi.config import RoiConfig
from miqd_builder.roi.stored import decode_mask
from miqd_builder.sources import SourceImage, SourceSet
from miqd_builder.sources.published import read_sources


def check(config: RoiConfig, sources: SourceSet) -> None:
    """Refuse a data set that lacks masks.

    Raises:
        ConfigError: there is no table of sources, or a source has no mask in it.
    """
    missing = [image.source_id for image in sources.images if image.source_id not in _masks(config)]
    if missing:
        raise ConfigError(f"{len(missing)} masks are missing in '{config.path}', the first is that of '{missing[0]}'.")


def mask(config: RoiConfig, source: SourceImage, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the published mask.

    Raises:
        UnreadableImageError: it is damaged or of another size than its image.
    """
    try:
        values, _ = decode_mask(_masks(config)[source.source_id])
    except (KeyError, ValueError) as error:
        raise UnreadableImageError(f"The published mask of '{source.source_id}' can't be read ({error}).") from None
    if values.shape != image.shape[:2]:
        raise UnreadableImageError(
            f"The published mask of '{source.source_id}' is {values.shape[1]}x{values.shape[0]} pixels, its image "
            f"{image.shape[1]}x{image.shape[0]}."
        )
    return values


def content_hash(config: RoiConfig, source: SourceImage) -> str:
    """Return a hash of the mask; a fixed text for a source without one."""
    data = _masks(config).get(source.source_id)
    return "published " + (hashlib.sha256(data).hexdigest() if data is not None else "missing")


def _masks(config: RoiConfig) -> dict[str, bytes]:
    folder = config.path
    if folder is None or not folder.is_dir():
        raise ConfigError(f"roi.kind 'published' needs the folder 'sources' of a published data set: roi.path is '{folder}'.")
    stamp = tuple((file.name, file.stat().st_mtime_ns) for file in sorted(folder.glob("*.parquet")))
    return _read(folder, stamp)


@functools.lru_cache(maxsize=4)
def _read(folder: Path, stamp: tuple[tuple[str, int], ...]) -> dict[str, bytes]:
    """Masks by source id; the stamp makes a changed table count."""
    return {row["source_id"]: row["roi"]["bytes"] for row in read_sources(folder, ("source_id", "roi")) if row["roi"]}
