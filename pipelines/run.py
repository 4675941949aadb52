"""Carry out a plan: run the stages and return their summaries."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from miqd_builder.errors import StoreError
from miqd_builder.store.lock import RunLock
from miqd_builder.store.migration import migrate
from miqd_builder.store.parts import is_done
from miqd_builder.store.quarantine import Failure, write_failures
from miqd_builder.store.record import CommandRecord, RunRecord
from miqd_builder.tables.lineage import PartState
from miqd_builder.tables.schema import table_path
from miqd_builder.zoo.entry import ModelEntry
from pipelines.context import Context
from pipelines.planning import LabelPlan, Plan
from pipelines.progress.heartbeat import Heartbeat
from pipelines.schedulers.shared import OpenSchedulers
from pipelines.stages.degrade import degrade_part
from pipelines.stages.items import DegradePart, LabelPart, PartItem, PlannedModel, RespondPart, ScorePart
from pipelines.stages.model_part import resolve_device, responses_lineage
from pipelines.stages.model_weights import model_weights
from pipelines.stages.respond import respond_part
from pipelines.stages.score import label_part, labels_lineage, score_part, scores_lineage, scores_state
from pipelines.work import StageSummary, Work


def run_degrade(plan: Plan) -> list[StageSummary]:
    """Carry out a plan of ``degrade``."""
    with OpenSchedulers() as schedulers, start_work([plan], schedulers, device="cpu") as work:
        return [*refused([plan]), _degrade(plan, work)]


def run_label(plans: Sequence[LabelPlan], schedulers: OpenSchedulers | None = None) -> list[StageSummary]:
    """Carry out plans of ``label``: variants where they are missing, then responses, scores and labels.

    Args:
        plans: what to do, for one task or for several that share their images (:func:`pipelines.planning.sharing_images`):
            each image is read once for the models of all of them.
        schedulers: those of the command, for one that labels several tasks.
    """
    if schedulers is None:
        with OpenSchedulers() as own:
            return run_label(plans, own)
    first, *others = plans
    with start_work(plans, schedulers, device=resolve_device(first.context.config.device), imports=("torch",)) as work:
        stages = refused(plans)
        if first.degrade:
            stages.append(_degrade(first, work))
            for plan in others:
                plan.footers.refresh("variants")
        stages.append(_respond(plans, work))
        for plan in plans:
            scored = _scored(plan)
            stages.append(_score(plan, work, scored))
            stages.append(_label(plan, work, scored))
    return stages


@contextmanager
def start_work(
    plans: Sequence[Plan], schedulers: OpenSchedulers, *, device: str, imports: tuple[str, ...] = ()
) -> Iterator[Work]:
    """Take the run folder, record what is about to be done, and open the scheduler; in the end leave the folder in order.

    Raises:
        StoreError: another run holds the folder, or changed it since the plans were made.
    """
    context = plans[0].context
    config, folder, record = context.config, context.folder, context.record
    with RunLock(folder, plans[0].command) as lock:
        _refuse_if_changed(context)
        folder.remove_temporary()
        if migrate(folder, record):
            for plan in plans:
                plan.footers.refresh("variants")
        for plan in plans:
            own = plan.context.config.model_dump(mode="json")
            record.note(CommandRecord(plan.command.command, plan.command.task, own, plan.hashes()))
        record.write(folder)
        write_failures(folder, "source", _refused_files(plans))
        running: Collection[PartItem] = ()
        try:
            with ExitStack() as stack:
                beats = [Heartbeat(folder, plan.command, models=plan.models, parts=plan.parts) for plan in plans]
                for beat in beats:
                    stack.enter_context(beat)
                scheduler = schedulers.get(config, device, folder, imports)
                try:
                    yield Work(folder, scheduler, beats, lock)
                    for plan in plans:
                        plan.footers.save()
                finally:
                    running = scheduler.running
            folder.remove_temporary()  # of workers that died while others went on
        except BaseException:
            # Its workers are stopped first, some of them while they write a file.
            schedulers.__exit__(*sys.exc_info())
            folder.remove_temporary()
            for item in running:
                folder.remove_temporary_images(context.record.parts[item.part])
            raise


def _refuse_if_changed(context: Context) -> None:
    there, planned = RunRecord.load(context.folder), context.record
    if there is not None and (there.commands != planned.commands or there.parts != planned.parts[: len(there.parts)]):
        raise StoreError(
            f"Another run changed '{context.folder.url}' while this one was planned: run the same command again to go on."
        )


def _refused_files(plans: Sequence[Plan]) -> list[Failure]:
    """The files of the sources that can't be used."""
    files = dict.fromkeys(f"{file.name} {file.reason}"[:500] for plan in plans for file in plan.context.sources.refused)
    return [Failure("source", "", "", "RefusedFile", message) for message in files]


def refused(plans: Sequence[Plan]) -> list[StageSummary]:
    """Return a summary of the files of the sources that can't be used, if there are any."""
    files = len(_refused_files(plans))
    return [StageSummary("source", 0, 0, failures=files)] if files else []


def _degrade(plan: Plan, work: Work) -> StageSummary:
    summary = work.summary("degrade", len(plan.parts), len(plan.parts) - len(plan.degrade))
    context = plan.context
    items = [
        DegradePart(run=context.planned, part=part, lineage=context.variants_lineage(context.record.parts[part]))
        for part in plan.degrade
    ]
    work.map(degrade_part, items, summary, plan.images_in(plan.degrade))
    plan.footers.refresh("variants")
    return summary


def _respond(plans: Sequence[LabelPlan], work: Work) -> StageSummary:
    """Models in passes: a pass loads each of its models once a worker, and its models share every image that is read."""
    first, size, items = plans[0], plans[0].context.config.models_per_pass, []
    entries = [(plan, entry) for plan in plans for entry in plan.entries]
    ready = [part for part in first.parts if first.stamp("variants", part) is not None]
    for start in range(0, len(entries), size):
        models = entries[start : start + size]
        for part in ready:
            planned = tuple(_planned_model(plan, part, entry) for plan, entry in models if part in plan.respond[entry.name])
            if planned:
                items.append(RespondPart(run=first.context.planned, part=part, planned=planned))
    todo = sum(len(parts) for plan in plans for parts in plan.respond.values())
    wanted = sum(len(plan.entries) * len(plan.parts) for plan in plans)
    summary = work.summary("respond", wanted, wanted - todo)
    images = sum(plan.inferences_in(parts) for plan in plans for parts in plan.respond.values())
    work.map(respond_part, items, summary, images, uses_device=True)
    for plan in plans if items else ():
        plan.footers.refresh(f"responses/task={plan.task}")
    return summary


def _planned_model(plan: LabelPlan, part: int, entry: ModelEntry) -> PlannedModel:
    context = plan.context
    lineage = responses_lineage(context, plan.task, context.record.parts[part], entry)
    return PlannedModel(context.planned, entry, context.entry_hash(entry), lineage)


def _scored(plan: LabelPlan) -> dict[tuple[str, int], PartState]:
    """The scores that are up to date, by model and part."""
    recipe = plan.recipe.content_hash
    plan.footers.load([*plan.names("responses"), *plan.names("scores")])
    pairs = ((entry.name, part) for entry in plan.entries for part in plan.parts)
    states = {(m, part): scores_state(plan.context, plan.footers.get, plan.task, part, m, recipe) for m, part in pairs}
    return {pair: state for pair, state in states.items() if state is not None}


def _score(plan: LabelPlan, work: Work, scored: dict[tuple[str, int], PartState]) -> StageSummary:
    context, task, recipe = plan.context, plan.task, plan.recipe
    pairs = [
        (entry.name, part)
        for entry in plan.entries
        for part in plan.parts
        if (entry.name, part) not in scored and plan.stamp("responses", part, task=task, model=entry.name) is not None
    ]
    items = [
        ScorePart(
            run=context.planned,
            part=part,
            task=task,
            model=model,
            recipe=recipe,
            lineage=scores_lineage(context, plan.footers.get, task, part, model, recipe.content_hash),
        )
        for model, part in pairs
    ]
    wanted = len(plan.entries) * len(plan.parts)
    summary = work.summary("score", wanted, wanted - len(pairs), task)
    work.map(score_part, items, summary, plan.inferences_in([part for _, part in pairs]))
    if items:
        plan.footers.refresh(f"scores/task={task}")
        plan.footers.load(plan.names("scores"))
    return summary


def _label(plan: LabelPlan, work: Work, scored: dict[tuple[str, int], PartState]) -> StageSummary:
    context, task, recipe = plan.context, plan.task, plan.recipe
    get, rules = plan.footers.get, recipe.content_hash
    weights = model_weights(context, task, plan.parts, plan.entries)
    ready = [part for part in plan.parts if plan.stamp("variants", part) is not None]
    models = [entry.name for entry in plan.entries]
    plan.footers.load(table_path("labels", part, task=task) for part in ready)
    wanted = {p: labels_lineage(context, get, task, p, models, weights, rules, scored) for p in ready}
    missing = [part for part in ready if not is_done(plan.stamp("labels", part, task=task), wanted[part])]
    items = [LabelPart(run=context.planned, part=part, task=task, recipe=recipe, lineage=wanted[part]) for part in missing]
    summary = work.summary("label", len(plan.parts), len(ready) - len(missing), task)
    work.map(label_part, items, summary, plan.images_in(missing))
    if items:
        plan.footers.refresh(f"labels/task={task}")
        plan.footers.load(table_path("labels", part, task=task) for part in missing)
    return summary
