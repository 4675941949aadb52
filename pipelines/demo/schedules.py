"""How long and how fast each demo model is trained."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """Settings of one training.

    Attributes:
        scenes: number of training scenes.
        epochs: passes over them.
        batch: scenes per step.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: AdamW's.
        half_size: share of the epochs, from the first on, in which a detector sees scenes of half the size: a quarter of the
            time a step, and most of what it learns there holds at full size.
        start_from: model whose trained weights this one takes where names and shapes agree, else None: start from random ones.
        seed: of the initial weights, the order and the augmentation.
    """

    scenes: int
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.05
    half_size: float = 0.0
    start_from: str | None = None
    seed: int = 0

    def steps(self, scenes: int) -> int:
        """Optimiser steps over that many scenes; the last, smaller batch of an epoch is left out."""
        return self.epochs * (scenes // self.batch)


SCHEDULES: dict[str, Schedule] = {
    "demo_mobilenetv3": Schedule(scenes=6000, epochs=10, batch=32, learning_rate=4e-3),
    "demo_resnet10t": Schedule(scenes=6000, epochs=5, batch=32, learning_rate=4e-3),
    "demo_mobilenetv2": Schedule(scenes=6000, epochs=8, batch=32, learning_rate=4e-3),
    "demo_yolox": Schedule(scenes=2500, epochs=5, batch=8, learning_rate=2e-3, half_size=0.6),
    "demo_rtmdet-ins": Schedule(scenes=2500, epochs=3, batch=8, learning_rate=3e-3, half_size=0.6),
    "demo_rtmdet": Schedule(scenes=2500, epochs=1, batch=8, learning_rate=1e-3, start_from="demo_rtmdet-ins"),
    "demo_solov2": Schedule(scenes=2500, epochs=5, batch=8, learning_rate=2e-3, half_size=0.6),
}
"""Model name -> how it is trained, in the order of training: a model comes after the one it starts from."""


def report_progress(step: int, steps: int, loss: float, every: int = 25) -> None:
    """Print a line every few steps: step, loss, clock."""
    if step % every == 0 or step == steps - 1:
        print(f"  step {step + 1:5d}/{steps}  loss {loss:7.3f}  {time.strftime('%H:%M:%S')}", flush=True)
