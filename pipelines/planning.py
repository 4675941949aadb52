"""Plan a command: which parts are missing or out of date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from miqd_builder.config import RunConfig
from miqd_builder.full_reference import check_measures
from miqd_builder.labeling.recipes import get_recipe
from miqd_builder.roi import check_roi
from miqd_builder.sources import check_serves
from miqd_builder.store.parts import is_done
from miqd_builder.tasks import Task
from miqd_builder.zoo.entry import ModelEntry
from pipelines.context import Context, open_context, open_zoo
from pipelines.degrade import variants_footer
from pipelines.items import PlannedRecipe
from pipelines.model_part import resolve_device, responses_footer, responses_inputs
from pipelines.model_weights import stated_weights


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
    config = context.config
    parts = context.record.assign([image.source_id for image in wanted.images], config.sources_per_part)
    missing = [p for p in parts if not is_done(variants_footer(context, p), context.variants_inputs(context.record.parts[p]))]
    if missing:  # stored masks and finished variants need neither networks nor mask files
        check_roi(config.roi, wanted)
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
    check_serves(config.source, task)
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
