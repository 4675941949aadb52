"""Terms of the loss. Labels that are NaN count in none of them; a term that nothing counts in is 0.

Scores and labels are float32 ``(N, outputs)``; every term is a number, the mean over what counts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from machine_iqa.networks.base import Prediction
from machine_iqa.training.config import Losses

HUBER_DELTA = 0.1
"""Where squares turn into straight lines, in units of the label."""
TIE = 0.05
"""Labels that differ by less are in no order."""
SOFTNESS = 0.1
"""Difference of scores at which a pair is half settled."""
LEAST = 3
"""Images that a correlation needs."""


def training_loss(
    prediction: Prediction, targets: Tensor, masks: Tensor | None, weights: Losses, damage: Tensor | None = None
) -> dict[str, Tensor]:
    """Return the terms of the loss that have a weight, unweighted, and their weighted sum as ``loss``.

    Args:
        prediction: of a batch.
        targets: labels, float32 ``(N, outputs)``.
        masks: ROI of each image, float32 ``(N, 1, height, width)`` in 0..1, NaN without; None if there are none.
        weights: of the terms.
        damage: what was done to each image, see :attr:`machine_iqa.data.batches.Batch.damage`.
    """
    scores = prediction.scores.float()
    terms = {
        name: term(scores, targets)
        for name, term in (("mse", mse), ("huber", huber), ("ranking", ranking), ("plcc", plcc))
        if getattr(weights, name)
    }
    if weights.mask and prediction.mask is not None and masks is not None:
        terms["mask"] = mask_cross_entropy(prediction.mask.float(), masks)
    if weights.damage and prediction.damage is not None and damage is not None:
        terms["damage"] = damage_loss(prediction.damage.float(), damage)
    loss = scores.sum() * 0
    for other in (prediction.mask, prediction.damage):
        if other is not None:
            loss = loss + other.float().sum() * 0  # every parameter has a gradient, as several processes need
    for name, value in terms.items():
        loss = loss + getattr(weights, name) * value
    return terms | {"loss": loss}


def mse(scores: Tensor, targets: Tensor) -> Tensor:
    """Return the mean squared error.

    >>> mse(torch.tensor([[0.5, 1.0]]), torch.tensor([[1.0, torch.nan]])).item()
    0.25
    """
    known = ~targets.isnan()
    return _mean((scores - targets.nan_to_num()) ** 2, known)


def huber(scores: Tensor, targets: Tensor) -> Tensor:
    """Return the mean of Huber's loss with delta 0.1."""
    known = ~targets.isnan()
    return _mean(F.huber_loss(scores, targets.nan_to_num(), reduction="none", delta=HUBER_DELTA), known)


def ranking(scores: Tensor, targets: Tensor) -> Tensor:
    """Return the mean of log2(1 + exp(-d / 0.1)) over pairs whose labels differ by 0.05 or more.

    d is the difference of the scores of the better and the worse image; equal scores cost 1.

    >>> ranking(torch.tensor([[0.5], [0.5]]), torch.tensor([[0.0], [1.0]])).item()
    1.0
    """
    ordered = targets[:, None] - targets[None]  # NaN compares as false
    better = ordered >= TIE
    differences = scores[:, None] - scores[None]
    return _mean(F.softplus(-differences / SOFTNESS) / torch.log(torch.tensor(2.0)), better)


def plcc(scores: Tensor, targets: Tensor) -> Tensor:
    """Return 1 - Pearson's correlation, mean over the outputs with three or more labels that differ."""
    terms = []
    for column in range(targets.shape[1]):
        known = ~targets[:, column].isnan()
        if int(known.sum()) >= LEAST:
            x, y = (side[known, column] - side[known, column].mean() for side in (scores, targets))
            if y.square().sum() > 1e-8:
                terms.append(1 - (x * y).sum() / (x.square().sum() * y.square().sum() + 1e-12).sqrt())
    return torch.stack(terms).mean() if terms else scores.sum() * 0


def mask_cross_entropy(logits: Tensor, masks: Tensor) -> Tensor:
    """Return the mean cross entropy of predicted masks, against the share of each cell that the ROI covers.

    Args:
        logits: ``(N, 1, h, w)``.
        masks: ``(N, 1, height, width)`` in 0..1, NaN without.
    """
    known = ~masks.isnan().flatten(1).any(1)
    shares = F.adaptive_avg_pool2d(masks.nan_to_num(), (logits.shape[-2], logits.shape[-1]))
    each = F.binary_cross_entropy_with_logits(logits, shares, reduction="none").mean((1, 2, 3))
    return _mean(each, known)


def damage_loss(predicted: Tensor, done: Tensor) -> Tensor:
    """Return the cross entropy of the distortion, and five times the mean squared error of the two severities.

    Args:
        predicted: ``(N, D + 2)``: logits of the distortions, then the severities.
        done: ``(N, 3)``: the distortion's place, and the severities; NaN where it is none of these.

    >>> round(damage_loss(torch.tensor([[0.0, 0.0, 0.5, 0.5]]), torch.tensor([[1.0, 0.5, 1.0]])).item(), 3)
    1.318
    """
    known = ~done.isnan().any(1)
    done = done.nan_to_num()
    which = F.cross_entropy(predicted[:, :-2], done[:, 0].long(), reduction="none")
    return _mean(which + 5 * (predicted[:, -2:] - done[:, 1:]).square().mean(1), known)


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    return torch.where(counted, values, 0).sum() / counted.sum().clamp(min=1)
