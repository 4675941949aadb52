"""A picture of the report: a thumbnail with what was annotated and what was predicted drawn over it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from miqd_builder.auditing.page.charts import drawing
from miqd_builder.responses import Detections, Segmentation, decode_masks

THUMBNAIL = 300
"""Longest side of a thumbnail in pixels."""
QUALITY = 55
"""Of its WebP; artefacts of the degradations must stay visible, grain needn't."""
LETTER = 0.58
"""Width of a letter in parts of its size, wide enough for most fonts."""
MOST_OBJECTS = 12
"""Objects of the highest scores that are drawn."""


@dataclass(frozen=True, slots=True)
class Shape:
    """An outline in pixels of the image, with its name at one of its corners."""

    path: str
    name: str
    x: float
    y: float


def thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    """Return uint8 ``(height, width, 3)`` RGB as a small WebP; the same pixels give the same bytes."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


def overlay(pixels: NDArray[np.uint8], solid: Sequence[Shape], dashed: Sequence[Shape], *, label: str) -> Markup:
    """Return an image as SVG with solid and dashed outlines over it; coordinates are pixels of the image.

    Args:
        pixels: uint8 ``(height, width, 3)`` RGB.
        solid: what was annotated.
        dashed: what was predicted.
        label: what the picture shows, for readers of the screen.
    """
    height, width = pixels.shape[:2]
    data = base64.b64encode(thumbnail(pixels)).decode()
    parts = [Markup('<image href="data:image/webp;base64,{}" width="{}" height="{}"/>').format(data, width, height)]
    parts += [Markup('<path class="shape halo" d="{}"/>').format(shape.path) for shape in (*solid, *dashed)]
    for shapes, style in ((solid, "truth"), (dashed, "predicted")):
        parts += [Markup('<path class="shape {}" d="{}"/>').format(style, shape.path) for shape in shapes]
    size = round(max(height, width) / 24, 1)
    for shapes, style in ((solid, "truth"), (dashed, "predicted")):
        parts += [_name(shape, style, size, width, height) for shape in shapes if shape.name]
    return drawing(width, height, parts, label=label, kind="picture")


def box_shapes(objects: Detections, names: Sequence[str], *, below: bool) -> list[Shape]:
    """Return boxes as shapes, the first :data:`MOST_OBJECTS` of them.

    Args:
        objects: annotated or predicted ones.
        names: of each.
        below: whether the name stands below the box; else above it.
    """
    shapes = []
    for (x1, y1, x2, y2), name in zip(np.round(objects.boxes[:MOST_OBJECTS], 1).tolist(), names, strict=False):
        shapes.append(Shape(f"M{x1:g} {y1:g}H{x2:g}V{y2:g}H{x1:g}Z", name, x1, y2 if below else y1))
    return shapes


def mask_shapes(objects: Detections | Segmentation, names: Sequence[str], *, below: bool) -> list[Shape]:
    """Return the outlines of masks as shapes; arguments as for :func:`box_shapes`."""
    import cv2

    masks = decode_masks(list(objects.masks or ())[:MOST_OBJECTS], objects.height, objects.width)
    tolerance = max(objects.height, objects.width) / 250
    shapes = []
    for mask, name in zip(masks, names, strict=False):
        contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        outlines = [cv2.approxPolyDP(c, tolerance, True).reshape(-1, 2).tolist() for c in contours]
        path = "".join("M" + "L".join(f"{x} {y}" for x, y in outline) + "Z" for outline in outlines if len(outline) > 2)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if path:
            shapes.append(Shape(path, name, float(columns[0]), float(rows[-1] if below else rows[0])))
    return shapes


def _name(shape: Shape, style: str, size: float, width: int, height: int) -> Markup:
    y = shape.y + size if style == "truth" else shape.y - 0.3 * size
    y = round(min(height - 0.3 * size, max(size, y)), 1)
    x = round(max(0.0, min(shape.x, width - LETTER * size * len(shape.name))), 1)
    return Markup('<text class="of-{}" x="{}" y="{}" font-size="{}" stroke-width="{}">{}</text>').format(
        style, x, y, size, round(size / 4, 1), shape.name
    )
