"""Stages 3 and 4: from responses to ``scores`` of each model, and from scores to ``labels``. Needs no model and no image."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from miqd_builder import user_code
from miqd_builder.errors import InvalidResponsesError, StoreError, UnreadableImageError
from miqd_builder.labeling.aggregation import aggregate
from miqd_builder.labeling.response_checks import Size, check_responses
from miqd_builder.labeling.scoring import score_responses
from miqd_builder.store.parts import PartStamp, is_done, read_footer, read_part, write_part
from miqd_builder.store.quarantine import Failure, write_failures
from miqd_builder.tables.lineage import LabelsLineage, Lineage, PartState, ScoresLineage, changed_fields
from miqd_builder.tables.schema import ORIGINAL, table_path
from miqd_builder.tasks import Task
from pipelines.context import Context, open_planned
from pipelines.schedulers import Report
from pipelines.stages.degrade import PartResult
from pipelines.stages.items import LabelPart, ScorePart

FooterOf = Callable[[str], PartStamp | None]
"""Returns the stamp of a part by its name; None where it isn't there."""


def scores_lineage(context: Context, footer_of: FooterOf, task: Task, part: int, model: str, recipe: str) -> ScoresLineage:
    """Lineage of the scores of one model on one part."""
    responses = footer_of(table_path("responses", part, task=task, model=model))
    return ScoresLineage(
        responses=None if responses is None else responses.state,
        truth=context.truth_hashes(context.record.parts[part]),
        recipe=recipe,
    )


def score_part(item: ScorePart, report: Report) -> PartResult:
    """Write one model's part of ``scores``; responses that break their contract get none, and one line in the quarantine.

    Args:
        item: which part and model.
        report: called with the number of images done.
    """
    context, part, model, lineage = open_planned(item.run), item.part, item.model, item.lineage
    name = table_path("scores", part, task=item.task, model=model)
    key = str(item.keys[0])
    _check_planned(scores_lineage(context, _stored(context), item.task, part, model, lineage.recipe), lineage, name)
    try:
        responses = _checked_responses(context, item.task, part, model)
        with user_code.planned(item.recipe.modules):
            scores = score_responses(item.task, responses, context.sources.by_id, item.recipe.recipe)
    except (InvalidResponsesError, UnreadableImageError) as error:
        # Scores of earlier responses must not enter the labels.
        context.folder.remove(name)
        write_failures(context.folder, key, [Failure.of(error, stage="score", model=model)])
        return PartResult(failures=1)
    write_part(context.folder, name, scores, lineage)
    write_failures(context.folder, key, [])
    report(scores.num_rows)
    return PartResult(computed=scores.num_rows)


def _stored(context: Context) -> FooterOf:
    """Read footers as they are now."""
    return functools.partial(read_footer, context.folder)


def _check_planned(found: Lineage, planned: Lineage, name: str) -> None:
    """Make sure that the lineage of a part is still the planned one.

    Raises:
        StoreError: something changed in the meantime.
    """
    if changed := changed_fields(found, planned):
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
            f"'{name}' {error}. Delete the part, and the next run makes it again; or correct the tool that wrote it."
        ) from None
    return responses


def labels_lineage(
    context: Context,
    footer_of: FooterOf,
    task: Task,
    part: int,
    models: Sequence[str],
    weights: Mapping[str, float],
    recipe: str,
    scored: Mapping[tuple[str, int], PartState] | None = None,
) -> LabelsLineage:
    """Lineage of the labels of one part.

    Args:
        context: the run.
        footer_of: where footers are looked up.
        task: cls, det, ins or seg.
        part: number of the part.
        models: all that were asked for.
        weights: of the models with scores.
        recipe: hash of the recipe.
        scored: scores that are known to be up to date, by model and part; the others are looked up.
    """
    known = scored or {}
    variants = footer_of(table_path("variants", part))
    return LabelsLineage(
        variants=None if variants is None else variants.state,
        scores={m: known.get((m, part)) or scores_state(context, footer_of, task, part, m, recipe) for m in models},
        weights=weights,
        recipe=recipe,
    )


def label_part(item: LabelPart, report: Report) -> PartResult:
    """Write a part of ``labels``.

    Args:
        item: which part.
        report: called with the number of images done.
    """
    context, part, recipe, lineage = open_planned(item.run), item.part, item.recipe.recipe, item.lineage
    name = table_path("labels", part, task=item.task)
    variants = read_part(context.folder, table_path("variants", part))
    models, weights = list(lineage.scores), lineage.weights
    _check_planned(labels_lineage(context, _stored(context), item.task, part, models, weights, lineage.recipe), lineage, name)
    # Sorted: the order of sums, and so the last bits, don't depend on the order of the zoo files.
    there = sorted(model for model in weights if lineage.scores[model] is not None)
    scores = {m: read_part(context.folder, table_path("scores", part, task=item.task, model=m)) for m in there}
    labels = aggregate(item.task, variants, scores, weights, recipe)
    extra = {"recipe": recipe.model_dump()}
    write_part(context.folder, name, labels, lineage, extra=extra)
    report(labels.num_rows)
    return PartResult(computed=labels.num_rows)


def scores_state(context: Context, footer_of: FooterOf, task: Task, part: int, model: str, recipe: str) -> PartState | None:
    """Identify a model's scores; None if there are none, or those of earlier responses or of another recipe."""
    stamp = footer_of(table_path("scores", part, task=task, model=model))
    if stamp is None or not is_done(stamp, scores_lineage(context, footer_of, task, part, model, recipe)):
        return None
    return stamp.state
