"""The progress of a training as plain lines, where there is no terminal for a bar."""

from __future__ import annotations

import sys
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

SECONDS_BETWEEN_LINES = 10.0


class Lines(Callback):
    """Writes a line to standard error every so many seconds: step, loss, rate and time left.

    Args:
        steps: of the whole training.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._began, self._at_begin, self._said = 0.0, 0, 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count from here: what an interrupted training has done says nothing of the rate."""
        self._began = self._said = time.monotonic()
        self._at_begin = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write a line, if it is time."""
        now = time.monotonic()
        last = trainer.global_step >= self._steps
        if not trainer.is_global_zero or (now - self._said < SECONDS_BETWEEN_LINES and not last):
            return
        self._said = now
        rate = (trainer.global_step - self._at_begin) / max(1e-9, now - self._began)
        left = (self._steps - trainer.global_step) / max(1e-9, rate)
        loss = float(trainer.callback_metrics.get("train/loss", float("nan")))
        print(
            f"train: step {trainer.global_step}/{self._steps}, epoch {trainer.current_epoch + 1}, loss {loss:.3f}, "
            f"{rate:.2f} steps/s, {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )
