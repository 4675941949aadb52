"""Tiny deterministic models without weights, for tests of everything around the models (``backend: python``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from miqd_builder.responses import Classification, Detections, Response

RGBImage = Any
CATEGORIES = np.array([1, 3, 7], np.int32)


class Brightness:
    """Classifies by mean brightness: 1000 classes, so that labels 0..255 fit."""

    num_classes = 1000

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """Softmax around the mean grey level."""
        answers: list[Response] = []
        for image in images:
            distance = np.abs(np.arange(1000) - self.gain * image.mean() / 16)
            p = np.exp(-distance)
            answers.append(Classification((p / p.sum()).astype(np.float32)))
        return answers


class Blobs:
    """Detects saturated blobs of the three primary colours."""

    num_classes = 3

    def __init__(self, masks: bool, threshold: float = 100.0) -> None:
        self.masks, self.threshold = masks, threshold

    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """Connected components of each primary colour; the score is how pure the colour is."""
        return [self._detect(image) for image in images]

    def _detect(self, image: RGBImage) -> Detections:
        boxes, scores, classes, masks = [], [], [], []
        values = image.astype(np.float32)
        for channel in range(3):
            purity = values[..., channel] - np.delete(values, channel, axis=2).max(axis=2)
            count, regions, stats, _ = cv2.connectedComponentsWithStats((purity > self.threshold).astype(np.uint8))
            for region in range(1, count):
                x, y, w, h, area = stats[region]
                if area >= 12:
                    inside = regions == region
                    boxes.append([x, y, x + w, y + h])
                    scores.append(float(np.clip(purity[inside].mean() / 255, 0, 1)))
                    classes.append(CATEGORIES[channel])
                    masks.append(inside)
        height, width = image.shape[:2]
        return Detections.from_raw(
            height=height,
            width=width,
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            scores=np.array(scores, np.float32),
            category_ids=np.array(classes, np.int32),
            masks=np.array(masks, bool).reshape(len(masks), height, width) if self.masks else None,
        )


class Flaky(Brightness):
    """Fails on dark images."""

    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """Raise if any image is dark."""
        if any(image.mean() < 60 for image in images):
            raise RuntimeError("too dark for me")
        return super().predict(images)


class Counting(Brightness):
    """Appends the number of images of each call to a file, so that tests see what was computed."""

    def __init__(self, log: str) -> None:
        super().__init__()
        self.log = Path(log)

    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """Count, then answer."""
        with self.log.open("a") as file:
            file.write(f"{len(images)}\n")
        return super().predict(images)


def brightness(entry: Any, options: Any, gain: float = 1.0) -> Brightness:
    """Factory of :class:`Brightness`."""
    return Brightness(gain)


def blobs(entry: Any, options: Any, threshold: float = 100.0) -> Blobs:
    """Factory of :class:`Blobs`, with masks for task ins."""
    return Blobs(entry.task == "ins", threshold)


def flaky(entry: Any, options: Any) -> Flaky:
    """Factory of :class:`Flaky`."""
    return Flaky()


def counting(entry: Any, options: Any, log: str) -> Counting:
    """Factory of :class:`Counting`."""
    return Counting(log)


def crashing(entry: Any, options: Any) -> Brightness:
    """A model that can't be built, for no fault of the user's."""
    raise RuntimeError("no such luck")
