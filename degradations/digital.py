"""Distortions of capture and storage: contrast, pixelation, JPEG, saturation."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray

from degradations.candidates import CANDIDATES
from degradations.inputs import Image
from degradations.planes import Plane, float_planes, join, truncate
from degradations.registry import register


@dataclass(frozen=True, slots=True)
class _Channels:
    image: Image
    means: NDArray[np.float64]


def _with_means(image: Image) -> _Channels:
    sums = np.array(cv2.sumElems(image)[:3])
    return _Channels(image, sums / (255.0 * image.shape[0] * image.shape[1]))


@register(category="digital", candidates=CANDIDATES["contrast"], prepare=_with_means)
def contrast(channels: _Channels, factor: float) -> Image:
    """Move every value towards the mean of its channel: ``(x - mean) factor + mean``."""
    levels = np.arange(256)[:, None] / 255.0
    table = np.clip((levels - channels.means) * factor + channels.means, 0, 1) * 255
    return np.asarray(cv2.LUT(channels.image, table.astype(np.uint8)[None]), np.uint8)


@register(category="digital", candidates=CANDIDATES["pixelate"])
def pixelate(image: Image, scale: float) -> Image:
    """Shrink by ``scale`` with a box filter (to at least one pixel) and enlarge again without interpolation."""
    # Pillow is imported where it is needed: it would double the time of `import degradations`.
    from PIL import Image as Pillow

    height, width = image.shape[:2]
    small = (max(1, int(width * scale)), max(1, int(height * scale)))
    shrunk = Pillow.fromarray(image).resize(small, Pillow.Resampling.BOX)
    return np.array(shrunk.resize((width, height), Pillow.Resampling.NEAREST))


@register(category="digital", candidates=CANDIDATES["jpeg_compression"])
def jpeg_compression(image: Image, quality: float) -> Image:
    """Compress as JPEG with Pillow's defaults and decode again; ``quality`` is truncated to an integer."""
    from PIL import Image as Pillow

    file = BytesIO()
    Pillow.fromarray(image).save(file, "JPEG", quality=int(quality))
    with Pillow.open(file) as decoded:
        return np.array(decoded)


@dataclass(frozen=True, slots=True)
class _Hued:
    value: Plane
    saturation: Plane
    drops: tuple[Plane, ...]
    """How far each channel falls below the value at full saturation."""


def _with_hue(image: Image) -> _Hued:
    planes = float_planes(image)
    value = np.maximum(np.maximum(planes[0], planes[1]), planes[2])
    spread = value - np.minimum(np.minimum(planes[0], planes[1]), planes[2])
    gray = spread == 0
    full = (value / np.where(gray, 1, spread)).astype(np.float32)
    # Gray has no hue; HSV takes red then, of which green and blue are the complement.
    drops = [np.where(gray, value * np.float32(index > 0), (value - plane) * full) for index, plane in enumerate(planes)]
    saturation = (spread / np.maximum(value, 1)).astype(np.float32)
    return _Hued(value, saturation, tuple(drops))


@register(category="digital", candidates=CANDIDATES["saturate"], prepare=_with_hue)
def saturate(hued: _Hued, scale: float, shift: float) -> Image:
    """Change the saturation ``s`` of HSV to ``scale s + shift``, clipped to [0, 1]; hue and value kept."""
    saturation = np.clip(hued.saturation * np.float32(scale) + np.float32(shift), 0, 1)
    return join(truncate(hued.value - drop * saturation) for drop in hued.drops)
