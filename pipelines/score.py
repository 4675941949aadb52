"""Stages 3 and 4: from responses to ``scores`` of each model, and over the models to ``labels``. No model, no image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from miqd_builder import user_code
from miqd_builder.errors import InvalidResponsesError, StoreError, UnreadableImageError
from miqd_builder.labeling.aggregation import aggregate
from miqd_builder.labeling.response_checks import Size, check_responses
from miqd_builder.labeling.scoring import score_responses
from miqd_builder.store.parts import is_done, read_footer, read_part, write_part
from miqd_builder.store.quarantine import Failure, write_failures
from miqd_builder.store.schema import ORIGINAL, table_path
from miqd_builder.tasks import Task
from pipelines.context import Context, item_context
from pipelines.degrade import PartResult
from pipelines.items import LabelPart, ScorePart
from pipelines.schedulers import Report

State = list[Any]
"""What a part holds: its fingerprint and its number of rows."""


def scores_inputs(context: Context, task: Task, part: int, model: str, recipe: str) -> dict[str, Any]:
    """What the scores of one model on one part depend on."""
    sources = context.part_sources(context.record.parts[part])
    truth = {source.source_id: context.truth_fingerprint(source) for source in sources}
    return {
        "table": "scores",
        "responses": _state(context, table_path("responses", part, task=task, model=model)),
        "truth": truth,
        "recipe": recipe,
    }


def score_part(item: ScorePart, report: Report) -> PartResult:
    """Write one model's part of ``scores``; responses that break their contract get none, and one line in the quarantine.

    Args:
        item: which part and model.
        report: called with the number of images done.
    """
    context, part, model, inputs = item_context(item), item.part, item.model, dict(item.inputs)
    name = table_path("scores", part, task=item.task, model=model)
    key = str(item.keys[0])
    _check_planned(scores_inputs(context, item.task, part, model, inputs["recipe"]), inputs, name)
    try:
        responses = _checked_responses(context, item.task, part, model)
        with user_code.planned(item.recipe.modules):
            scores = score_responses(item.task, responses, context.sources.by_id, item.recipe.recipe)
    except (InvalidResponsesError, UnreadableImageError) as error:
        # Scores of earlier responses must not get into the labels.
        context.folder.remove(name)
        write_failures(context.folder, key, [Failure.of(error, stage="score", model=model)])
        return PartResult(failures=1)
    write_part(context.folder, name, scores, inputs)
    write_failures(context.folder, key, [])
    report(scores.num_rows)
    return PartResult(computed=scores.num_rows)


def _check_planned(found: dict[str, Any], planned: dict[str, Any], name: str) -> None:
    """Make sure that a part is made from what it was planned to be made from.

    Raises:
        StoreError: something changed in the meantime.
    """
    changed = sorted(key for key in planned if found.get(key) != planned[key])
    if changed:
        raise StoreError(
            f"What '{name}' is made from changed since the run was planned ({', '.join(changed)}): run the same command again."
        )


def _checked_responses(context: Context, task: Task, part: int, model: str) -> pa.Table:
    """Read a part of ``responses``, which another tool may have written.

    Raises:
        InvalidResponsesError: it breaks the contract; the message names the part, the row and the remedy.
    """
    name = table_path("responses", part, task=task, model=model)
    sizes: dict[str, Size | None] = dict.fromkeys(context.record.parts[part])
    variants = table_path("variants", part)
    if task != "cls" and context.folder.exists(variants):
        columns = read_part(context.folder, variants, ["source_id", "height", "width"]).to_pydict().values()
        sizes |= {source_id: (height, width) for source_id, height, width in zip(*columns, strict=True)}
    try:
        responses = read_part(context.folder, name)
        check_responses(task, responses, sizes, {ORIGINAL, *context.names})
    except (InvalidResponsesError, StoreError) as error:
        raise InvalidResponsesError(
            f"'{name}' {error}. Delete the part, and the next run asks the model again; or correct the tool that wrote it."
        ) from None
    return responses


def labels_inputs(
    context: Context,
    task: Task,
    part: int,
    models: Sequence[str],
    weights: dict[str, float],
    recipe: str,
    scored: Mapping[tuple[str, int], State] | None = None,
) -> dict[str, Any]:
    """What the labels of one part depend on.

    Args:
        context: the run.
        task: cls, det, ins or seg.
        part: number of the part.
        models: all that were asked for.
        weights: of the models with scores.
        recipe: hash of the recipe.
        scored: scores that are known to be up to date, by model and part; the others are looked up.
    """
    known = scored or {}
    return {
        "table": "labels",
        "variants": _state(context, table_path("variants", part)),
        "scores": {model: known.get((model, part)) or scores_state(context, task, part, model, recipe) for model in models},
        "weights": weights,
        "recipe": recipe,
    }


def label_part(item: LabelPart, report: Report) -> PartResult:
    """Write a part of ``labels``.

    Args:
        item: which part.
        report: called with the number of images done.
    """
    context, part, recipe, inputs = item_context(item), item.part, item.recipe.recipe, dict(item.inputs)
    weights = inputs["weights"]
    name = table_path("labels", part, task=item.task)
    variants = read_part(context.folder, table_path("variants", part))
    found = labels_inputs(context, item.task, part, list(inputs["scores"]), weights, inputs["recipe"])
    _check_planned(found, inputs, name)
    # Sorted: the order of sums, and so the last bits, don't depend on the order of the zoo files.
    there = sorted(model for model in weights if inputs["scores"][model] is not None)
    scores = {m: read_part(context.folder, table_path("scores", part, task=item.task, model=m)) for m in there}
    labels = aggregate(item.task, variants, scores, weights, recipe)
    extra = {"recipe": recipe.model_dump()}
    write_part(context.folder, name, labels, inputs, extra=extra)
    report(labels.num_rows)
    return PartResult(computed=labels.num_rows)


def scores_state(context: Context, task: Task, part: int, model: str, recipe: str) -> State | None:
    """Identify a model's scores; None if there are none, or those of earlier responses or of another recipe."""
    footer = read_footer(context.folder, table_path("scores", part, task=task, model=model))
    if footer is None or not is_done(footer, scores_inputs(context, task, part, model, recipe)):
        return None
    return [footer.fingerprint, footer.rows]


def is_labelled(context: Context, task: Task, part: int, inputs: dict[str, Any]) -> bool:
    """Tell whether a part's labels are up to date with their inputs."""
    return is_done(read_footer(context.folder, table_path("labels", part, task=task)), inputs)


def _state(context: Context, name: str) -> State | None:
    """Identify what a part holds now."""
    footer = read_footer(context.folder, name)
    return None if footer is None else [footer.fingerprint, footer.rows]
