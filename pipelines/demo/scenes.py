"""Demo scenes: lit, overlapping objects of eight classes on a textured background, with their ground truth.

A scene depends on its split and its index alone, so any scene can be rendered again anywhere, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.demo.backgrounds import background
from pipelines.demo.shapes import CLASS_NAMES, Patch, draw

HEIGHT, WIDTH = 240, 320
SPLITS = {"train": 1, "val": 2, "held_out": 3}
"""Split name -> first word of the seed: no scene of one split occurs in another."""

MIN_VISIBLE = 0.35
"""Objects of which less than this fraction of the area would be seen are left out."""

SENSOR_NOISE = 0.008
"""Standard deviation of the grey noise of the demo's camera, on [0, 1]."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One object of a scene.

    Attributes:
        label: class 0..7, index into `CLASS_NAMES`.
        mask: bool ``(240, 320)``, the pixels where the object is seen.
        box: x, y, width, height in pixels: the bounding box of `mask`.
    """

    label: int
    mask: NDArray[np.bool_]
    box: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Scene:
    """A rendered scene.

    Attributes:
        image: uint8 ``(240, 320, 3)``, RGB.
        label: class of the dominant object, which is the class of the image.
        instances: what is seen, the dominant object first.
    """

    image: NDArray[np.uint8]
    label: int
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class _Placed:
    label: int
    top: int
    left: int
    patch: Patch

    def covers(self) -> NDArray[np.bool_]:
        mask = np.zeros((HEIGHT, WIDTH), bool)
        size = len(self.patch.alpha)
        target, source = _overlap(self.top, self.left, size)
        mask[target] = self.patch.alpha[source] > 0.5
        return mask


def render(split: str, index: int) -> Scene:
    """Render one scene.

    Args:
        split: a key of `SPLITS`.
        index: any number >= 0; the class of the dominant object is ``index % 8``.
    """
    rng = np.random.default_rng([SPLITS[split], index])
    label = index % len(CLASS_NAMES)
    sun = _sunlight(rng)
    canvas = background(rng, HEIGHT, WIDTH)
    front_to_back = _visible(_place(rng, label, sun))
    for placed, _ in reversed(front_to_back):
        _cast_shadow(canvas, placed, sun)
        _paint(canvas, placed, _surface(rng, len(placed.patch.alpha)))
    canvas *= _falloff(rng, sun)[..., None]
    canvas += SENSOR_NOISE * rng.standard_normal((HEIGHT, WIDTH, 1), np.float32)
    instances = tuple(Instance(placed.label, seen, bounding_box(seen)) for placed, seen in front_to_back)
    return Scene(np.asarray(cv2.convertScaleAbs(np.maximum(canvas, 0), alpha=255), np.uint8), label, instances)


def _sunlight(rng: np.random.Generator) -> NDArray[np.float32]:
    """Unit vector to the light, from above the picture and in front of it."""
    azimuth, height = rng.uniform(-np.pi, 0), rng.uniform(0.5, 0.9)
    along = np.sqrt(1 - height**2)
    return np.array([along * np.cos(azimuth), along * np.sin(azimuth), height], np.float32)


def _place(rng: np.random.Generator, label: int, sun: NDArray[np.float32]) -> list[_Placed]:
    """Choose the objects: the dominant one near the middle and in front, one to five smaller ones around and behind it."""
    centers: list[tuple[float, float, float]] = []
    placed: list[_Placed] = []
    for position in range(1 + int(rng.integers(1, 6))):
        radius = rng.uniform(52, 72) if position == 0 else rng.uniform(24, 40)
        center = _find_room(rng, radius, centers)
        if center is None:
            continue
        centers.append((*center, radius))
        own_label = label if position == 0 else int(rng.integers(len(CLASS_NAMES)))
        patch = draw(CLASS_NAMES[own_label], radius, rng.uniform(-40, 40), sun)
        half = len(patch.alpha) // 2
        placed.append(_Placed(own_label, round(center[1]) - half, round(center[0]) - half, patch))
    return placed


def _find_room(rng: np.random.Generator, radius: float, taken: list[tuple[float, float, float]]) -> tuple[float, float] | None:
    """A center at which an object overlaps others by no more than about a third of its diameter, or None."""
    for _ in range(20):
        if not taken:
            return WIDTH / 2 + rng.uniform(-35, 35), HEIGHT / 2 + rng.uniform(-35, 35)
        x, y = rng.uniform(radius, WIDTH - radius), rng.uniform(radius, HEIGHT - radius)
        slack = rng.uniform(0, 0.7) * radius
        if all(np.hypot(x - cx, y - cy) > radius + other - slack for cx, cy, other in taken):
            return x, y
    return None


def _visible(placed: list[_Placed]) -> list[tuple[_Placed, NDArray[np.bool_]]]:
    """Keep what is seen, front to back, each with its visible mask."""
    hidden = np.zeros((HEIGHT, WIDTH), bool)
    kept = []
    for item in placed:
        whole = item.covers()
        seen = whole & ~hidden
        if seen.sum() >= MIN_VISIBLE * (item.patch.alpha > 0.5).sum():
            kept.append((item, seen))
            hidden |= whole
    return kept


def _overlap(top: int, left: int, size: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of the image and of a ``size`` x ``size`` patch at ``top``, ``left`` where the two meet."""
    y0, y1 = max(top, 0), min(top + size, HEIGHT)
    x0, x1 = max(left, 0), min(left + size, WIDTH)
    return (slice(y0, y1), slice(x0, x1)), (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))


def _surface(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Colour of an object, float32 ``(size, size, 3)``: one random hue, now and then with stripes."""
    hue, saturation, value = rng.uniform(0, 360), rng.uniform(0.3, 0.95), rng.uniform(0.5, 1.0)
    colour = cv2.cvtColor(np.array([[[hue, saturation, value]]], np.float32), cv2.COLOR_HSV2RGB)[0, 0]
    angle, wavelength = rng.uniform(0, np.pi), rng.uniform(8, 20)
    strength = rng.uniform(0.05, 0.2) if rng.random() < 0.4 else 0.0
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    bands = np.sin((x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / wavelength))
    return colour * (1 + strength * bands[..., None]).astype(np.float32)


def _paint(canvas: NDArray[np.float32], placed: _Placed, surface: NDArray[np.float32]) -> None:
    target, source = _overlap(placed.top, placed.left, len(placed.patch.alpha))
    alpha = placed.patch.alpha[source][..., None]
    lit = surface[source] * placed.patch.light[source][..., None] + 0.45 * placed.patch.highlight[source][..., None]
    canvas[target] = canvas[target] * (1 - alpha) + np.clip(lit, 0, 1) * alpha


def _cast_shadow(canvas: NDArray[np.float32], placed: _Placed, sun: NDArray[np.float32]) -> None:
    """Darken what lies behind the object, on the side away from the light."""
    size = len(placed.patch.alpha)
    blur = max(size / 24, 1.5)
    margin = int(3 * blur)
    shade = cv2.GaussianBlur(np.pad(placed.patch.alpha, margin), (0, 0), blur)
    reach = size / 10
    top, left = placed.top - margin - round(sun[1] * reach), placed.left - margin - round(sun[0] * reach)
    target, source = _overlap(top, left, len(shade))
    canvas[target] *= 1 - 0.45 * shade[source][..., None]


def _falloff(rng: np.random.Generator, sun: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light falling off away from the sun: float32 ``(240, 320)`` about 1."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j].astype(np.float32)
    return (1 + rng.uniform(0.05, 0.25) * (x * sun[0] + y * sun[1])).astype(np.float32)


def bounding_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return x, y, width and height in pixels of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)
