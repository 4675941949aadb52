"""A quality network as Lightning trains it: steps, optimiser and schedule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from degradations.randomness import keyed_generator
from machine_iqa.data.batches import Batch
from machine_iqa.networks.base import QualityNetwork
from machine_iqa.training.config import TrainingConfig
from machine_iqa.training.losses import training_loss
from miqd_builder.errors import ConfigError, did_you_mean


class QualityModule(LightningModule):
    """Training of a quality network.

    Attributes:
        network: what is trained.
        seen: number of each validated image and its scores, of the validation that runs.
        lost: images that couldn't be read, since the last time that they were written down.

    Args:
        network: what is trained.
        config: how.
        epoch_steps: optimiser steps of an epoch.

    Raises:
        ConfigError: the backbone should learn at another rate, but the network names none; a frozen module is unknown, or
            nothing is left to learn.
    """

    def __init__(self, network: QualityNetwork, config: TrainingConfig, epoch_steps: int) -> None:
        super().__init__()
        if config.backbone_learning_rate != 1 and not network.backbone_modules:
            raise ConfigError(
                f"Network '{config.network}' names no pretrained part: leave backbone_learning_rate out of its training file."
            )
        freeze(network, config.frozen)
        for name in network.unused:  # several processes wait for the gradient of all that learns
            network.get_parameter(name).requires_grad_(False)
        self.network = network
        self._config, self._epoch_steps = config, epoch_steps
        self.seen: list[tuple[Tensor, Tensor]] = []
        self.lost: set[str] = set()

    def train(self, mode: bool = True) -> QualityModule:
        """Set the mode; frozen modules stay in evaluation, so that their norms keep their statistics and nothing drops out."""
        super().train(mode)
        for name in self._config.frozen:
            self.network.get_submodule(name).eval()
        return self

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed dropout and the like by the step, so that a training that goes on draws what it would have drawn."""
        rng = keyed_generator(self._config.seed, "", f"step {self.global_step}", self.global_rank)
        torch.manual_seed(int(rng.integers(2**62)))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        self.lost.update(batch.lost)
        if not len(batch):  # nothing of it could be read; other processes still wait for a gradient
            return torch.stack(
                [parameter.sum() * 0 for parameter in self.network.parameters() if parameter.requires_grad]
            ).sum()
        terms = training_loss(self.network(batch.views), batch.targets, batch.masks, self._config.losses, batch.damage)
        for name, value in terms.items():
            self.log(f"train/{name}", value.detach(), batch_size=len(batch))
        return terms["loss"]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Remember the scores of a batch."""
        self.lost.update(batch.lost)
        if len(batch):
            self.seen.append((batch.rows.cpu(), self.network(batch.views).scores.float().cpu()))

    def configure_optimizers(self) -> Any:
        """Return AdamW with its groups, and a cosine with warm-up that moves every step."""
        config = self._config
        optimiser = AdamW(list(parameter_groups(self.network, config)), lr=config.learning_rate)
        # Not trainer.estimated_stepping_batches: it makes the loaders before Lightning tells them where they were.
        total, warmup = self._epoch_steps * config.epochs, self._epoch_steps * config.warmup_epochs
        share = partial(learning_rate_share, total=total, warmup=warmup, least=config.minimum_learning_rate)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": LambdaLR(optimiser, share), "interval": "step"}}


def freeze(network: nn.Module, names: Sequence[str]) -> None:
    """Keep the weights of modules as they are; gradients aren't computed where only frozen modules come before.

    Args:
        network: whose modules they are.
        names: dotted names, as in ``network.named_modules()``.

    Raises:
        ConfigError: a name is unknown (names the nearest), or nothing is left to learn.

    >>> network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    >>> freeze(network, ["0"])
    >>> [parameter.requires_grad for parameter in network.parameters()]
    [False, False, True, True]
    """
    modules = dict(network.named_modules())
    for name in names:
        if name not in modules or not name:
            known = [one for one in modules if one.count(".") <= name.count(".") and one]
            raise ConfigError(f"frozen: the network has no module '{name}'.{did_you_mean(name, known)}")
        modules[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ConfigError(f"frozen: {', '.join(names)}: nothing is left to learn.")


def parameter_groups(network: QualityNetwork, config: TrainingConfig) -> Iterator[dict[str, Any]]:
    """Yield groups of parameters: no decay on biases and norms (all that has one axis), a rate of its own for the backbone."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            pretrained = any(f"{name}.".startswith(f"{part}.") for part in network.backbone_modules)
            groups.setdefault((pretrained, parameter.ndim > 1 and not name.endswith("bias")), []).append(parameter)
    for (pretrained, decays), parameters in sorted(groups.items()):
        rate = config.learning_rate * (config.backbone_learning_rate if pretrained else 1)
        yield {"params": parameters, "lr": rate, "weight_decay": config.weight_decay if decays else 0.0}


def learning_rate_share(step: int, *, total: int, warmup: float, least: float) -> float:
    """Return the share of the learning rate at a step: a straight line up, then half a cosine down to ``least``.

    >>> [round(learning_rate_share(step, total=6, warmup=2, least=0), 3) for step in range(7)]
    [0.333, 0.667, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = min(1.0, (step - warmup) / max(1.0, total - warmup))
    return least + (1 - least) * (1 + math.cos(math.pi * done)) / 2
