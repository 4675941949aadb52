"""Check that a model keeps the contract of adapters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import MiqdError
from miqd_builder.responses import MAX_DETECTIONS, Classification, Detections, Segmentation, decode_masks
from miqd_builder.zoo.adapters.base import Adapter
from miqd_builder.zoo.adapters.categories import category_ids_of
from miqd_builder.zoo.build import build
from miqd_builder.zoo.entry import ModelEntry
from miqd_builder.zoo.weights.cache import place


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of checking a model.

    Attributes:
        weights: weights that it was checked with.
        problem: what is wrong, None if nothing.
    """

    weights: Literal["checkpoint", "random"]
    problem: str | None


def verify_model(entry: ModelEntry, *, random_weights: bool = False) -> Verdict:
    """Build a model, load its checkpoint if it is on disk, run it and check its predictions (see :func:`contract_problem`).

    Args:
        entry: which model.
        random_weights: don't load the checkpoint even if it is there.
    """
    random_weights = random_weights or entry.checkpoint is None or not place(entry.checkpoint).is_file()
    try:
        adapter = build(entry, random_weights=random_weights)
        problem = contract_problem(adapter)
    except MiqdError as error:
        problem = str(error)
    return Verdict("random" if random_weights else "checkpoint", problem)


def contract_problem(adapter: Adapter) -> str | None:
    """Run a model on noise and on a gradient and return what is wrong with its predictions, or None.

    Checked: one prediction for each image, of the task's class; finite probabilities of every class that sum to 1; at most 100
    detections by falling score in [0, 1], boxes of positive area inside the image, known categories, one mask of the image's
    size that isn't empty for each box of an instance segmenter; the same predictions again, in another order, and alone.
    """
    images = _images()
    try:
        predictions: list[Any] = adapter.predict(images)
        again = adapter.predict(images[::-1])[::-1]
        alone = adapter.predict(images[:1])
    except ValueError as error:  # predictions that can't be brought into the common form
        return str(error)
    if len(predictions) != len(images):
        return f"returns {len(predictions)} predictions for {len(images)} images"
    for image, prediction in zip(images, predictions, strict=True):
        if problem := next(_problems(adapter, image, prediction), None):
            return problem
    if not all(map(_equal, predictions, again)):
        return "predicts differently for the same images again, in another order"
    if not all(map(_equal, predictions[:1], alone)):
        return "predicts differently for an image alone than for several together"
    return None


def _images() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    noise = np.kron(rng.integers(0, 256, (12, 16, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    ramp = np.linspace(0, 255, 160, dtype=np.uint8)
    gradient = np.broadcast_to(ramp[None, :, None], (120, 160, 3)).copy()
    return [noise, gradient, noise[::-1].copy()]


KINDS = {"cls": Classification, "det": Detections, "ins": Detections, "seg": Segmentation}
"""Class of a prediction, by task."""


def _problems(adapter: Adapter, image: NDArray[np.uint8], prediction: Any) -> Iterator[str]:
    task = adapter.entry.task
    size, kind = image.shape[:2], type(prediction)
    if kind is not KINDS[task]:
        yield f"returns {kind.__name__}, which is no prediction of task {task}"
    elif isinstance(prediction, Classification):
        yield from _classification_problems(prediction, adapter.num_classes)
    elif (prediction.height, prediction.width) != size:
        yield f"predicts for {prediction.width}x{prediction.height} pixels on an image of {size[1]}x{size[0]}"
    elif isinstance(prediction, Segmentation):
        yield from _segmentation_problems(prediction)
    else:
        yield from _detection_problems(prediction, adapter)
        yield from _mask_problems(prediction, task)


def _classification_problems(prediction: Classification, num_classes: int) -> Iterator[str]:
    p = prediction.probabilities
    if p.shape != (num_classes,) or p.dtype != np.float32:
        yield f"gives {p.dtype} {p.shape} for the probabilities of {num_classes} classes"
    if not np.isfinite(p).all() or p.min() < 0 or not np.isclose(p.sum(), 1, atol=1e-3):
        yield f"gives no probabilities of {num_classes} classes that sum to 1"


def _segmentation_problems(prediction: Segmentation) -> Iterator[str]:
    if np.any(np.diff(prediction.category_ids) <= 0) or len(prediction.masks) != len(prediction.category_ids):
        yield f"gives {len(prediction.masks)} masks to {len(prediction.category_ids)} classes, or not by rising class"
    elif decode_masks(prediction.masks, prediction.height, prediction.width).sum(axis=0, dtype=int).max(initial=0) > 1:
        yield "gives some pixels two classes"


def _detection_problems(prediction: Detections, adapter: Adapter) -> Iterator[str]:
    n = len(prediction.scores)
    height, width = prediction.height, prediction.width
    if prediction.boxes.shape != (n, 4) or prediction.category_ids.shape != (n,):
        yield f"gives {n} scores, boxes of shape {prediction.boxes.shape} and {len(prediction.category_ids)} categories"
    elif np.any(prediction.boxes < 0) or np.any(prediction.boxes > [width, height, width, height]):
        yield "gives boxes outside the image"
    elif np.any(prediction.boxes[:, 2:] <= prediction.boxes[:, :2]):
        yield "gives boxes without area"
    if n > MAX_DETECTIONS or np.any(np.diff(prediction.scores) > 0):
        yield f"gives more than {MAX_DETECTIONS} detections, or not by falling score"
    if not np.all((prediction.scores >= 0) & (prediction.scores <= 1)):
        yield "gives scores outside [0, 1]"
    if not np.isin(prediction.category_ids, category_ids_of(adapter.entry.name, adapter.num_classes, None)).all():
        yield "gives categories that it doesn't have"


def _mask_problems(prediction: Detections, task: str) -> Iterator[str]:
    if (task == "ins") != (prediction.masks is not None):
        yield "gives no masks, but its task is ins" if task == "ins" else "gives masks, but its task is det"
    elif prediction.masks is not None:
        if len(prediction.masks) != len(prediction.scores):
            yield f"gives {len(prediction.masks)} masks to {len(prediction.scores)} boxes"
        elif not decode_masks(prediction.masks, prediction.height, prediction.width).any(axis=(1, 2)).all():
            yield "gives empty masks"


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and all(_same(getattr(one, name), getattr(other, name)) for name in one.__slots__)


def _same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        return list(one) == list(other)
    return one == other
