"""Fog and snow between the camera and the scene."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from degradations.candidates import CANDIDATES
from degradations.inputs import Image
from degradations.motion import blur_along_line
from degradations.planes import Plane, float_planes, join, truncate
from degradations.plasma import plasma_fractal
from degradations.randomness import standard_normal
from degradations.registry import register


@dataclass(frozen=True, slots=True)
class _FogScene:
    planes: tuple[Plane, ...]
    brightest: float


def _fog_scene(image: Image) -> _FogScene:
    return _FogScene(float_planes(image), float(image.max()))


@register(category="environment", candidates=CANDIDATES["fog"], prepare=_fog_scene)
def fog(scene: _FogScene, amount: float, decay: float, *, rng: np.random.Generator) -> Image:
    """Add ``amount`` times a plasma fractal and scale the brightest value of the image back to itself.

    Args:
        scene: planes in 0..255 and their largest value.
        amount: of fog, of 1.
        decay: how fast the fractal's detail fades; smaller is rougher.
        rng: draws the fractal.
    """
    height, width = scene.planes[0].shape
    side = max(4, 1 << (max(height, width) - 1).bit_length())
    haze = plasma_fractal(side, decay, rng)[:height, :width] * np.float32(255 * amount)
    scale = np.float32(scene.brightest / (scene.brightest + 255 * amount))
    return join(truncate((plane + haze) * scale) for plane in scene.planes)


@dataclass(frozen=True, slots=True)
class _SnowScene:
    planes: tuple[Plane, ...]
    whitened: tuple[Plane, ...]


def _snow_scene(image: Image) -> _SnowScene:
    red, green, blue = float_planes(image)
    gray = red * np.float32(0.299) + green * np.float32(0.587) + blue * np.float32(0.114)
    white = gray * np.float32(1.5) + np.float32(127.5)
    return _SnowScene((red, green, blue), tuple(np.maximum(plane, white) for plane in (red, green, blue)))


@register(category="environment", candidates=CANDIDATES["snow"], prepare=_snow_scene)
def snow(
    scene: _SnowScene,
    loc: float,
    scale: float,
    zoom: float,
    threshold: float,
    radius: float,
    sigma: float,
    mix: float,
    *,
    rng: np.random.Generator,
) -> Image:
    """Whiten the scene and let flakes fall, in two directions.

    Args:
        scene: planes in 0..255, and the same whitened.
        loc: mean of the normal numbers that flakes are made of.
        scale: their standard deviation.
        zoom: size of a flake in pixels.
        threshold: numbers below it are no flake.
        radius: half the length of a flake's streak in pixels.
        sigma: standard deviation along the streak in pixels.
        mix: weight of the scene against the whitened scene.
        rng: draws the flakes and their direction.
    """
    height, width = scene.planes[0].shape
    crop = (math.ceil(height / zoom), math.ceil(width / zoom))
    seeds = standard_normal(rng, crop) * np.float32(scale) + np.float32(loc)
    flakes = _enlarge(seeds, zoom, (height, width))
    flakes[flakes < threshold] = 0
    flakes = np.rint(np.clip(flakes, 0, 1, out=flakes) * np.float32(255)).astype(np.uint8)
    streaks = blur_along_line(flakes, radius, sigma, rng.uniform(-135.0, -45.0), nearest=True).astype(np.float32)
    falling = streaks + streaks[::-1, ::-1]
    kept, whiter = np.float32(mix), np.float32(1 - mix)
    pairs = zip(scene.planes, scene.whitened, strict=True)
    return join(truncate(plane * kept + white * whiter + falling) for plane, white in pairs)


def _enlarge(plane: Plane, zoom: float, shape: tuple[int, int]) -> Plane:
    """Enlarge by linear interpolation, corner on corner, and keep the top left ``shape`` (``scipy.ndimage.zoom``, order 1)."""
    first, second, share = _interpolate(plane.shape[0], zoom, shape[0])
    tall = plane[first] * (1 - share)[:, None] + plane[second] * share[:, None]
    first, second, share = _interpolate(plane.shape[1], zoom, shape[1])
    return np.asarray(tall[:, first] * (1 - share) + tall[:, second] * share, np.float32)


def _interpolate(length: int, zoom: float, wanted: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Plane]:
    positions = np.arange(wanted) * ((length - 1) / max(round(length * zoom) - 1, 1))
    first = np.minimum(positions.astype(np.intp), length - 1)
    return first, np.minimum(first + 1, length - 1), (positions - first).astype(np.float32)
