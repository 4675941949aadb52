"""Frost: a texture of ice generated from random numbers, in place of photographs."""

from __future__ import annotations

import numpy as np

from degradations.candidates import CANDIDATES
from degradations.inputs import Image
from degradations.motion import blur_along_line
from degradations.planes import Plane, float_planes, join, truncate
from degradations.plasma import plasma_fractal
from degradations.registry import register

# By texture: decay of the fractal between the crystals, share of pixels that a needle starts from, its length in pixels.
_TEXTURES = {1: (1.6, 0.010, 12.0), 2: (1.9, 0.006, 18.0), 3: (1.7, 0.012, 24.0), 4: (2.2, 0.004, 30.0), 5: (1.5, 0.016, 16.0)}
_NEEDLE_ANGLES = 3
_ICE = (0.88, 0.95, 1.0)
"""Red, green and blue of ice."""


@register(category="environment", candidates=CANDIDATES["frost"])
def frost(image: Image, image_weight: float, frost_weight: float, texture_index: float, *, rng: np.random.Generator) -> Image:
    """Add a texture of ice: ``image_weight image + frost_weight texture``.

    Args:
        image: uint8 ``(height, width, 3)``.
        image_weight: of 1.
        frost_weight: of 1.
        texture_index: 1..5, fine to coarse crystals.
        rng: grows the texture.
    """
    ice = _grow(image.shape[:2], *_TEXTURES[int(texture_index)], rng)
    tinted = zip(float_planes(image), _ICE, strict=True)
    return join(truncate(plane * np.float32(image_weight) + ice * np.float32(frost_weight * tint)) for plane, tint in tinted)


def _grow(shape: tuple[int, int], decay: float, density: float, length: float, rng: np.random.Generator) -> Plane:
    """Return a texture in 0..255: ridges of a plasma fractal, and needles in a few random directions."""
    height, width = shape
    side = max(4, 1 << (max(height, width) - 1).bit_length())
    plasma = plasma_fractal(side, decay, rng)[:height, :width]
    ridges = 1 - np.abs(2 * plasma - 1)
    ice = np.float32(150) * ridges * ridges * ridges
    for angle in rng.uniform(0.0, 360.0, _NEEDLE_ANGLES):
        starts = np.where(rng.random(shape, dtype=np.float32) < density, np.uint8(255), np.uint8(0))
        # A streak spreads its start over the length; the gain makes a lone needle half as bright as its start.
        needles = blur_along_line(starts, length, length / 2, float(angle), nearest=True)
        ice += needles * np.float32(length / 3)
    return np.minimum(ice, np.float32(255))
