"""The prediction of a classifier for one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Classification:
    """Prediction of a classifier.

    Attributes:
        probabilities: float32 ``(num_classes,)``, softmax over the classes, sums to 1.
    """

    probabilities: NDArray[np.float32]
