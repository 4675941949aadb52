"""The functions that a recipe chooses from: comparisons of a classifier's predictions, and scores from an average precision.

A user's own function is named ``package.module:function`` and has the type :data:`ClassConsistency` or :data:`DetectionScore`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqd_builder import consent, user_code
from miqd_builder.errors import ConfigError, MiqdError, did_you_mean
from miqd_builder.labeling.average_precision import ImageAP


@dataclass(frozen=True, slots=True)
class ClassPredictions:
    """Stored predictions of a classifier, a row an image.

    Attributes:
        top_ids: int32 ``(n, 5)``, classes by falling probability; -1 where the model has fewer than 5.
        top_probs: float32 ``(n, 5)``, their probabilities; 0 where there is none.
    """

    top_ids: NDArray[np.int32]
    top_probs: NDArray[np.float32]

    def take(self, rows: NDArray[np.integer]) -> ClassPredictions:
        """Return some rows."""
        return ClassPredictions(self.top_ids[rows], self.top_probs[rows])


Values = NDArray[np.float64]
ClassConsistency = Callable[[ClassPredictions, ClassPredictions], Values]
"""From predictions on the degraded images and on their originals, row by row, to values in [0, 1]; exactly 1 for equal ones."""
DetectionScore = Callable[[ImageAP], Values]
"""From the average precision of images to values in [0, 1]; exactly 1 for a perfect one."""


def top1(degraded: ClassPredictions, original: ClassPredictions) -> Values:
    """1 where the most probable class is the original's, else 0."""
    return (degraded.top_ids[:, 0] == original.top_ids[:, 0]).astype(np.float64)


def jensen_shannon(degraded: ClassPredictions, original: ClassPredictions) -> Values:
    """1 - Jensen-Shannon distance (the square root of the divergence, base 2) of the stored probabilities.

    Both predictions become distributions over the classes in either top 5 and one bin for the rest. A class that only one of
    them lists has probability 0 in the other, where it is counted in the rest bin. The result differs from the distance of the
    full distributions by at most sqrt(rest of one) + sqrt(rest of the other).

    Source: Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37 (1991); Endres and Schindelin,
    A new metric for probability distributions, ibid. 49 (2003).
    """
    p, q = _with_rest(degraded.top_probs), _with_rest(original.top_probs)
    same = degraded.top_ids[:, :, None] == original.top_ids[:, None, :]
    q_of_p = (same * q[:, None, :-1]).sum(axis=2)
    alone = np.where(same.any(axis=1), 0, q[:, :-1])
    divergence = (
        _divergence(p[:, :-1], q_of_p).sum(axis=1)
        + _divergence(np.zeros_like(alone), alone).sum(axis=1)
        + _divergence(p[:, -1], q[:, -1])
    )
    return 1 - np.sqrt(np.clip(divergence, 0, 1))


def _with_rest(top_probs: NDArray[np.float32]) -> Values:
    """Probabilities of the listed classes and of all others, ``(n, 6)``, of sum 1."""
    listed = top_probs.astype(np.float64)
    rest = np.clip(1 - listed.sum(axis=1, keepdims=True), 0, None)
    full = np.concatenate([listed, rest], axis=1)
    return full / full.sum(axis=1, keepdims=True)


def _divergence(p: Values, q: Values) -> Values:
    """Terms of the Jensen-Shannon divergence in bits."""
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(p > 0, p * np.log2(p / middle), 0)
        right = np.where(q > 0, q * np.log2(q / middle), 0)
    return (left + right) / 2


CLASS_CONSISTENCIES: dict[str, ClassConsistency] = {"top1": top1, "jensen_shannon": jensen_shannon}

DETECTION_SCORES: dict[str, DetectionScore] = {
    "ap": lambda ap: ap.mean,
    "ap50": lambda ap: ap.at(0.5),
    "ap75": lambda ap: ap.at(0.75),
}


def class_consistency(name: str) -> ClassConsistency:
    """Return a comparison of predictions by name; its result is checked: one value in [0, 1] for each row.

    Raises:
        ConfigError: there is none of that name.
    """
    compare: ClassConsistency = _find(name, "class_consistency", CLASS_CONSISTENCIES)
    return lambda degraded, original: _checked(compare(degraded, original), len(degraded.top_ids), name)


def detection_score(name: str) -> DetectionScore:
    """Return a score of an average precision by name; its result is checked: one value in [0, 1] for each image.

    Raises:
        ConfigError: there is none of that name.
    """
    read: DetectionScore = _find(name, "detection_score", DETECTION_SCORES)
    return lambda ap: _checked(read(ap), len(ap.precision), name)


def _checked(values: Any, rows: int, name: str) -> Values:
    array = np.asarray(values, np.float64)
    if array.shape != (rows,):
        raise ConfigError(
            f"Recipe: '{name}' gave values of shape {array.shape} for {rows} images: expected one value an image."
        )
    wrong = ~((array >= 0) & (array <= 1))
    if wrong.any():
        raise ConfigError(f"Recipe: '{name}' gave {array[wrong][0]:.6g}: expected values in [0, 1].")
    return array


def _find(name: str, field: str, known: Mapping[str, Any]) -> Any:
    if ":" in name:
        return _own(name)
    if name not in known:
        raise ConfigError(
            f"Recipe: unknown {field} '{name}': expected {', '.join(known)} or package.module:function."
            f"{did_you_mean(name, known)}"
        )
    return known[name]


def _own(name: str) -> Any:
    module, _, attribute = name.partition(":")
    consent.check_module(module, "The recipe")
    try:
        function = getattr(user_code.load(module), attribute)
    except MiqdError:
        raise
    except Exception as error:
        raise ConfigError(f"Recipe: '{name}' can't be imported: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise ConfigError(f"Recipe: '{name}' is no function.")
    return function


def function_sha256(name: str) -> str:
    """Return the hash of the module of an own function; empty for those of this project and where there is no file."""
    return (user_code.source_sha256(name.partition(":")[0]) or "") if ":" in name else ""
