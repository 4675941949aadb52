"""Pictures for the viewer: original and degraded image side by side, with what a model predicted on each."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from miqd_builder.formats.publication.content import RunContent
from miqd_builder.formats.publication.shard import Shard
from miqd_builder.tables.schema import ORIGINAL

LEAST_SCORE = 0.3
"""Detections below it aren't drawn, and don't count as references either (``miqd_v1``)."""
LONG_SIDE = 480
"""Of one of the two pictures, in pixels."""
GAP = 8
_COLOURS = ("#e6194b", "#0082c8", "#f58231", "#911eb4", "#3cb44b", "#008080", "#aa6e28", "#800000")


def preview_rows(shard: Shard, content: RunContent, source_id: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of the preview of one source.

    Args:
        shard: with the task, the model and the degradations that are shown.
        content: of the run.
        source_id: the source.
    """
    predictions = {
        row["degradation"]: row
        for part in content.rows("responses", [source_id], task=shard.task, model=shard.model)
        for row in part.to_pylist()
    }
    there = {name for part in content.rows("variants", [source_id]) for name in part["degradation"].to_pylist()}
    names = [name for name in shard.names or () if name == ORIGINAL or name in there]
    before: NDArray[np.uint8] | None = None
    for image in content.images(source_id, [ORIGINAL, *(name for name in names if name != ORIGINAL)]):
        if before is None:
            before = image.pixels
            continue
        left, right = predictions.get(ORIGINAL), predictions.get(image.name)
        picture = side_by_side(drawn(before, left), drawn(image.pixels, right))
        yield {
            "image": {"bytes": _jpeg(picture), "path": f"{source_id}_{image.name}_preview.jpg"},
            "source_id": source_id,
            "degradation": image.name,
            "model": shard.model,
            "predictions_on_original": _count(left),
            "predictions": _count(right),
        }


def drawn(pixels: NDArray[np.uint8], prediction: dict[str, Any] | None) -> Image.Image:
    """Return an image with a prediction: boxes with category id and score, or the first class in a corner.

    Args:
        pixels: uint8 ``(height, width, 3)`` RGB.
        prediction: a row of ``responses``; None for none.
    """
    scale = min(1.0, LONG_SIDE / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    picture = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(picture)
    if prediction is None:
        return picture
    if "top_ids" in prediction:
        _write(pen, 2, 2, f"class {prediction['top_ids'][0]}  {prediction['top_probs'][0]:.2f}", "#000000")
    for number in reversed(range(_count(prediction) or 0)):
        if "boxes" not in prediction:
            continue
        category = prediction["category_ids"][number]
        colour = _COLOURS[category % len(_COLOURS)]
        x1, y1, x2, y2 = (value * scale for value in prediction["boxes"][number])
        pen.rectangle((x1, y1, max(x1, x2), max(y1, y2)), outline=colour, width=2)
        _write(pen, x1 + 2, max(0.0, y1 - 12), f"{category} {prediction['scores'][number]:.2f}", colour)
    return picture


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """Return two pictures of one height beside each other, with a gap."""
    both = Image.new("RGB", (left.width + GAP + right.width, max(left.height, right.height)), "white")
    both.paste(left, (0, 0))
    both.paste(right, (left.width + GAP, 0))
    return both


def _count(prediction: dict[str, Any] | None) -> int | None:
    """Number of detections that are drawn; None without a prediction, or for one that has no detections."""
    if prediction is None or "scores" not in prediction:
        return None
    return sum(score >= LEAST_SCORE for score in prediction["scores"])


def _write(pen: ImageDraw.ImageDraw, x: float, y: float, text: str, colour: str) -> None:
    pen.rectangle(pen.textbbox((x, y), text), fill=colour)
    pen.text((x, y), text, fill="white")


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=88)
    return file.getvalue()
