"""Scores of a model's predictions in memory: one source image and its degraded variants, no run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from miqd_builder.labeling.recipes import Recipe, get_recipe
from miqd_builder.labeling.response_checks import check_responses
from miqd_builder.labeling.scoring import score_responses
from miqd_builder.responses import Classification, Detections, Response, Segmentation
from miqd_builder.sources import ClassLabel, SourceImage, Truth
from miqd_builder.tables.responses import Prediction, responses_table
from miqd_builder.tables.schema import ORIGINAL, SCORE_COLUMNS
from miqd_builder.tasks import Task, check_task

KINDS: Mapping[Task, type] = {"cls": Classification, "det": Detections, "ins": Detections, "seg": Segmentation}
"""What a model of each task predicts."""

_ID = "image"


@dataclass(frozen=True)
class _KnownObjects:
    """Annotated objects in memory, as :class:`~miqd_builder.sources.Annotations` gives them to the scorers."""

    tasks: ClassVar[frozenset[Task]] = frozenset({"det", "ins"})

    objects: Detections

    def detections(self, *, masks: bool) -> Detections:
        """Return the objects."""
        return replace(self.objects, boxes=self.objects.boxes.astype(np.float64), masks=self.objects.masks if masks else None)


@dataclass(frozen=True)
class _KnownMap:
    """A class map in memory, as :class:`~miqd_builder.sources.LabelMap` gives it to the scorers."""

    tasks: ClassVar[frozenset[Task]] = frozenset({"seg"})

    classes: Segmentation

    def read(self, height: int, width: int) -> Segmentation:
        """Return the classes."""
        return self.classes


def score(
    task: str,
    degraded: Sequence[Response],
    *,
    original: Response | None = None,
    truth: int | Detections | Segmentation | None = None,
    recipe: str | Path = "miqd_v1",
) -> dict[str, NDArray[np.float64]]:
    """Score one model's predictions on degraded variants of an image: how they changed, and how right they are.

    The results are those that ``miqd label`` writes into ``scores``: predictions are rounded as they are stored (float32, a
    classifier's five most probable classes).

    Args:
        task: ``cls``, ``det``, ``ins`` or ``seg``.
        degraded: predictions on n degraded variants, of the task's type: :class:`~miqd_builder.responses.Classification`,
            :class:`~miqd_builder.responses.Detections` (with masks for ``ins``) or
            :class:`~miqd_builder.responses.Segmentation`.
        original: the same model's prediction on the clean image, for the consistency.
        truth: the ground truth, for the accuracy: a class index, annotated objects (``crowd`` counts, ``scores`` don't), or a
            class map, in which pixels of no class don't count.
        recipe: rules of the scores: a name or a YAML file.

    Returns:
        float64 ``(n,)`` in [0, 1] by name: ``consistency`` and ``accuracy``, for ``det`` and ``ins`` also those at IoU .50 and
        .75 alone (``consistency_ap50`` and so on). NaN where ``original`` or ``truth`` is missing or holds no object.

    Raises:
        ConfigError: the task or the recipe is unknown.
        TypeError: a prediction or the ground truth is not of the task's type.
        InvalidResponsesError: a prediction breaks its contract, such as a box outside of its image.

    Examples:
        >>> import numpy as np
        >>> import miqd_builder as mb
        >>> from miqd_builder.responses import Detections
        >>> def box(x2):
        ...     return Detections(40, 40, np.array([[0.0, 0, x2, 20]]), np.ones(1), np.array([1]))
        >>> scores = mb.score("det", [box(20), box(13)], original=box(20), truth=box(18))
        >>> scores["consistency"], scores["accuracy"]
        (array([1. , 0.4]), array([0.9, 0.5]))
    """
    known = check_task(task)
    rules = get_recipe(str(recipe))
    named = {str(place): prediction for place, prediction in enumerate(degraded)}
    if original is not None:
        named[ORIGINAL] = original
    for name, prediction in named.items():
        _check_kind(known, f"prediction {name}", prediction)
    return _scores(known, named, len(degraded), _truth(known, truth), rules)


def _scores(
    task: Task, named: Mapping[str, Response], count: int, truth: Truth | None, rules: Recipe
) -> dict[str, NDArray[np.float64]]:
    responses = responses_table(task, [Prediction(_ID, name, prediction) for name, prediction in named.items()])
    first: Any = next(iter(named.values()), None)
    size = None if task == "cls" or first is None else (first.height, first.width)
    check_responses(task, responses, {_ID: size}, set(named))
    table = score_responses(task, responses, {_ID: SourceImage(_ID, Path(_ID), truth)}, rules)
    return {name: table[name].to_numpy()[:count].astype(np.float64) for name in SCORE_COLUMNS[task]}


def _truth(task: Task, truth: int | Detections | Segmentation | None) -> Truth | None:
    """The ground truth as the scorers take it."""
    if truth is None:
        return None
    if task == "cls":
        if isinstance(truth, bool) or not isinstance(truth, int | np.integer):
            raise TypeError(f"expected truth to be a class index for task cls, got {type(truth).__name__}")
        return ClassLabel(int(truth))
    _check_kind(task, "truth", truth)
    return cast(Truth, _KnownMap(truth) if isinstance(truth, Segmentation) else _KnownObjects(cast(Detections, truth)))


def _check_kind(task: Task, what: str, value: object) -> None:
    if not isinstance(value, KINDS[task]):
        raise TypeError(f"expected {what} to be {KINDS[task].__name__} for task {task}, got {type(value).__name__}")
    if task == "ins" and isinstance(value, Detections) and value.masks is None:
        raise TypeError(f"expected {what} to have masks for task ins, got boxes only")
