"""Plan a command: which parts are missing or out of date."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from miqd_builder.config import RunConfig
from miqd_builder.labeling.recipes import get_recipe
from miqd_builder.roi import check_roi
from miqd_builder.scheduler_names import SCHEDULERS, scheme
from miqd_builder.sources import check_serves
from miqd_builder.store.footers import Footers
from miqd_builder.store.keys import CommandKey
from miqd_builder.store.parts import PartStamp, is_done
from miqd_builder.store.record import config_hash
from miqd_builder.tables.schema import table_path
from miqd_builder.tasks import Task
from miqd_builder.zoo.catalog import shipped_zoo
from miqd_builder.zoo.entry import ModelEntry
from pipelines.context import Context, open_context, open_zoo
from pipelines.stages.items import PlannedRecipe
from pipelines.stages.model_part import model_hash, resolve_device, responses_lineage
from pipelines.stages.model_weights import stated_weights


@dataclass(frozen=True)
class Plan:
    """Plan of ``degrade``; nothing was written yet.

    Attributes:
        context: the run.
        parts: numbers of the parts that hold the wanted sources.
        sources: number of wanted sources.
        degrade: parts whose variants are missing or out of date.
        footers: footers of the run's parts.
    """

    context: Context
    parts: list[int]
    sources: int
    degrade: list[int]
    footers: Footers

    @property
    def command(self) -> CommandKey:
        """The planned command."""
        return CommandKey("degrade")

    @property
    def models(self) -> list[str]:
        """Names of the chosen models."""
        return []

    def hashes(self) -> dict[str, Any]:
        """Hashes of what the command runs with, for ``run.json``."""
        return {"run_file": config_hash(self.context.config)}

    def images_in(self, parts: Sequence[int]) -> int:
        """Number of degraded images in some parts."""
        return sum(len(self.context.record.parts[part]) for part in parts) * len(self.context.names)

    def inferences_in(self, parts: Sequence[int]) -> int:
        """Number of inferences of one model on some parts: degraded images and originals."""
        return self.images_in(parts) + sum(len(self.context.record.parts[part]) for part in parts)

    def stamp(self, table: str, part: int, *, task: Task | None = None, model: str | None = None) -> PartStamp | None:
        """Return the stamp of a part; None where it isn't there."""
        return self.footers.get(table_path(table, part, task=task, model=model))


@dataclass(frozen=True)
class LabelPlan(Plan):
    """Plan of ``label`` for one task.

    Attributes:
        task: of the models.
        recipe: the rules of the labels.
        entries: chosen models.
        respond: for each model, the parts whose responses are missing or out of date.
    """

    task: Task
    recipe: PlannedRecipe
    entries: list[ModelEntry]
    respond: dict[str, list[int]]

    @property
    def command(self) -> CommandKey:
        """See :class:`Plan`."""
        return CommandKey("label", self.task)

    @property
    def models(self) -> list[str]:
        """See :class:`Plan`."""
        return [entry.name for entry in self.entries]

    def hashes(self) -> dict[str, Any]:
        """See :class:`Plan`; the hash of each zoo file and the content hash of each model too."""
        files = self.context.config.zoo or shipped_zoo()
        return {
            **super().hashes(),
            "zoo": {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
            "models": {entry.name: model_hash(self.context, self.task, entry) for entry in self.entries},
        }

    def names(self, table: str) -> list[str]:
        """Names of the wanted parts of ``responses`` or ``scores``."""
        return _names(table, self.task, self.parts, self.entries)


def plan_degrade(config: RunConfig) -> Plan:
    """Find out what ``degrade`` has to do.

    Raises:
        ConfigError: the run file, the source or the run folder is wrong.
    """
    SCHEDULERS[scheme(config.scheduler)]  # one that can't be loaded is found out before anything is written
    context = open_context(config)
    wanted = context.sources.first(config.limit)
    config = context.config
    parts = context.record.assign([image.source_id for image in wanted.images], config.sources_per_part)
    plan = Plan(context, parts, len(wanted.images), [], Footers(context.folder))
    plan.footers.load(table_path("variants", part) for part in parts)
    for part in parts:
        if not is_done(plan.stamp("variants", part), context.variants_lineage(context.record.parts[part])):
            plan.degrade.append(part)
    if plan.degrade:  # finished variants need no network: their masks are stored
        check_roi(config.roi, wanted)
    return plan


def plan_label(config: RunConfig, task: Task) -> LabelPlan:
    """Find out what ``label`` has to do.

    Raises:
        ConfigError: as for :func:`plan_degrade`, or a model, its checkpoint or the recipe is wrong.
    """
    from miqd_builder.zoo.weights.cache import verified_file

    recipe = PlannedRecipe.of(get_recipe(config.recipe))
    resolve_device(config.device)
    check_serves(config.source, task)
    entries = open_zoo(config).select(config.models, task)
    stated_weights(config, entries)
    plan = plan_degrade(config)
    plan.footers.load(_names("responses", task, plan.parts, entries))
    respond: dict[str, list[int]] = {}
    for entry in entries:
        plan.context.entry_hash(entry)  # the run uses the entry as it is now
        respond[entry.name] = [part for part in plan.parts if not _responses_done(plan, task, part, entry)]
        # With all responses stored no model is built: another recipe needs no checkpoint.
        if respond[entry.name] and entry.checkpoint is not None:
            verified_file(entry)
    return LabelPlan(plan.context, plan.parts, plan.sources, plan.degrade, plan.footers, task, recipe, entries, respond)


def sharing_images(plans: Iterable[LabelPlan]) -> list[list[LabelPlan]]:
    """Group plans that can be carried out at once: in the same folder, on the same images, by the same scheduler."""
    groups: list[tuple[object, list[LabelPlan]]] = []
    for plan in plans:
        key = _images(plan)
        group = next((group for known, group in groups if known == key), None)
        if group is None:
            groups.append((key, [plan]))
        else:
            group.append(plan)
    return [group for _, group in groups]


def _images(plan: Plan) -> object:
    """What two plans must share to be carried out together: images and scheduler settings."""
    context, config = plan.context, plan.context.config
    variants = [context.variants_lineage(context.record.parts[part]) for part in plan.parts]
    how = (config.scheduler, config.workers, config.worker_timeout, config.device, config.models_per_pass)
    return config.out, plan.parts, variants, context.planned.plugins, how


def _responses_done(plan: Plan, task: Task, part: int, entry: ModelEntry) -> bool:
    stamp, ids = plan.stamp("responses", part, task=task, model=entry.name), plan.context.record.parts[part]
    return stamp is not None and is_done(stamp, responses_lineage(plan.context, task, ids, entry))


def _names(table: str, task: Task, parts: Sequence[int], entries: Sequence[ModelEntry]) -> list[str]:
    return [table_path(table, part, task=task, model=entry.name) for entry in entries for part in parts]
