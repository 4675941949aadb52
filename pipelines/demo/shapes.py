"""The eight object classes of the demo scenes: outlines in the unit disc and the light on them.

Classes differ in shape only; colour and surface are drawn at random, so a model cannot tell them apart by colour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Contour = NDArray[np.float64]
"""Closed outline, ``(n, 2)`` x and y in the unit disc, y downwards."""

SUPERSAMPLING = 2
"""Objects are drawn at this multiple of the image's resolution and averaged down: soft, unaliased outlines."""


@dataclass(frozen=True, slots=True)
class Face:
    """A part of an object's surface.

    Attributes:
        contours: outlines, filled by the even-odd rule (the second one of a ring is its hole).
        bevel: width of the rounded rim as a fraction of the object's radius; 1 makes a disc a ball.
        tone: brightness of the face relative to the object's colour.
    """

    contours: tuple[Contour, ...]
    bevel: float
    tone: float = 1.0


SHAPES: dict[str, Callable[[], tuple[Face, ...]]] = {}
"""Class name -> faces of the object, in the order of the class labels 0..7."""


def _shape(outline: Callable[[], tuple[Face, ...]]) -> Callable[[], tuple[Face, ...]]:
    SHAPES[outline.__name__] = outline
    return outline


def _circle(radius: float = 1.0, center: tuple[float, float] = (0.0, 0.0)) -> Contour:
    angle = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius + center


def _polygon(*points: tuple[float, float]) -> Contour:
    return np.array(points, float)


@_shape
def ball() -> tuple[Face, ...]:
    """A sphere."""
    return (Face((_circle(0.92),), bevel=0.92),)


@_shape
def box() -> tuple[Face, ...]:
    """A cube seen from above one of its corners: three faces of different brightness."""
    corner = [(np.cos(a), np.sin(a)) for a in np.deg2rad([30, 90, 150, 210, 270, 330])]
    middle = (0.0, 0.0)
    return (
        Face((_polygon(middle, corner[3], corner[4], corner[5]),), bevel=0.04, tone=1.2),
        Face((_polygon(middle, corner[5], corner[0], corner[1]),), bevel=0.04, tone=0.55),
        Face((_polygon(middle, corner[1], corner[2], corner[3]),), bevel=0.04, tone=0.85),
    )


@_shape
def cone() -> tuple[Face, ...]:
    """A cone: a pointed top over a round base."""
    base = np.linspace(0, np.pi, 32)
    rim = np.stack([0.75 * np.cos(base), 0.7 + 0.22 * np.sin(base)], axis=1)
    return (Face((np.concatenate([rim, [(0.0, -1.0)]]),), bevel=0.6),)


@_shape
def star() -> tuple[Face, ...]:
    """A star with five points."""
    angle = np.deg2rad(-90 + 36 * np.arange(10))
    radius = np.where(np.arange(10) % 2 == 0, 1.0, 0.42)
    return (Face((np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None],), bevel=0.3),)


@_shape
def ring() -> tuple[Face, ...]:
    """A torus."""
    return (Face((_circle(0.95), _circle(0.5)), bevel=0.225),)


@_shape
def cross() -> tuple[Face, ...]:
    """A plus sign with thick arms."""
    arm, end = 0.28, 0.92
    quarter = [(arm, -end), (arm, -arm), (end, -arm), (end, arm), (arm, arm), (arm, end)]
    return (Face((_polygon(*quarter, *[(-x, -y) for x, y in quarter]),), bevel=0.15),)


@_shape
def crescent() -> tuple[Face, ...]:
    """A half moon: a disc with a smaller disc cut from its side."""
    outer = np.linspace(np.deg2rad(48), np.deg2rad(312), 48)
    tip = np.array([np.cos(outer[-1]), np.sin(outer[-1])])
    center = 0.62
    inner_radius = float(np.hypot(tip[0] - center, tip[1]))
    reach = np.pi - np.arctan2(abs(tip[1]), center - tip[0]) if tip[0] < center else np.arctan2(abs(tip[1]), tip[0] - center)
    inner = np.linspace(2 * np.pi - reach, reach, 48)
    outside = np.stack([np.cos(outer), np.sin(outer)], axis=1)
    inside = np.stack([center + inner_radius * np.cos(inner), inner_radius * np.sin(inner)], axis=1)
    return (Face((0.95 * np.concatenate([outside, inside]) + (0.15, 0.0),), bevel=0.22),)


@_shape
def heart() -> tuple[Face, ...]:
    """A heart."""
    t = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return (Face((np.stack([x, y - 2.5], axis=1) / 17,), bevel=0.4),)


CLASS_NAMES = tuple(SHAPES)
"""Class label -> name; the COCO category id is the label + 1."""


@dataclass(frozen=True, slots=True)
class Patch:
    """An object drawn alone on a square of pixels.

    Attributes:
        alpha: float32 ``(n, n)`` in [0, 1], coverage of the pixel.
        light: float32 ``(n, n)``, factor on the object's colour.
        highlight: float32 ``(n, n)`` in [0, 1], white light added on top.
    """

    alpha: NDArray[np.float32]
    light: NDArray[np.float32]
    highlight: NDArray[np.float32]


def draw(class_name: str, radius: float, angle: float, sun: NDArray[np.float32]) -> Patch:
    """Draw one object.

    Args:
        class_name: a key of `SHAPES`.
        radius: radius in pixels of the disc that holds the object.
        angle: rotation in the picture plane, in degrees.
        sun: unit vector to the light: x to the right, y down, z to the viewer.
    """
    size = 2 * int(np.ceil(radius + 2))
    fine = size * SUPERSAMPLING
    turn = np.deg2rad(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    alpha = np.zeros((fine, fine), np.float32)
    light = np.zeros((fine, fine), np.float32)
    highlight = np.zeros((fine, fine), np.float32)
    for face in SHAPES[class_name]():
        pixels = [np.round((c @ rotation.T * radius + size / 2) * SUPERSAMPLING * 16).astype(np.int32) for c in face.contours]
        covered = np.zeros((fine, fine), np.uint8)
        cv2.fillPoly(covered, pixels, 1, shift=4)
        lambert, gloss = _light(covered, face.bevel * radius * SUPERSAMPLING, sun)
        inside = covered.astype(bool)
        alpha[inside] = 1
        light[inside] = (face.tone * lambert)[inside]
        highlight[inside] = gloss[inside]
    coverage = _average(alpha)
    weight: NDArray[np.float32] = np.maximum(coverage, np.float32(1e-3))
    return Patch(alpha=coverage, light=_average(light) / weight, highlight=_average(highlight) / weight)


def _average(fine: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of every block of supersampled values."""
    side = len(fine) // SUPERSAMPLING
    return np.asarray(cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def _light(
    covered: NDArray[np.uint8], bevel: float, sun: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Diffuse factor and highlight of a face whose rim is rounded over ``bevel`` pixels (ambient 0.45, Blinn-Phong)."""
    rim = np.minimum(cv2.distanceTransform(covered, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / bevel, 1)
    height = bevel * np.sqrt(np.maximum(1 - (1 - rim) ** 2, 0)).astype(np.float32)
    reach = 3 + 2 * int(bevel / 10)
    height = cv2.blur(height, (reach, reach))
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=1 / 8)
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=1 / 8)
    length = np.sqrt(slope_x**2 + slope_y**2 + 1)
    diffuse = (sun[2] - slope_x * sun[0] - slope_y * sun[1]) / length
    halfway = sun + np.array([0, 0, 1], np.float32)
    halfway /= np.linalg.norm(halfway)
    gloss = np.maximum((halfway[2] - slope_x * halfway[0] - slope_y * halfway[1]) / length, 0) ** 24
    return 0.45 + 0.6 * np.maximum(diffuse, 0), gloss
