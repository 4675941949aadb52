"""Toy models that note what they are shown, and take their time, so that something can happen to them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from miqd_builder.responses import Response
from tests.toy_models import Blobs, Brightness, RGBImage


class Noting:
    """A toy model that notes its process and the number of images in a file, and sleeps for each image."""

    def __init__(self, model: Brightness | Blobs, log: str, seconds: float) -> None:
        self.model, self.log, self.seconds = model, Path(log), seconds
        self.num_classes = model.num_classes

    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """Note, sleep, predict."""
        with self.log.open("a") as file:
            file.write(f"{os.getpid()} {len(images)}\n")
        time.sleep(self.seconds * len(images))
        return self.model.predict(images)


def noting(entry: Any, options: Any, log: str, seconds: float = 0.01) -> Noting:
    """Factory of :class:`Noting`: a classifier, a detector, or one with masks."""
    return Noting(Brightness() if entry.task == "cls" else Blobs(entry.task == "ins"), log, seconds)
