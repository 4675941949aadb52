"""Sensor noise: Gaussian on every value, and impulse noise of broken pixels."""

from __future__ import annotations

import numpy as np

from degradations.candidates import CANDIDATES
from degradations.inputs import Image
from degradations.randomness import standard_normal
from degradations.registry import register


@register(category="noise", candidates=CANDIDATES["gaussian_noise"])
def gaussian_noise(image: Image, sigma: float, *, rng: np.random.Generator) -> Image:
    """Add to every value a normal number of standard deviation ``sigma`` (of 1)."""
    noisy = standard_normal(rng, image.shape)
    noisy *= np.float32(255 * sigma)
    noisy += image
    return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)


@register(category="noise", candidates=CANDIDATES["impulse_noise"])
def impulse_noise(image: Image, amount: float, *, rng: np.random.Generator) -> Image:
    """Replace a share ``amount`` of the values by 0 or 255, one as likely as the other."""
    chance = rng.random(image.shape, dtype=np.float32)
    noisy = image.copy()
    noisy[chance < amount] = 255
    noisy[chance < amount / 2] = 0
    return noisy
