"""How sure a classifier is of what it sees: the best single sign that an image still says something to a machine."""

from __future__ import annotations

import torch
from torch import Tensor

STATISTICS = 7
"""Numbers that :func:`certainty` gives."""
AGREEMENT = 5
"""Numbers that :func:`agreement` gives."""
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


def agreement(one: Tensor, other: Tensor) -> Tensor:
    """Return how far two classifiers give the same answer, five statistics of 0 to 1.

    They are, of probabilities p and q: the sum of p q; that of their roots' products (Bhattacharyya's coefficient);
    Jensen and Shannon's divergence (by the entropy of equal probabilities), which alone is 0 for equal answers; and what
    each gives to the other's likeliest classes, the sums of p q^4 / sum(q^4) and of q p^4 / sum(p^4).

    Args:
        one: logits ``(N, classes)``.
        other: logits of the same classes.

    Returns:
        ``(N, 5)``.

    >>> cat, dog = torch.tensor([[9.0, 0.0, 0.0]]), torch.tensor([[0.0, 9.0, 0.0]])
    >>> [[round(value, 2) for value in agreement(cat, other)[0].tolist()] for other in (cat, dog)]
    [[1.0, 1.0, 0.0, 1.0, 1.0], [0.0, 0.02, 0.63, 0.0, 0.0]]
    """
    logs = one.log_softmax(1), other.log_softmax(1)
    p, q = (log.exp() for log in logs)
    mean = ((p + q) / 2).clamp(min=1e-12).log()
    divergence = sum((side * (log - mean)).sum(1) for side, log in zip((p, q), logs, strict=True)) / 2
    entropy = torch.log(torch.tensor(float(one.shape[1])))
    roots = ((logs[0] + logs[1]) / 2).exp().sum(1)
    likeliest = [(4 * log).softmax(1) for log in logs]
    return torch.stack([(p * q).sum(1), roots, divergence / entropy, (p * likeliest[1]).sum(1), (q * likeliest[0]).sum(1)], 1)
