"""Check that a model keeps the contract of adapters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import MiqdError
from miqd_builder.responses import MAX_DETECTIONS, Classification, Detections, Response
from miqd_builder.zoo.build import build
from miqd_builder.zoo.entry import ModelEntry


def verify_model(entry: ModelEntry, *, random_weights: bool = False) -> str | None:
    """Build a model, load its checkpoint, run it on noise and on a gradient, and return what is wrong, or None.

    Checked: one answer an image; probabilities that sum to 1; at most 100 detections by falling score, boxes inside the image,
    masks for instance segmentation; the same answers again, and one by one.

    Args:
        entry: which model.
        random_weights: don't load the checkpoint: checks the build where there is none.
    """
    try:
        adapter = build(entry, random_weights=random_weights)
        images = _images()
        answers = adapter.predict(images)
        again = adapter.predict(images)
        alone = [adapter.predict([image])[0] for image in images]
    except MiqdError as error:
        return str(error)
    if len(answers) != len(images):
        return f"answers {len(answers)} times to {len(images)} images"
    for image, answer in zip(images, answers, strict=True):
        if problem := _problem(entry, image, answer, adapter.num_classes):
            return problem
    if not all(map(_equal, answers, again)):
        return "answers differently to the same images"
    if not all(map(_equal, answers, alone)):
        return "answers differently to images one by one than to all of them together"
    return None


def _images() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)
    ramp = np.linspace(0, 255, 160, dtype=np.uint8)
    gradient = np.broadcast_to(ramp[None, :, None], (120, 160, 3)).copy()
    return [noise, gradient, noise[::-1].copy()]


def _problem(entry: ModelEntry, image: NDArray[np.uint8], answer: Response, num_classes: int) -> str | None:
    if isinstance(answer, Classification):
        return (
            _classification_problem(answer, num_classes) if entry.task == "cls" else f"classifies, but its task is {entry.task}"
        )
    if entry.task == "cls":
        return "detects, but its task is cls"
    return _detection_problem(entry, image, answer)


def _classification_problem(answer: Classification, num_classes: int) -> str | None:
    p = answer.probabilities
    if p.shape != (num_classes,) or not np.isclose(p.sum(), 1, atol=1e-3) or p.min() < 0:
        return f"gives no probabilities of {num_classes} classes that sum to 1"
    return None


def _detection_problem(entry: ModelEntry, image: NDArray[np.uint8], answer: Detections) -> str | None:
    height, width = image.shape[:2]
    if (answer.height, answer.width) != (height, width):
        return f"answers for {answer.width}x{answer.height} pixels to an image of {width}x{height}"
    if len(answer.scores) > MAX_DETECTIONS or np.any(np.diff(answer.scores) > 0):
        return f"gives more than {MAX_DETECTIONS} detections, or not by falling score"
    if np.any(answer.boxes < 0) or np.any(answer.boxes > [width, height, width, height]):
        return "gives boxes outside the image"
    if (entry.task == "ins") != (answer.masks is not None):
        return "gives no masks, but its task is ins" if entry.task == "ins" else "gives masks, but its task is det"
    return None


def _equal(one: Response, other: Response) -> bool:
    return all(_same(getattr(one, name), getattr(other, name)) for name in one.__slots__)


def _same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        return list(one) == list(other)
    return one == other
