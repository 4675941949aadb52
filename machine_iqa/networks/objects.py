"""What a detector still sees: the best sign of what detectors and segmenters will find."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from machine_iqa.networks.patch_branch import logarithm
from machine_iqa.networks.regions import to_size_of

BEST = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 17, 20, 24, 28, 33, 38, 44, 51, 59)
"""Places, in the order of their scores, whose scores are told one by one."""
POWER, LEAST = 4, 1e-6
FOUND = (0.05, 0.1, 0.3, 0.5)
"""Scores by which objects are counted."""
STATISTICS = 6 + len(FOUND)
"""Numbers of a level."""


def seen_objects(levels: Sequence[tuple[Tensor, Tensor]], inside: Tensor) -> Tensor:
    """Return statistics of a detector's answer, each the logarithm of a number of about 0.001 to 50.

    The score of a place is the probability of an object times that of its likeliest class. Several places see the same object,
    so each score counts by the fourth power of its share of the largest in the 3x3 around it, which small changes of the image
    change little, unlike choosing the largest. For each level: the sum of these scores, the same in the region of interest,
    the sum of their squares, how many there are of .05, .1, .3 and .5 or more (from half of that, which counts
    nothing, to one and a half, which counts fully), and over all places the mean probability of an object, and mean and
    standard deviation of the scores. Then of all levels together the best scores, further and further apart (:data:`BEST`).

    Args:
        levels: logits of classes ``(N, C, h, w)`` and of objects ``(N, 1, h, w)``; 60 places or more in all.
        inside: soft mask of the region of interest, ``(N, 1, height, width)``.

    Returns:
        ``(N, 10 * levels + 20)``.
    """
    numbers, best = [], []
    for classes, objects in levels:
        there = objects.sigmoid()
        scores = there * classes.amax(1, keepdim=True).sigmoid()
        found = scores * (scores / (F.max_pool2d(scores, 3, 1, 1) + LEAST)) ** POWER
        counts = [(found / least - 0.5).clamp(0, 1) for least in FOUND]
        sums = [found, found * to_size_of(inside, found), found.square(), *counts]
        numbers += [one.sum((1, 2, 3)) for one in sums]
        numbers += [there.mean((1, 2, 3)), scores.mean((1, 2, 3)), scores.flatten(1).std(1)]
        best.append(found.flatten(1))
    best_first = torch.cat(best, 1).topk(max(BEST) + 1, 1).values
    return logarithm(torch.cat([torch.stack(numbers, 1), best_first[:, list(BEST)]], 1))
