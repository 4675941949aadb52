"""Stages 3 and 4: from responses to ``scores`` of each model, and over the models to ``labels``. No model, no image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from miqd_builder.errors import ConfigError
from miqd_builder.labeling.aggregation import aggregate
from miqd_builder.labeling.recipes import get_recipe
from miqd_builder.labeling.scoring import score_responses
from miqd_builder.store.parts import is_done, read_footer, read_part, write_part
from miqd_builder.store.schema import ORIGINAL, table_path
from miqd_builder.zoo.entry import ModelEntry
from pipelines.context import Context, fingerprint_of, task_context
from pipelines.degrade import PartResult
from pipelines.schedulers import Report, Task


def scores_inputs(context: Context, task: str, part: int, model: str) -> dict[str, Any]:
    """What the scores of one model on one part depend on."""
    truth = {
        source.source_id: fingerprint_of(str(source.label), source.truth.fingerprint() if source.truth else "")
        for source in context.part_sources(context.record.parts[part])
    }
    return {
        "table": "scores",
        "responses": _state(context, table_path("responses", part, task=task, model=model)),
        "truth": truth,
        "recipe": get_recipe(context.config.recipe).fingerprint(),
    }


def score_part(task: Task, report: Report) -> PartResult:
    """Write one model's part of ``scores``.

    Args:
        task: ``config``, ``run``, ``task``, ``part`` and ``model``.
        report: called with the number of images done.
    """
    context = task_context(task)
    where = {"task": task["task"], "model": task["model"]}
    responses = read_part(context.folder, table_path("responses", task["part"], **where))
    scores = score_responses(task["task"], responses, context.sources.by_id, get_recipe(context.config.recipe))
    inputs = scores_inputs(context, task["task"], task["part"], task["model"])
    write_part(context.folder, table_path("scores", task["part"], **where), scores, inputs)
    report(scores.num_rows)
    return PartResult(computed=scores.num_rows)


def labels_inputs(context: Context, task: str, part: int, weights: dict[str, float]) -> dict[str, Any]:
    """What the labels of one part depend on; ``weights`` names the models."""
    return {
        "table": "labels",
        "variants": _state(context, table_path("variants", part)),
        "scores": {model: _state(context, table_path("scores", part, task=task, model=model)) for model in weights},
        "weights": weights,
        "recipe": get_recipe(context.config.recipe).fingerprint(),
    }


def label_part(task: Task, report: Report) -> PartResult:
    """Write a part of ``labels``.

    Args:
        task: ``config``, ``run``, ``task``, ``part`` and ``weights`` (of each model).
        report: called with the number of images done.
    """
    context = task_context(task)
    variants = read_part(context.folder, table_path("variants", task["part"]))
    weights = task["weights"]
    names = {model: table_path("scores", task["part"], task=task["task"], model=model) for model in weights}
    scores = {model: read_part(context.folder, name) for model, name in names.items() if context.folder.exists(name)}
    labels = aggregate(task["task"], variants, scores, weights, get_recipe(context.config.recipe))
    inputs = labels_inputs(context, task["task"], task["part"], weights)
    write_part(context.folder, table_path("labels", task["part"], task=task["task"]), labels, inputs)
    report(labels.num_rows)
    return PartResult(computed=labels.num_rows)


def is_scored(context: Context, task: str, part: int, model: str) -> bool:
    """Tell whether a model's scores are up to date with its responses."""
    footer = read_footer(context.folder, table_path("scores", part, task=task, model=model))
    return footer is not None and is_done(footer, scores_inputs(context, task, part, model))


def is_labelled(context: Context, task: str, part: int, weights: dict[str, float]) -> bool:
    """Tell whether a part's labels are up to date with the scores."""
    footer = read_footer(context.folder, table_path("labels", part, task=task))
    return footer is not None and is_done(footer, labels_inputs(context, task, part, weights))


def model_weights(context: Context, task: str, parts: Sequence[int], entries: Sequence[ModelEntry]) -> dict[str, float]:
    """Return the weight of each model, by the run file's ``weights``.

    ``metric``: the clean benchmark figure of the zoo entry; ``measured``: the mean accuracy on this run's originals;
    ``uniform``: 1.

    Raises:
        ConfigError: an entry has no metric, or no original has ground truth.
    """
    if context.config.weights == "uniform":
        return {entry.name: 1.0 for entry in entries}
    if context.config.weights == "measured":
        return {entry.name: _clean_accuracy(context, task, parts, entry.name) for entry in entries}
    missing = [entry.name for entry in entries if entry.metric is None]
    if missing:
        raise ConfigError(f"Model '{missing[0]}' has no metric in its zoo entry: add one, or use weights: measured or uniform.")
    return {entry.name: entry.metric.value for entry in entries if entry.metric is not None}


def _clean_accuracy(context: Context, task: str, parts: Sequence[int], model: str) -> float:
    values: list[float] = []
    for part in parts:
        name = table_path("scores", part, task=task, model=model)
        if context.folder.exists(name):
            rows = read_part(context.folder, name, ["degradation", "accuracy"]).to_pylist()
            values += [row["accuracy"] for row in rows if row["degradation"] == ORIGINAL and row["accuracy"] is not None]
    if not values:
        raise ConfigError(
            f"weights: measured needs originals with ground truth, model '{model}' has none: use metric or uniform."
        )
    return float(np.mean(values))


def _state(context: Context, name: str) -> list[Any] | None:
    """Identify what a part holds now: its fingerprint and its rows."""
    footer = read_footer(context.folder, name)
    return None if footer is None else [footer.fingerprint, footer.rows]
