"""Procedural backgrounds of the demo scenes: a colour gradient with one of several textures and a light falloff."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Texture = Callable[[np.random.Generator, int, int], NDArray[np.float32]]
"""(rng, height, width) -> float32 ``(height, width)``, about zero, mostly in [-1, 1]."""

TEXTURES: dict[str, Texture] = {}


def _texture(function: Texture) -> Texture:
    TEXTURES[function.__name__] = function
    return function


def _waves(rng: np.random.Generator, height: int, width: int, wavelength: tuple[float, float]) -> NDArray[np.float32]:
    """Phase in radians of parallel waves of a random direction, bent a little."""
    angle, length = rng.uniform(0, np.pi), rng.uniform(*wavelength)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    bend = cloud(rng, height, width) * rng.uniform(0, 2)
    return ((x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / length) + bend).astype(np.float32)


@_texture
def cloud(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Value noise of four octaves."""
    total = np.zeros((height, width), np.float32)
    for octave in range(4):
        cells = 3 * 2**octave
        coarse = rng.uniform(-1, 1, (cells, cells + cells // 3)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * 0.6**octave
    return np.asarray(total / 1.5, np.float32)


@_texture
def stripes(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Soft stripes."""
    return np.asarray(0.7 * np.sin(_waves(rng, height, width, (12, 50))), np.float32)


@_texture
def planks(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Hard-edged boards, each of its own tone."""
    phase = _waves(rng, height, width, (30, 60)) / (2 * np.pi)
    tones = rng.uniform(-0.8, 0.8, 64).astype(np.float32)
    return tones[np.floor(phase).astype(int) % 64] + 0.3 * cloud(rng, height, width)


@_texture
def tiles(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """A checkerboard."""
    first, second = (_waves(rng, height, width, (30, 80)) for _ in range(2))
    return np.tanh(4 * np.sin(first) * np.sin(second)) * 0.7


@_texture
def grain(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Fine sand over faint clouds."""
    sand = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 1.2)
    return 1.2 * sand + 0.5 * cloud(rng, height, width)


def background(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Render a background.

    Args:
        rng: source of every random choice.
        height: in pixels.
        width: in pixels.

    Returns:
        float32 ``(height, width, 3)``, RGB in [0, 1].
    """
    corners = rng.uniform(0.2, 0.75, (2, 2, 1)) + rng.uniform(-0.12, 0.12, (2, 2, 3))
    colours = cv2.resize(corners.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    texture = TEXTURES[list(TEXTURES)[rng.integers(len(TEXTURES))]](rng, height, width)
    tint = rng.uniform(0.06, 0.2) * rng.uniform(0.6, 1.0, 3)
    return np.clip(colours + texture[..., None] * tint.astype(np.float32), 0, 1).astype(np.float32)
