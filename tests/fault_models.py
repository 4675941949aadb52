"""Toy models for tests of faults: one that can be held in the middle of its work, one that kills its process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from miqd_builder.responses import Response
from tests.toy_models import Brightness, RGBImage

SECONDS_PER_IMAGE = 0.005


class Held(Brightness):
    """Notes its process and the number of images in a file, and waits while another file is there."""

    def __init__(self, log: str, hold: str) -> None:
        super().__init__()
        self.log, self.hold = Path(log), Path(hold)

    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """Note, wait, predict."""
        with self.log.open("a") as file:
            file.write(f"{os.getpid()} {len(images)}\n")
        time.sleep(SECONDS_PER_IMAGE * len(images))
        while self.hold.exists():
            time.sleep(0.01)
        return super().predict(images)


class Poison(Brightness):
    """Kills its process at dark images, until a file is there; notes each time in another, and leaves a half-written one."""

    def __init__(self, log: str, cure: str, half: str) -> None:
        super().__init__()
        self.log, self.cure, self.half = Path(log), Path(cure), Path(half)

    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """Die or predict."""
        if any(image.mean() < 40 for image in images) and not self.cure.exists():
            with self.log.open("a") as file:
                file.write("died\n")
            self.half.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().predict(images)


def held(entry: Any, options: Any, log: str, hold: str) -> Held:
    """Factory of :class:`Held`."""
    return Held(log, hold)


def poison(entry: Any, options: Any, log: str, cure: str, half: str) -> Poison:
    """Factory of :class:`Poison`."""
    return Poison(log, cure, half)
