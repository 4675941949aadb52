"""Carry out a plan: run the stages, and say what was done."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from miqd_builder.errors import StoreError
from miqd_builder.store.keys import CommandKey
from miqd_builder.store.lineage import PartState
from miqd_builder.store.lock import RunLock
from miqd_builder.store.migration import migrate
from miqd_builder.store.parts import is_done
from miqd_builder.store.quarantine import Failure, write_failures
from miqd_builder.store.record import CommandRecord, RunRecord, config_hash
from miqd_builder.store.schema import table_path
from pipelines.context import Context, shipped_zoo
from pipelines.degrade import degrade_part
from pipelines.heartbeat import Heartbeat
from pipelines.items import DegradePart, LabelPart, PlannedModel, RespondPart, ScorePart, WorkItem
from pipelines.model_part import model_fingerprint, resolve_device, responses_lineage
from pipelines.model_weights import model_weights
from pipelines.open_schedulers import OpenSchedulers
from pipelines.planning import LabelPlan, Plan
from pipelines.respond import respond_part
from pipelines.score import label_part, labels_lineage, score_part, scores_lineage, scores_state
from pipelines.work import StageSummary, Work


def run_degrade(plan: Plan) -> list[StageSummary]:
    """Carry out a plan of ``degrade``."""
    with OpenSchedulers() as schedulers, _start(plan, CommandKey("degrade"), schedulers, device="cpu") as work:
        return [*_refused(plan), _degrade(plan, work)]


def run_label(plan: LabelPlan, schedulers: OpenSchedulers | None = None) -> list[StageSummary]:
    """Carry out a plan of ``label``: variants where they are missing, then responses, scores and labels.

    Args:
        plan: what to do.
        schedulers: those of the command, for one that labels several tasks.
    """
    if schedulers is None:
        with OpenSchedulers() as own:
            return run_label(plan, own)
    with _start(plan, CommandKey("label", plan.task), schedulers, device=resolve_device(plan.context.config.device)) as work:
        stages = [*_refused(plan), *([_degrade(plan, work)] if plan.degrade else [])]
        stages.append(_respond(plan, work))
        scored = _scored(plan)
        stages.append(_score(plan, work, scored))
        stages.append(_label(plan, work, scored))
    return stages


@contextmanager
def _start(plan: Plan, command: CommandKey, schedulers: OpenSchedulers, *, device: str) -> Iterator[Work]:
    """Take the run folder, record what is about to be done, and open the scheduler; in the end leave the folder in order.

    Raises:
        StoreError: another run holds the folder, or changed it since the plan was made.
    """
    context, config, folder = plan.context, plan.context.config, plan.context.folder
    models, zoo = ([entry.name for entry in plan.entries], _zoo_hashes(plan)) if isinstance(plan, LabelPlan) else ([], {})
    with RunLock(folder, command) as lock:
        _refuse_if_changed(context)
        folder.remove_temporary()
        if migrate(folder, context.record):
            plan.footers.refresh("variants")
        hashes = {"run_file": config_hash(config), **zoo}
        context.record.note(CommandRecord(command.command, command.task, config.model_dump(mode="json"), hashes))
        context.record.write(folder)
        refused = [Failure("source", "", "", "RefusedFile", f"{f.name} {f.reason}"[:500]) for f in context.sources.refused]
        write_failures(folder, "source", refused)
        running: Collection[WorkItem] = ()
        try:
            with Heartbeat(folder, command, models=models, parts=plan.parts) as heartbeat:
                scheduler = schedulers.get(config, device, folder)
                try:
                    yield Work(context, scheduler, heartbeat, lock)
                    plan.footers.save()
                finally:
                    running = scheduler.running
        except BaseException:
            # Its workers go first, some of them in the middle of a file.
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


def _zoo_hashes(plan: LabelPlan) -> dict[str, dict[str, str]]:
    """Hash of each zoo file and fingerprint of each model, for ``run.json``."""
    context = plan.context
    return {
        "zoo": {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in context.config.zoo or shipped_zoo()},
        "models": {entry.name: model_fingerprint(context, plan.task, entry) for entry in plan.entries},
    }


def _refused(plan: Plan) -> list[StageSummary]:
    """The files of the source that can't be used, if there are any."""
    refused = len(plan.context.sources.refused)
    return [StageSummary("source", 0, 0, failures=refused)] if refused else []


def _degrade(plan: Plan, work: Work) -> StageSummary:
    summary = StageSummary("degrade", len(plan.parts), len(plan.parts) - len(plan.degrade))
    context = plan.context
    items = [
        DegradePart(run=context.planned, part=part, lineage=context.variants_lineage(context.record.parts[part]))
        for part in plan.degrade
    ]
    work.map(degrade_part, items, summary, plan.images_in(plan.degrade))
    plan.footers.refresh("variants")
    return summary


def _respond(plan: LabelPlan, work: Work) -> StageSummary:
    """Models in passes: a pass loads each of its models once a worker, and its models share every image that is read."""
    context, size, items = plan.context, plan.context.config.models_per_pass, []
    ready = [part for part in plan.parts if plan.stamp("variants", part) is not None]
    for start in range(0, len(plan.entries), size):
        for part in ready:
            ids = context.record.parts[part]
            planned = tuple(
                PlannedModel(entry, context.entry_fingerprint(entry), responses_lineage(context, plan.task, ids, entry))
                for entry in plan.entries[start : start + size]
                if part in plan.respond[entry.name]
            )
            if planned:
                items.append(RespondPart(run=context.planned, part=part, task=plan.task, planned=planned))
    todo = sum(len(parts) for parts in plan.respond.values())
    summary = StageSummary("respond", len(plan.entries) * len(plan.parts), len(plan.entries) * len(plan.parts) - todo)
    images = sum(plan.looks_in(parts) for parts in plan.respond.values())
    work.map(respond_part, items, summary, images, uses_device=True)
    if items:
        plan.footers.refresh(f"responses/task={plan.task}")
    return summary


def _scored(plan: LabelPlan) -> dict[tuple[str, int], PartState]:
    """The scores that are up to date, by model and part."""
    recipe = plan.recipe.fingerprint
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
            lineage=scores_lineage(context, plan.footers.get, task, part, model, recipe.fingerprint),
        )
        for model, part in pairs
    ]
    summary = StageSummary("score", len(plan.entries) * len(plan.parts), len(plan.entries) * len(plan.parts) - len(pairs))
    work.map(score_part, items, summary, plan.looks_in([part for _, part in pairs]))
    if items:
        plan.footers.refresh(f"scores/task={task}")
        plan.footers.load(plan.names("scores"))
    return summary


def _label(plan: LabelPlan, work: Work, scored: dict[tuple[str, int], PartState]) -> StageSummary:
    context, task, recipe = plan.context, plan.task, plan.recipe
    weights = model_weights(context, task, plan.parts, plan.entries)
    ready = [part for part in plan.parts if plan.stamp("variants", part) is not None]
    models = [entry.name for entry in plan.entries]
    plan.footers.load(table_path("labels", part, task=task) for part in ready)
    wanted = {p: labels_lineage(context, plan.footers.get, task, p, models, weights, recipe.fingerprint, scored) for p in ready}
    missing = [part for part in ready if not is_done(plan.stamp("labels", part, task=task), wanted[part])]
    items = [LabelPart(run=context.planned, part=part, task=task, recipe=recipe, lineage=wanted[part]) for part in missing]
    summary = StageSummary("label", len(plan.parts), len(ready) - len(missing))
    work.map(label_part, items, summary, plan.images_in(missing))
    if items:
        plan.footers.refresh(f"labels/task={task}")
        plan.footers.load(table_path("labels", part, task=task) for part in missing)
    return summary
