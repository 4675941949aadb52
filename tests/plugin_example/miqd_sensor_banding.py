"""Rows that a rolling shutter reads out too bright or too dark under flickering light."""

import numpy as np

import degradations

# (amplitude of 1, rows a period): 12 sets, mildest first.
CANDIDATES = [(0.01 * 1.4**k, 12.0 + 2 * k) for k in range(12)]


@degradations.register(category="sensor", candidates=CANDIDATES, version=1)
def sensor_banding(image: np.ndarray, amplitude: float, period: float, *, rng: np.random.Generator) -> np.ndarray:
    """Multiply every row by a wave of random phase between ``1 - amplitude`` and ``1 + amplitude``."""
    rows = np.arange(len(image)) / period + rng.random()
    triangle = 4 * np.abs(rows % 1 - 0.5) - 1  # a triangle, since sin() is not the same to the last bit on every machine
    banded = image * (1 + amplitude * triangle)[:, None, None]
    return np.clip(banded, 0, 255).astype(np.uint8)
