"""Train the heads of miqa-small alone and to the end, on what everything before them says of each image.

The joint training shows each image to the heads a few times, beside seven others of its photograph: enough for what comes
before the heads, too little for them. Here an epoch takes a second, since what the heads get of every image is kept, and each
batch mixes all photographs. A new head is the mean of several that began differently, which is one head as wide as all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from machine_iqa.networks.base import Prediction
from machine_iqa.networks.miqa_small import MiqaSmall, joining
from machine_iqa.training.config import TrainingConfig
from machine_iqa.training.figures import Figure, all_targets, split_figures
from machine_iqa.training.files import BestWeights, begin, record_of
from machine_iqa.training.losses import training_loss
from machine_iqa.training.module import learning_rate_share
from machine_iqa.training.run import plan_training, report_training
from machine_iqa.weights import load_model
from miqd_builder.errors import ConfigError
from pipelines.quality.head_inputs import kept_inputs

MEMBERS = 3
"""Heads of a task whose mean is its new head."""


def train_heads(config: TrainingConfig, weights: Path, folder: Path, *, workers: int) -> list[Figure]:
    """Train the heads of a network anew, and report on the test split.

    Args:
        config: of the training that this is: epochs, batch size, rates, losses and seed are those of the heads, and
            ``network_options.hidden`` is the width of all members together.
        weights: of the network.
        folder: for what the heads get.
        workers: processes that compute it.

    Returns:
        the figures of the test split.

    Raises:
        ConfigError: the folder of the training holds another one, the width can't be divided among the members, or nothing
            could be read.
    """
    if config.network_options.get("hidden", 1) % MEMBERS:
        raise ConfigError(f"network_options.hidden is the width of {MEMBERS} heads together: give a multiple of {MEMBERS}.")
    plan = plan_training(config)
    begin(config, plan.parts)
    inputs = kept_inputs(plan.parts, weights, folder, workers=workers)
    network = cast(MiqaSmall, plan.network).eval()
    before = {name: value for name, value in load_model(weights)[0].state_dict().items() if not name.startswith("heads.")}
    network.load_state_dict(network.state_dict() | before)
    train = inputs["train"]
    targets = torch.from_numpy(all_targets(plan.parts["train"]))[train.rows]
    for task in network.heads:
        columns = [place for place, output in enumerate(network.outputs) if output.task == task]
        print(f"heads: {task} learns", flush=True)
        network.heads[task] = fitted_head(train.by_task[task], targets[:, columns], config)
    with torch.inference_mode():
        chosen, test = inputs["validation"], inputs["test"]
        figures = split_figures(plan.parts["validation"], chosen.rows, network.scores(chosen.by_task))
        BestWeights(config.folder, record_of(config, plan.parts)).write(network, figures)
        lost = [line for one in inputs.values() for line in one.lost]
        return report_training(plan, test.rows, network.scores(test.by_task), lost)


def fitted_head(inputs: Tensor, targets: Tensor, config: TrainingConfig) -> nn.Sequential:
    """Return a head that has learned; images without a label of its task don't count.

    Args:
        inputs: what it gets of each image, float32 ``(N, width)``.
        targets: labels of its task, float32 ``(N, labels)``.
        config: see :func:`train_heads`.
    """
    known = ~targets.isnan().all(1)
    hidden = config.network_options["hidden"] // MEMBERS
    return mean_head([_fitted(inputs[known], targets[known], hidden, config, member) for member in range(MEMBERS)])


def _fitted(inputs: Tensor, targets: Tensor, hidden: int, config: TrainingConfig, member: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed * MEMBERS + member)
        head = joining(inputs.shape[1], hidden, targets.shape[1])
        batches = max(1, len(inputs) // config.batch_size)
        optimiser = AdamW(head.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        total, warmup = config.epochs * batches, config.warmup_epochs * batches
        share = partial(learning_rate_share, total=total, warmup=warmup, least=config.minimum_learning_rate)
        schedule = LambdaLR(optimiser, share)
        for _ in range(config.epochs):
            for rows in torch.randperm(len(inputs))[: batches * config.batch_size].tensor_split(batches):
                prediction = Prediction(torch.sigmoid(head(inputs[rows])))
                optimiser.zero_grad()
                training_loss(prediction, targets[rows], None, config.losses)["loss"].backward()
                optimiser.step()
                schedule.step()
    return head


def mean_head(heads: Sequence[nn.Sequential]) -> nn.Sequential:
    """Return the head whose logits are the mean of those of several: one as wide as all of them.

    >>> heads = [joining(4, 3, 2).eval() for _ in range(2)]
    >>> x = torch.randn(5, 4)
    >>> torch.allclose(mean_head(heads)(x), (heads[0](x) + heads[1](x)) / 2, atol=1e-6)
    True
    """
    first, last = zip(*map(_layers, heads), strict=True)
    joined = joining(first[0].in_features, sum(layer.out_features for layer in first), last[0].out_features)
    before, after = _layers(joined)
    with torch.no_grad():
        before.weight.copy_(torch.cat([layer.weight for layer in first]))
        before.bias.copy_(torch.cat([layer.bias for layer in first]))
        after.weight.copy_(torch.cat([layer.weight for layer in last], 1) / len(heads))
        after.bias.copy_(torch.stack([layer.bias for layer in last]).mean(0))
    return joined.eval()


def _layers(head: nn.Sequential) -> tuple[nn.Linear, nn.Linear]:
    return cast(nn.Linear, head[0]), cast(nn.Linear, head[-1])
