"""Compose the stages: plan which parts are missing, run them, and say what was done."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType

from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.full_reference import check_measures
from miqd_builder.labeling.recipes import get_recipe
from miqd_builder.roi import check_roi
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.lock import RunLock
from miqd_builder.store.parts import is_done
from miqd_builder.store.record import RunRecord
from miqd_builder.tasks import Task
from miqd_builder.zoo.entry import ModelEntry
from pipelines.context import Context, open_context, open_zoo, shipped_zoo
from pipelines.degrade import degrade_part, variants_footer
from pipelines.heartbeat import Heartbeat
from pipelines.items import DegradePart, LabelPart, PlannedModel, PlannedRecipe, RespondPart, ScorePart, WorkItem
from pipelines.model_part import resolve_device, responses_footer, responses_inputs
from pipelines.model_weights import model_weights, stated_weights
from pipelines.respond import respond_part
from pipelines.schedulers import Scheduler, open_scheduler
from pipelines.score import State, is_labelled, label_part, labels_inputs, score_part, scores_inputs, scores_state
from pipelines.work import StageSummary, Work


@dataclass(frozen=True)
class Plan:
    """What is to do for one command; nothing was written yet.

    Attributes:
        context: the run.
        parts: numbers of the parts that hold the wanted sources.
        sources: number of wanted sources.
        degrade: parts whose variants are missing or out of date.
        task: of the models; None for ``degrade``.
        recipe: the rules of the labels; None for ``degrade``.
        entries: chosen models; empty for ``degrade``.
        respond: for each model, the parts whose responses are missing or out of date.
    """

    context: Context
    parts: list[int]
    sources: int
    degrade: list[int]
    task: Task | None = None
    recipe: PlannedRecipe | None = None
    entries: list[ModelEntry] = field(default_factory=list)
    respond: dict[str, list[int]] = field(default_factory=dict)

    def images_in(self, parts: Sequence[int]) -> int:
        """Number of degraded images in some parts."""
        return sum(len(self.context.record.parts[part]) for part in parts) * len(self.context.names)

    def looks_in(self, parts: Sequence[int]) -> int:
        """Number of images that a model looks at in some parts: the degraded ones and the originals."""
        return self.images_in(parts) + sum(len(self.context.record.parts[part]) for part in parts)


def plan_degrade(config: RunConfig) -> Plan:
    """Find out what ``degrade`` has to do.

    Raises:
        ConfigError: the run file, the source or the run folder is wrong.
    """
    context = open_context(config)
    wanted = context.sources.first(config.limit)
    check_roi(config.roi, wanted)
    parts = context.record.assign([image.source_id for image in wanted.images], config.sources_per_part)
    missing = [p for p in parts if not is_done(variants_footer(context, p), context.variants_inputs(context.record.parts[p]))]
    if missing:
        check_measures(context.record.full_reference)
    return Plan(context, parts, len(wanted.images), missing)


def plan_label(config: RunConfig, task: Task) -> Plan:
    """Find out what ``label`` has to do.

    Raises:
        ConfigError: as for :func:`plan_degrade`, or a model, its checkpoint or the recipe is wrong.
    """
    from miqd_builder.zoo.cache import verified_file

    recipe = PlannedRecipe.of(get_recipe(config.recipe))
    resolve_device(config.device)
    if task in ("det", "ins") and config.source.kind == "imagenet":
        raise ConfigError(
            f"Task '{task}' has no ground truth in an imagenet source: use source.kind coco, or folder for consistency only."
        )
    if task == "seg" and config.source.kind != "folder":
        raise ConfigError(
            f"Task 'seg' has no ground truth in source.kind {config.source.kind}: use source.kind folder, with source.labels "
            "for a folder of label PNGs, or without for consistency only."
        )
    entries = open_zoo(config).select(config.models, task)
    stated_weights(config, entries)
    plan = plan_degrade(config)
    respond: dict[str, list[int]] = {}
    for entry in entries:
        plan.context.entry_fingerprint(entry)  # what the entry means now is what is run
        respond[entry.name] = [p for p in plan.parts if not _responses_done(plan.context, task, p, entry)]
        # With all responses stored no model is built: another recipe needs no checkpoint.
        if respond[entry.name] and entry.checkpoint is not None:
            verified_file(entry)
    return Plan(plan.context, plan.parts, plan.sources, plan.degrade, task, recipe, entries, respond)


def _responses_done(context: Context, task: Task, part: int, entry: ModelEntry) -> bool:
    footer = responses_footer(context, task, part, entry)
    return footer is not None and is_done(footer, responses_inputs(context, task, context.record.parts[part], entry))


class OpenSchedulers:
    """Schedulers that are open: the tasks of one command share them, so that frameworks load once a worker."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._open: dict[tuple[object, ...], Scheduler] = {}

    def __enter__(self) -> OpenSchedulers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.clear()
        self._stack.__exit__(kind, error, trace)

    def get(self, config: RunConfig, device: str, folder: RunFolder) -> Scheduler:
        """Return the run file's scheduler, opened if it isn't yet.

        Raises:
            ConfigError: no scheduler answers at the address, or its workers don't fit.
        """
        # A cluster that was joined has to see each run folder.
        key = (config.scheduler, config.workers, device, config.worker_timeout, folder.url if config.joins_cluster else "")
        if key not in self._open:
            opened = open_scheduler(
                config.scheduler, workers=config.workers, device=device, folder=folder, worker_timeout=config.worker_timeout
            )
            self._open[key] = self._stack.enter_context(opened)
        return self._open[key]


def run_degrade(plan: Plan) -> list[StageSummary]:
    """Carry out a plan of ``degrade``."""
    with OpenSchedulers() as schedulers, _start(plan, "degrade", schedulers, device="cpu") as work:
        return [_degrade(plan, work)]


def run_label(plan: Plan, schedulers: OpenSchedulers | None = None) -> list[StageSummary]:
    """Carry out a plan of ``label``: variants where they are missing, then responses, scores and labels.

    Args:
        plan: what to do.
        schedulers: those of the command, for one that labels several tasks.
    """
    if schedulers is None:
        with OpenSchedulers() as own:
            return run_label(plan, own)
    task, recipe = plan.task, plan.recipe
    assert task is not None and recipe is not None
    with _start(plan, f"label {task}", schedulers, device=resolve_device(plan.context.config.device)) as work:
        stages = [_degrade(plan, work)] if plan.degrade else []
        stages.append(_respond(plan, work, task))
        scored = _scored(plan, task, recipe.fingerprint)
        stages.append(_score(plan, work, task, recipe, scored))
        stages.append(_label(plan, work, task, recipe, scored))
    return stages


@contextmanager
def _start(plan: Plan, command: str, schedulers: OpenSchedulers, *, device: str) -> Iterator[Work]:
    """Take the run folder, record what is about to be done, and open the scheduler; in the end leave the folder in order.

    Raises:
        StoreError: another run holds the folder, or changed it since the plan was made.
    """
    context, config, folder = plan.context, plan.context.config, plan.context.folder
    models = [entry.name for entry in plan.entries]
    with RunLock(folder, command) as lock:
        _refuse_if_changed(context)
        folder.remove_temporary()
        context.record.save(folder, command, config, zoo=_zoo_hashes(plan) if plan.entries else None)
        running: Collection[WorkItem] = ()
        try:
            with Heartbeat(folder, command, models=models, parts=plan.parts) as heartbeat:
                scheduler = schedulers.get(config, device, folder)
                try:
                    yield Work(context, scheduler, heartbeat, lock)
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
    if there is not None and (there.stages != planned.stages or there.parts != planned.parts[: len(there.parts)]):
        raise StoreError(
            f"Another run changed '{context.folder.url}' while this one was planned: run the same command again to go on."
        )


def _zoo_hashes(plan: Plan) -> dict[str, dict[str, str]]:
    """Hash of each zoo file and fingerprint of each model, for ``run.json``."""
    context, task = plan.context, plan.task
    assert task is not None
    return {
        "zoo": {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in context.config.zoo or shipped_zoo()},
        "models": {entry.name: responses_inputs(context, task, [], entry)["model"] for entry in plan.entries},
    }


def _degrade(plan: Plan, work: Work) -> StageSummary:
    summary = StageSummary("degrade", len(plan.parts), len(plan.parts) - len(plan.degrade))
    context = plan.context
    items = [
        DegradePart(run=context.planned, part=part, inputs=context.variants_inputs(context.record.parts[part]))
        for part in plan.degrade
    ]
    return work.map(degrade_part, items, summary, plan.images_in(plan.degrade))


def _respond(plan: Plan, work: Work, task: Task) -> StageSummary:
    """Models in passes: a pass loads each of its models once a worker, and its models share every image that is read."""
    size = plan.context.config.models_per_pass
    ready = [part for part in plan.parts if variants_footer(plan.context, part) is not None]
    context, items = plan.context, []
    for start in range(0, len(plan.entries), size):
        for part in ready:
            ids = context.record.parts[part]
            planned = tuple(
                PlannedModel(entry, context.entry_fingerprint(entry), responses_inputs(context, task, ids, entry))
                for entry in plan.entries[start : start + size]
                if part in plan.respond[entry.name]
            )
            if planned:
                items.append(RespondPart(run=context.planned, part=part, task=task, planned=planned))
    todo = sum(len(parts) for parts in plan.respond.values())
    summary = StageSummary("respond", len(plan.entries) * len(plan.parts), len(plan.entries) * len(plan.parts) - todo)
    images = sum(plan.looks_in(parts) for parts in plan.respond.values())
    return work.map(respond_part, items, summary, images, uses_device=True)


def _scored(plan: Plan, task: Task, recipe: str) -> dict[tuple[str, int], State]:
    """The scores that are up to date, by model and part."""
    pairs = ((entry.name, part) for entry in plan.entries for part in plan.parts)
    states = {(model, part): scores_state(plan.context, task, part, model, recipe) for model, part in pairs}
    return {pair: state for pair, state in states.items() if state is not None}


def _score(plan: Plan, work: Work, task: Task, recipe: PlannedRecipe, scored: dict[tuple[str, int], State]) -> StageSummary:
    context = plan.context
    pairs = [
        (entry.name, part)
        for entry in plan.entries
        for part in plan.parts
        if (entry.name, part) not in scored and responses_footer(context, task, part, entry) is not None
    ]
    items = [
        ScorePart(
            run=context.planned,
            part=part,
            task=task,
            model=model,
            recipe=recipe,
            inputs=scores_inputs(context, task, part, model, recipe.fingerprint),
        )
        for model, part in pairs
    ]
    summary = StageSummary("score", len(plan.entries) * len(plan.parts), len(plan.entries) * len(plan.parts) - len(pairs))
    return work.map(score_part, items, summary, plan.looks_in([part for _, part in pairs]))


def _label(plan: Plan, work: Work, task: Task, recipe: PlannedRecipe, scored: dict[tuple[str, int], State]) -> StageSummary:
    context = plan.context
    weights = model_weights(context, task, plan.parts, plan.entries)
    ready = [part for part in plan.parts if variants_footer(context, part) is not None]
    models = [entry.name for entry in plan.entries]
    inputs = {part: labels_inputs(context, task, part, models, weights, recipe.fingerprint, scored) for part in ready}
    missing = [part for part in ready if not is_labelled(context, task, part, inputs[part])]
    items = [LabelPart(run=context.planned, part=part, task=task, recipe=recipe, inputs=inputs[part]) for part in missing]
    summary = StageSummary("label", len(plan.parts), len(ready) - len(missing))
    return work.map(label_part, items, summary, plan.images_in(missing))
