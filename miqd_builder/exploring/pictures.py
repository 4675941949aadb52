"""Thumbnails of one source: the original, its degradations over the whole image, and the ROI that joins any two of them.

A degradation of the ROI and one of the background are joined in the page, by the weights that the builder joins them by
(:mod:`degradations.regions`): 51 pictures then show all 360 pairs of ten distortions, and pairs with an undamaged part, which
are not in the data set. Where there is no mask or no uniform degradation to join, the degraded image itself is kept.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from degradations.regions import Blends, SoftRegion
from miqd_builder.exploring.catalog import Catalog, Degradation
from miqd_builder.tables.run_images import RunImages
from miqd_builder.tables.schema import ORIGINAL

LONGER_SIDE = 384
"""Of a thumbnail, in pixels; a smaller image keeps its size."""
AVIF = {"quality": 70, "subsampling": "4:4:4", "speed": 8, "max_threads": 1}
"""How pictures are kept: colour at full resolution, without which coloured noise is gone; one thread, for the same bytes."""
WEBP = {"quality": 82, "method": 4}
"""How masks are kept; their opacity is lossless."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SourcePictures:
    """Pictures of one source.

    Attributes:
        height, width: of the image itself, in pixels.
        kinds: what each picture shows: the number of a degradation in the catalog, or of the original.
        files: AVIF, one each.
        mask: WebP with the weight of the ROI as its opacity; None if there is no mask.
    """

    height: int
    width: int
    kinds: tuple[int, ...]
    files: tuple[bytes, ...]
    mask: bytes | None


def source_pictures(images: RunImages, source_id: str, catalog: Catalog) -> SourcePictures:
    """Read or render the pictures of a source.

    Args:
        images: of the run.
        source_id: one of the run.
        catalog: degradations, by number.

    Raises:
        ConfigError, UnreadableImageError, StoreError: as for :meth:`RunImages.read`.
    """
    original = images.read(source_id, ORIGINAL)
    height, width = original.shape[:2]
    mask = images.roi(source_id)
    numbers = {kind.degradation: number for number, kind in enumerate(catalog.degradations)}
    kinds, files = [catalog.original], [_file(_thumbnail(original), "AVIF", AVIF)]
    for name, pixels in images.several(source_id, stored_names(catalog.degradations, joined=mask is not None)):
        kinds.append(numbers[name])
        files.append(_file(_thumbnail(pixels), "AVIF", AVIF))
    weight = None if mask is None else _file(_opacity(_thumbnail(roi_weight(mask))), "WEBP", WEBP)
    return SourcePictures(height, width, tuple(kinds), tuple(files), weight)


def stored_names(kinds: Sequence[Degradation], *, joined: bool) -> list[str]:
    """Return the degradations whose pictures are kept.

    Args:
        kinds: all that there are.
        joined: whether those of a region can be joined from uniform ones, because there is a mask.
    """
    uniform = {(kind.distortion, kind.roi_severity) for kind in kinds if kind.region == "uniform"}

    def is_kept(kind: Degradation) -> bool:
        parts = {(kind.distortion, kind.roi_severity), (kind.distortion, kind.bg_severity)}
        return kind.region == "uniform" or not (joined and parts <= uniform)

    return [kind.degradation for kind in kinds if is_kept(kind)]


def roi_weight(mask: Pixels) -> Pixels:
    """Return how much of the ROI's image each pixel of a variant shows, uint8 ``(height, width, 3)``, 0 to 255.

    It is white joined with black along the soft edge, as the builder joins two images.
    """
    black, white = (np.full((*mask.shape, 3), value, np.uint8) for value in (0, 255))
    return Blends(SoftRegion(mask), (black, white).__getitem__).blend(1, 0)


def thumbnail_size(height: int, width: int) -> tuple[int, int]:
    """Return the height and width of an image's thumbnail, in pixels."""
    scale = min(1.0, LONGER_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _thumbnail(pixels: Pixels) -> Pixels:
    height, width = thumbnail_size(*pixels.shape[:2])
    if (height, width) == pixels.shape[:2]:
        return pixels
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _opacity(weight: Pixels) -> Pixels:
    return np.dstack([np.zeros_like(weight), weight[..., 0]])


def _file(pixels: Pixels, form: str, options: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()
