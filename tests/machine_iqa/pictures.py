"""Pictures for the tests, rendered: smooth shapes with noise, so that crops and sizes matter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def picture(height: int = 96, width: int = 128, seed: int = 0) -> NDArray[np.uint8]:
    """Waves of three colours with a bright square and some noise, uint8 ``(height, width, 3)`` RGB."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(x / (5 + 3 * c) + y / (9 - 2 * c) + rng.uniform(0, 6)) for c in range(3)], -1)
    image = 110 + 60 * waves + rng.normal(0, 6, (height, width, 3))
    image[height // 4 : height // 2, width // 3 : width // 2] += 70
    return np.clip(image, 0, 255).astype(np.uint8)
