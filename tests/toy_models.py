"""Tiny deterministic models without weights, for tests of everything around the models (``backend: python``)."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from miqd_builder.errors import ConfigError
from miqd_builder.responses import Classification, Detections, Response, Segmentation

RGBImage = Any
CATEGORIES = np.array([1, 3, 7], np.int32)


class Brightness:
    """Classifies by mean brightness: 1000 classes, so that labels 0..255 fit."""

    num_classes = 1000

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """Softmax around the mean grey level."""
        predictions: list[Response] = []
        for image in images:
            distance = np.abs(np.arange(1000) - self.gain * image.mean() / 16)
            p = np.exp(-distance)
            predictions.append(Classification((p / p.sum()).astype(np.float32)))
        return predictions


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


class Colours:
    """Segments the primary colours, classes 1 to 3, from all else, class 0; notes each image in a file if it is given one."""

    num_classes = 4

    def __init__(self, threshold: float, log: str | None, first_id: int) -> None:
        self.threshold, self.log, self.first_id = threshold, log and Path(log), first_id

    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """The class of each pixel is the channel that exceeds the others by the threshold."""
        if self.log:
            with self.log.open("a") as file:
                file.write("image\n" * len(images))
        return [Segmentation.from_map(self._classes(image.astype(np.int32))) for image in images]

    def _classes(self, values: Any) -> Any:
        second, first = np.sort(values, axis=2)[..., 1:].transpose(2, 0, 1)
        return self.first_id + np.where(first - second > self.threshold, values.argmax(axis=2) + 1, 0)


class Flaky(Brightness):
    """Fails on dark images."""

    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """Raise if any image is dark."""
        if any(image.mean() < 60 for image in images):
            raise RuntimeError("too dark for me")
        return super().predict(images)


class Counting(Brightness):
    """Appends the number of images of each call, or the process, to a file, so that tests see what was computed where."""

    def __init__(self, log: str, process: bool = False) -> None:
        super().__init__()
        self.log, self.process = Path(log), process

    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """Count, then predict."""
        with self.log.open("a") as file:
            file.write(f"{os.getpid() if self.process else len(images)}\n")
        return super().predict(images)


class Gated(Brightness):
    """Waits until a file is there, so that tests see a run at work."""

    def __init__(self, gate: str) -> None:
        super().__init__()
        self.gate = Path(gate)

    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """Wait, then predict."""
        while not self.gate.exists():
            time.sleep(0.02)
        return super().predict(images)


def brightness(entry: Any, options: Any, gain: float = 1.0) -> Brightness:
    """Factory of :class:`Brightness`."""
    return Brightness(gain)


def blobs(entry: Any, options: Any, threshold: float = 100.0) -> Blobs:
    """Factory of :class:`Blobs`, with masks for task ins."""
    return Blobs(entry.task == "ins", threshold)


def colours(entry: Any, options: Any, threshold: float = 100.0, log: str | None = None) -> Colours:
    """Factory of :class:`Colours`; its classes are the source's category ids by position."""
    return Colours(threshold, log, options.category_ids[0] if options.category_ids else 0)


def flaky(entry: Any, options: Any) -> Flaky:
    """Factory of :class:`Flaky`."""
    return Flaky()


def gated(entry: Any, options: Any, gate: str) -> Gated:
    """Factory of :class:`Gated`."""
    return Gated(gate)


def counting(entry: Any, options: Any, log: str, process: bool = False) -> Counting:
    """Factory of :class:`Counting`."""
    return Counting(log, process)


def picky(entry: Any, options: Any) -> Brightness:
    """A model that only some processes can build."""
    if os.environ.get("MIQD_TOY_BROKEN"):
        raise ConfigError("this worker lacks a file")
    return Brightness()


def crashing(entry: Any, options: Any) -> Brightness:
    """A model that can't be built, for no fault of the user's."""
    raise RuntimeError("no such luck")
