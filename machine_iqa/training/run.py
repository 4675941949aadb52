"""A whole training: from labelled images to weights that were chosen on validation and reported on test."""

from __future__ import annotations

import json
import logging
import math
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch import Tensor

from machine_iqa.data.batches import BatchLoader
from machine_iqa.data.labelled import Labelled
from machine_iqa.data.reading import read_data
from machine_iqa.data.splits import split_data
from machine_iqa.networks.base import QualityNetwork
from machine_iqa.networks.registry import create_network
from machine_iqa.training.callbacks import KeepMetrics, KeepState, Validation, moving_average
from machine_iqa.training.card import card
from machine_iqa.training.config import TrainingConfig
from machine_iqa.training.figures import Figure, test_figures
from machine_iqa.training.files import (
    BEST,
    CARD,
    LAST,
    LOST,
    METRICS,
    RECORD,
    BestWeights,
    begin,
    record_of,
    sources,
    start_from,
    write_scores,
)
from machine_iqa.training.loaders import Loaders
from machine_iqa.training.module import QualityModule
from machine_iqa.training.progress import Lines
from machine_iqa.weights import load_model
from miqd_builder.errors import ConfigError
from miqd_builder.tables.splits import SplitName


@dataclass(frozen=True)
class TrainingPlan:
    """What a training would do; nothing was written.

    Attributes:
        config: the training's fields.
        parts: labelled images by split.
        network: untrained, or with the weights that it starts from.
        loaders: of its images.
        steps: optimiser steps of an epoch.
        goes_on: whether a state to go on from is there.
        done: whether the training has ended already.
    """

    config: TrainingConfig
    parts: Mapping[SplitName, Labelled]
    network: QualityNetwork
    loaders: Loaders
    steps: int
    goes_on: bool
    done: bool

    @property
    def parameters(self) -> int:
        """Number of the network's parameters that are trained."""
        return sum(parameter.numel() for parameter in self.network.parameters() if parameter.requires_grad)

    def words(self) -> list[str]:
        """Return what it would do, a line each."""
        sizes = (f"{name} {part.images} images of {sources(part)} sources" for name, part in self.parts.items())
        state = "is done already" if self.done else "goes on" if self.goes_on else "begins"
        return [
            f"Training {self.config.name} {state} in {self.config.folder}",
            f"Images: {'; '.join(sizes)}",
            f"Network {self.config.network}: {self.parameters} trained parameters, {len(self.network.outputs)} outputs",
            f"{self.config.epochs} epochs of {self.steps} steps of {self.config.batch_size} images",
        ]


def plan_training(config: TrainingConfig) -> TrainingPlan:
    """Read the labels, divide them, and build the network.

    Raises:
        ConfigError: a field, a run folder, a label table or a file of weights is wrong.
        StoreError: a part is damaged.
    """
    half = None if config.label_models == "all" else config.label_models[-1]
    data = read_data(config.runs, config.data_path, config.outputs, half=half)
    parts = split_data(data, seed=config.split_seed, train_csv=config.train_csv, test_csv=config.test_csv)
    torch.manual_seed(config.seed)
    network = create_network(config.network, config.outputs, **config.network_options)
    start_from(network, config)
    loaders = Loaders(parts, network.views, config)
    try:
        goes_on, done = ((config.folder / name).exists() for name in (LAST, RECORD))
    except OSError as error:
        raise ConfigError(f"The training's folder can't be used ({error.strerror}): choose another out.") from None
    return TrainingPlan(config, parts, network, loaders, len(loaders.loader("train")), goes_on, done)


def run_training(plan: TrainingPlan, *, show_progress: bool = False) -> list[Figure]:
    """Train, or go on with a training that was interrupted; choose on validation and report on test.

    Args:
        plan: from :func:`plan_training`.
        show_progress: show a bar on standard error, or lines where it is no terminal.

    Returns:
        the figures of the test split.

    Raises:
        ConfigError: the folder holds another training, nothing could be read, or the device isn't there.
    """
    config, folder = plan.config, plan.config.folder
    # Depthwise convolutions learn three times as fast so on a CPU, and tensor cores read them so.
    network = plan.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module = QualityModule(network, config, plan.steps)
    goes_on = begin(config, plan.parts)
    best = BestWeights(folder, record_of(config, plan.parts))
    if not plan.done:
        trainer = _trainer(plan, best, show_progress)
        trainer.fit(module, datamodule=plan.loaders, ckpt_path=folder / LAST if goes_on else None, weights_only=True)
        if trainer.interrupted:
            raise KeyboardInterrupt
    network, _ = load_model(folder / BEST)
    return report_training(plan, *predict(network, plan.loaders.loader("test"), _device(config)))


def report_training(plan: TrainingPlan, rows: Tensor, scores: Tensor, lost: Iterable[str]) -> list[Figure]:
    """Write what the best weights say of the test split, the figures of it, and the card; the training has ended.

    Args:
        plan: of the training.
        rows: number of each scored image among those of the split, int64 ``(N,)``.
        scores: float32 ``(N, outputs)``.
        lost: images that couldn't be read, and why.

    Returns:
        the figures.
    """
    config, folder = plan.config, plan.config.folder
    write_scores(folder, plan.parts["test"], rows, scores)
    file = folder / LOST
    known = set(file.read_text("utf-8").splitlines()) if file.exists() else set()
    every = sorted(known.union(lost))
    if every:
        file.write_text("".join(f"{line}\n" for line in every), encoding="utf-8")
    figures = list(test_figures(plan.parts["test"], rows, scores, seed=config.seed))
    (folder / CARD).write_text(card(config, plan.parts, figures, every), encoding="utf-8")
    lines = [json.dumps(figure.to_json()) for figure in figures]
    (folder / RECORD).write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    return figures


def predict(network: QualityNetwork, loader: BatchLoader, device: torch.device) -> tuple[Tensor, Tensor, list[str]]:
    """Score all images of a loader.

    Args:
        network: left in evaluation mode.
        loader: with fixed views.
        device: where the network runs.

    Returns:
        number of each image, int64 ``(N,)``, its scores, float32 ``(N, outputs)``, and what couldn't be read.
    """
    network = network.to(device).eval()
    rows, scores, lost = [], [], list[str]()
    with torch.inference_mode():
        for batch in loader:
            lost += batch.lost
            if len(batch):
                views = {name: view.to(device) for name, view in batch.views.items()}
                rows.append(batch.rows)
                scores.append(network(views).scores.float().cpu())
    if not rows:
        return torch.empty(0, dtype=torch.int64), torch.empty(0, len(network.outputs)), lost
    return torch.cat(rows), torch.cat(scores), lost


def _trainer(plan: TrainingPlan, best: BestWeights, show_progress: bool) -> Trainer:
    config, folder = plan.config, plan.config.folder
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    callbacks: list[Callback] = [Validation(plan.parts["validation"], best), KeepMetrics.of(folder / METRICS)]
    if config.ema:
        # After the validation, which sees the averaged weights. EMAWeightAveraging can't be sent to other processes.
        callbacks.append(WeightAveraging(avg_fn=partial(moving_average, decay=config.ema)))
    callbacks.append(KeepState(folder, config.save_every))
    bar = show_progress and sys.stderr.isatty()
    if show_progress and not bar:
        callbacks.append(Lines(plan.steps * config.epochs))
    cuda = _device(config).type == "cuda"
    count = len(config.gpu_ids) or config.processes
    return Trainer(
        accelerator="cuda" if cuda else "cpu",
        devices=list(config.gpu_ids) or 1 if cuda else config.processes,
        strategy=_strategy(cuda) if count > 1 else "auto",
        precision="bf16-mixed" if config.precision == "bfloat16" else "32-true",
        max_epochs=config.epochs,
        gradient_clip_val=config.gradient_clip or None,
        val_check_interval=max(1, math.floor(plan.steps / config.validations_per_epoch)),
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        logger=[
            CSVLogger(folder.parent, folder.name, "", flush_logs_every_n_steps=10**9),
            TensorBoardLogger(folder, "tensorboard", ""),
        ],
        callbacks=callbacks,
        enable_checkpointing=False,
        enable_progress_bar=bar,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )


def _strategy(cuda: bool) -> Strategy:
    return DDPStrategy(process_group_backend="nccl" if cuda else "gloo", start_method="spawn")


def _device(config: TrainingConfig) -> torch.device:
    if config.device == "cpu" or (config.device == "auto" and not torch.cuda.is_available()):
        if config.gpu_ids:
            raise ConfigError("gpu_ids asks for GPUs, but PyTorch finds none here: leave it out, or install drivers.")
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError("device: cuda, but PyTorch finds no GPU here: use device: auto.")
    if config.processes > 1:
        raise ConfigError("processes is of the CPU: give gpu_ids for several GPUs.")
    return torch.device("cuda", config.gpu_ids[0] if config.gpu_ids else 0)


def best_file(folder: Path) -> Path:
    """Return where a training's best weights are."""
    return folder / BEST
