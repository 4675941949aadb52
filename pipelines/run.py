"""Compose the stages: plan which parts are missing, run them, and say what was done."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError
from miqd_builder.labeling.recipes import get_recipe
from miqd_builder.roi import check_roi
from miqd_builder.store.parts import is_done
from miqd_builder.store.quarantine import Failure, write_failures
from miqd_builder.zoo.entry import ModelEntry
from pipelines.context import Context, open_context, open_zoo
from pipelines.degrade import PartResult, degrade_part, variants_footer
from pipelines.model_part import resolve_device, responses_footer, responses_inputs
from pipelines.progress import progress
from pipelines.respond import respond_part
from pipelines.schedulers import Scheduler, Stage, Task, open_scheduler
from pipelines.score import is_labelled, is_scored, label_part, model_weights, score_part


@dataclass
class StageSummary:
    """What one stage did.

    Attributes:
        stage: its name, for people.
        parts: parts that the run asks for.
        done_before: parts that were up to date already.
        computed: rows computed.
        reused: rows taken over from earlier parts.
        failures: quarantined things.
        wall_s: wall-clock seconds.
        seconds: seconds by step, summed over the workers.
        notes: what a user should know.
    """

    stage: str
    parts: int
    done_before: int
    computed: int = 0
    reused: int = 0
    failures: int = 0
    wall_s: float = 0.0
    seconds: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What is to do for one command; nothing was written yet.

    Attributes:
        context: the run.
        parts: numbers of the parts that hold the wanted sources.
        sources: number of wanted sources.
        degrade: parts whose variants are missing or out of date.
        entries: chosen models; empty for ``degrade``.
        respond: for each model, the parts whose responses are missing or out of date.
    """

    context: Context
    parts: list[int]
    sources: int
    degrade: list[int]
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
    context = open_context(config, uuid.uuid4().hex)
    wanted = context.sources.first(config.limit)
    check_roi(config.roi, wanted)
    parts = context.record.assign([image.source_id for image in wanted.images], config.sources_per_part)
    missing = [p for p in parts if not is_done(variants_footer(context, p), context.variants_inputs(context.record.parts[p]))]
    return Plan(context, parts, len(wanted.images), missing)


def plan_label(config: RunConfig, task: str) -> Plan:
    """Find out what ``label`` has to do.

    Raises:
        ConfigError: as for :func:`plan_degrade`, or a model, its checkpoint or the recipe is wrong.
    """
    from miqd_builder.zoo.checkpoint import verified_file

    get_recipe(config.recipe)
    resolve_device(config.device)
    if task != "cls" and config.source.kind == "imagenet":
        raise ConfigError(
            f"Task '{task}' has no ground truth in an imagenet source: use source.kind coco, or folder for consistency only."
        )
    entries = open_zoo(config).select(config.models, task)
    plan = plan_degrade(config)
    respond: dict[str, list[int]] = {}
    for entry in entries:
        if entry.checkpoint is not None:
            verified_file(entry)
        respond[entry.name] = [p for p in plan.parts if not _responses_done(plan.context, task, p, entry)]
    return Plan(plan.context, plan.parts, plan.sources, plan.degrade, entries, respond)


def _responses_done(context: Context, task: str, part: int, entry: ModelEntry) -> bool:
    footer = responses_footer(context, task, part, entry)
    return footer is not None and is_done(footer, responses_inputs(context, task, context.record.parts[part], entry))


def run_degrade(plan: Plan) -> list[StageSummary]:
    """Carry out a plan of ``degrade``."""
    config = plan.context.config
    _start(plan, "degrade")
    with open_scheduler(config.scheduler, workers=config.workers, device="cpu") as scheduler:
        return [_degrade(plan, scheduler)]


def run_label(plan: Plan, task: str) -> list[StageSummary]:
    """Carry out a plan of ``label``: variants where they are missing, then responses, scores and labels."""
    config = plan.context.config
    _start(plan, f"label {task}")
    with open_scheduler(config.scheduler, workers=config.workers, device=resolve_device(config.device)) as scheduler:
        stages = [_degrade(plan, scheduler)] if plan.degrade else []
        stages.append(_respond(plan, task, scheduler))
        stages.append(_score(plan, task, scheduler))
        stages.append(_label(plan, task, scheduler))
    return stages


def _start(plan: Plan, stage: str) -> None:
    context = plan.context
    for table in ("variants", "responses", "scores", "labels", "quarantine", "report"):
        context.folder.remove_temporary(table)
    context.record.save(context.folder, stage, context.config)


def _degrade(plan: Plan, scheduler: Scheduler) -> StageSummary:
    summary = StageSummary("degrade", len(plan.parts), len(plan.parts) - len(plan.degrade))
    tasks = [{"key": f"degrade-part-{part:05d}", "part": part} for part in plan.degrade]
    return _map(plan, scheduler, degrade_part, tasks, summary, plan.images_in(plan.degrade))


def _respond(plan: Plan, task: str, scheduler: Scheduler) -> StageSummary:
    """Models in passes: a pass loads each of its models once a worker, and its models share every image that is read."""
    size = plan.context.config.models_per_pass
    ready = [part for part in plan.parts if variants_footer(plan.context, part) is not None]
    tasks: list[Task] = []
    for start in range(0, len(plan.entries), size):
        names = [entry.name for entry in plan.entries[start : start + size]]
        for part in ready:
            missing = [name for name in names if part in plan.respond[name]]
            if missing:
                key = f"respond-{task}-pass-{start // size}-part-{part:05d}"
                tasks.append({"key": key, "task": task, "part": part, "models": missing})
    todo = sum(len(parts) for parts in plan.respond.values())
    summary = StageSummary("respond", len(plan.entries) * len(plan.parts), len(plan.entries) * len(plan.parts) - todo)
    images = sum(plan.looks_in(parts) for parts in plan.respond.values())
    return _map(plan, scheduler, respond_part, tasks, summary, images)


def _score(plan: Plan, task: str, scheduler: Scheduler) -> StageSummary:
    context = plan.context
    pairs = [
        (entry.name, part)
        for entry in plan.entries
        for part in plan.parts
        if responses_footer(context, task, part, entry) is not None and not is_scored(context, task, part, entry.name)
    ]
    tasks = [
        {"key": f"score-{task}-{model}-part-{part:05d}", "task": task, "part": part, "model": model} for model, part in pairs
    ]
    summary = StageSummary("score", len(plan.entries) * len(plan.parts), len(plan.entries) * len(plan.parts) - len(pairs))
    return _map(plan, scheduler, score_part, tasks, summary, plan.looks_in([part for _, part in pairs]))


def _label(plan: Plan, task: str, scheduler: Scheduler) -> StageSummary:
    context = plan.context
    weights = model_weights(context, task, plan.parts, plan.entries)
    ready = [part for part in plan.parts if variants_footer(context, part) is not None]
    missing = [part for part in ready if not is_labelled(context, task, part, weights)]
    tasks = [{"key": f"label-{task}-part-{part:05d}", "task": task, "part": part, "weights": weights} for part in missing]
    summary = StageSummary("label", len(plan.parts), len(ready) - len(missing))
    return _map(plan, scheduler, label_part, tasks, summary, plan.images_in(missing))


def _map(
    plan: Plan, scheduler: Scheduler, stage: Stage, tasks: list[dict[str, Any]], summary: StageSummary, images: int
) -> StageSummary:
    """Run one stage's tasks and sum up what they did."""
    context = plan.context
    shared = {"config": context.config.model_dump_json(), "run": context.run}
    start = time.perf_counter()

    def quarantine(task: Task, error: Exception) -> None:
        failure = Failure.of(error, stage=summary.stage, model=", ".join(task.get("models", [])) or task.get("model", ""))
        write_failures(context.folder, f"{task['key']}-lost", [failure])
        summary.failures += 1

    with progress(summary.stage, images) as report:
        full = [{**task, **shared} for task in tasks]
        for task, result in scheduler.map(stage, full, on_progress=report, on_failure=quarantine):
            write_failures(context.folder, f"{task['key']}-lost", [])
            _add(summary, result)
    summary.wall_s = time.perf_counter() - start
    return summary


def _add(summary: StageSummary, result: PartResult) -> None:
    summary.computed += result.computed
    summary.reused += result.reused
    summary.failures += result.failures
    summary.notes += result.notes
    summary.seconds.update(result.seconds)
