"""What happens beside the steps: validation figures, the best weights, the state to go on from, lost images."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor

from machine_iqa.data.labelled import Labelled
from machine_iqa.training.figures import split_figures
from machine_iqa.training.files import LAST, LOST, BestWeights
from machine_iqa.training.module import QualityModule
from miqd_builder.errors import ConfigError


class Validation(Callback):
    """Computes figures over the whole validation split, however many processes share it, and keeps the best weights.

    Weights are better if the mean SRCC over the outputs is higher; where no output has one, if the mean squared error is lower.

    Args:
        data: the validation split.
        best: where the best weights go.
    """

    def __init__(self, data: Labelled, best: BestWeights) -> None:
        self._data, self._best = data, best
        self._score = -math.inf

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the last validation."""
        assert isinstance(pl_module, QualityModule)
        pl_module.seen.clear()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the figures; the averaged weights, where there are some, are still in place."""
        assert isinstance(pl_module, QualityModule)
        rows, scores = gathered(pl_module.seen)
        if not len(rows):
            raise ConfigError("None of the validation images could be read: see which, and why, in lost.txt.")
        figures = split_figures(self._data, rows, scores)
        for name, value in figures.items():
            pl_module.log(f"validation/{name}", value, rank_zero_only=True, sync_dist=False)
        score = figures.get("srcc", math.nan)
        score = score if not math.isnan(score) else -1 - figures["mse"]
        if score > self._score:
            self._score = score
            if trainer.is_global_zero:
                self._best.write(pl_module.network, figures | {"step": trainer.global_step})

    def state_dict(self) -> dict[str, Any]:
        """See Lightning."""
        return {"score": self._score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See Lightning."""
        self._score = state_dict["score"]


class KeepState(Callback):
    """Saves the state to go on from, after every validation and every so many batches, and the images that were lost.

    Args:
        folder: of the training.
        every: number of batches.
    """

    def __init__(self, folder: Path, every: int) -> None:
        self._folder, self._every = folder, every

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save, unless a validation comes next, which saves when it has ended: it would else be left out after a crash."""
        validates = (batch_idx + 1) % int(trainer.val_check_batch or 1) == 0
        if (batch_idx + 1) % self._every == 0 and not validates:
            self._save(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save."""
        if not trainer.sanity_checking:
            self._save(trainer, pl_module)

    def _save(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, QualityModule)
        for logger in trainer.loggers:
            logger.save()
        lost = set().union(*_of_all_processes(pl_module.lost))
        if trainer.is_global_zero and lost:
            file = self._folder / LOST
            known = set(file.read_text("utf-8").splitlines()) if file.exists() else set()
            file.write_text("".join(f"{line}\n" for line in sorted(known | lost)), encoding="utf-8")
        trainer.save_checkpoint(self._folder / LAST)


class KeepMetrics(Callback):
    """Puts the figures of the part that was done already back into ``metrics.csv``, which Lightning begins anew.

    Args:
        rows: of the file as it was.
    """

    def __init__(self, rows: list[dict[str, str]]) -> None:
        self._rows = rows

    @classmethod
    def of(cls, file: Path) -> KeepMetrics:
        """Return the callback for a file as it is now."""
        if not file.exists():
            return cls([])
        with file.open(newline="", encoding="utf-8") as lines:
            return cls(list(csv.DictReader(lines)))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the rows of the steps that are not done again."""
        if not trainer.is_global_zero:
            return
        for logger in trainer.loggers:
            if isinstance(logger, CSVLogger):
                for row in self._rows:
                    if int(row["step"]) < trainer.global_step:
                        values = {n: int(v) if n == "epoch" else float(v) for n, v in row.items() if v and n != "step"}
                        logger.experiment.log_metrics(values, int(row["step"]))
                logger.save()


def gathered(seen: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return the numbers of the images that any process has scored, rising and each once, and their scores."""
    parts = [part for process in _of_all_processes(seen) for part in process]
    if not parts:
        return torch.empty(0, dtype=torch.int64), torch.empty(0, 0)
    rows, scores = (torch.cat(side) for side in zip(*parts, strict=True))
    order = {int(row): place for place, row in enumerate(rows)}
    places = [order[row] for row in sorted(order)]
    return rows[places], scores[places]


def _of_all_processes(value: Any) -> list[Any]:
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [value]
    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def moving_average(average: Tensor, current: Tensor, number: Tensor | int, *, decay: float) -> Tensor:
    """Return the moving average of weights after a step.

    Args:
        average: before the step.
        current: weights after the step.
        number: of steps before.
        decay: share of the average that is kept.

    >>> moving_average(torch.tensor(1.0), torch.tensor(2.0), 5, decay=0.75).item()
    1.25
    """
    return average * decay + current * (1 - decay)
