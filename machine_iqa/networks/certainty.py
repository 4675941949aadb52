"""How sure a classifier is of what it sees: the best single sign that an image still says something to a machine."""

from __future__ import annotations

import torch
from torch import Tensor

STATISTICS = 7
"""Numbers that :func:`certainty` gives."""
TOP = 5


def certainty(logits: Tensor) -> Tensor:
    """Return seven statistics of a classifier's answer, each of about 0 to 1.

    They are the two largest probabilities, the sum of the five largest, the entropy (by that of equal probabilities), and of
    the logits the largest, the logarithm of the sum of exponentials, and the standard deviation (all three by ten).

    Args:
        logits: ``(N, classes)``, five classes or more.

    Returns:
        ``(N, 7)``.

    >>> sure = torch.zeros(1, 1000)
    >>> sure[0, 3] = 20
    >>> [round(value, 3) for value in certainty(sure)[0].tolist()]
    [1.0, 0.0, 1.0, 0.0, 2.0, 2.0, 0.063]
    """
    logs = logits.log_softmax(1)
    probabilities = logs.exp()
    top = probabilities.topk(TOP, 1).values
    entropy = -(probabilities * logs).sum(1) / torch.log(torch.tensor(float(logits.shape[1])))
    of_logits = [logits.amax(1) / 10, logits.logsumexp(1) / 10, logits.std(1) / 10]
    return torch.stack([top[:, 0], top[:, 1], top.sum(1), entropy, *of_logits], 1)
