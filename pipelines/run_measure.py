"""Carry out a plan of ``measure``."""

from __future__ import annotations

from miqd_builder.measures import find_measure
from miqd_builder.store.keys import PartKey
from miqd_builder.store.quarantine import Failure, write_failures
from pipelines.plan_measure import MeasurePlan
from pipelines.run import refused, start_work
from pipelines.schedulers.shared import OpenSchedulers
from pipelines.stages.items import MeasurePart
from pipelines.stages.measure import measure_part
from pipelines.stages.model_part import resolve_device
from pipelines.work import StageSummary, Work


def run_measure(plan: MeasurePlan) -> list[StageSummary]:
    """Carry out a plan of ``measure``: the missing parts of each measure, and nothing else."""
    device = resolve_device(plan.context.config.device)
    with OpenSchedulers() as schedulers, start_work([plan], schedulers, device=device, imports=("torch",)) as work:
        return [*refused([plan]), _measure(plan, work)]


def _measure(plan: MeasurePlan, work: Work) -> StageSummary:
    """Measures in passes, which share every image that is read."""
    names, size = plan.models, plan.context.config.models_per_pass
    items = []
    for start in range(0, len(names), size):
        for part in plan.parts:
            planned = tuple(plan.planned(name, part) for name in names[start : start + size] if part in plan.measure[name])
            if planned:
                items.append(MeasurePart(run=plan.context.planned, part=part, planned=planned))
    todo = sum(len(parts) for parts in plan.measure.values())
    ready = len(names) * (len(plan.parts) - len(plan.without_variants))
    summary = work.summary("measure", len(names) * len(plan.parts), ready - todo)
    summary.failures += _lose_parts(plan)
    work.map(measure_part, items, summary, sum(plan.images_in(parts) for parts in plan.measure.values()), uses_device=True)
    for name, rows in sorted(summary.undefined.items()):
        if rows:
            least = find_measure(plan.records.get(name, name)).minimum_size
            summary.notes.append(f"{name}: {rows} images have no value (null); it needs at least {least} pixels a side.")
    for name in names if items else ():
        plan.footers.refresh(f"measures/measure={name}")
    return summary


def _lose_parts(plan: MeasurePlan) -> int:
    """Record the parts that have no variants; returns how many records."""
    pairs = [(part, name) for part in plan.without_variants for name in plan.models]
    for part, name in pairs:
        failure = Failure("measure", "", name, "NoVariants", "The part has no variants: run 'miqd degrade' again.")
        write_failures(plan.context.folder, str(PartKey("measure", part, model=name)), [failure])
    return len(pairs)
