"""``miqd verify --recompute``: compute a random sample of a run's parts again from the source images, and compare."""

from __future__ import annotations

import functools
import math
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.labeling.recipes import get_recipe
from miqd_builder.measures import MEASURES
from miqd_builder.measures.content_hash import measure_code, measure_hash
from miqd_builder.store.differences import difference
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer
from miqd_builder.store.quarantine import read_failures
from miqd_builder.store.record import NAME, RunRecord
from miqd_builder.store.verification import Checked
from miqd_builder.tables.lineage import LabelsLineage, MeasuresLineage
from miqd_builder.tables.measures import MOVED, measured
from miqd_builder.tables.schema import table_path
from miqd_builder.tasks import Task
from miqd_builder.zoo.entry import ModelEntry
from pipelines.context import Context, open_context, open_zoo
from pipelines.plan_measure import measures_lineage
from pipelines.progress.bar import progress
from pipelines.stages.degrade import degrade_part
from pipelines.stages.items import (
    DegradePart,
    LabelPart,
    MeasurePart,
    PlannedMeasure,
    PlannedModel,
    PlannedRecipe,
    RespondPart,
    ScorePart,
)
from pipelines.stages.measure import measure_part
from pipelines.stages.model_part import responses_lineage
from pipelines.stages.model_weights import stated_weights
from pipelines.stages.respond import respond_part
from pipelines.stages.score import label_part, labels_lineage, score_part, scores_lineage


def _silent(images: int) -> None:
    """Images of one part are not counted."""


def sample_parts(record: RunRecord, fraction: float, seed: int) -> list[int]:
    """Choose parts at random, at least one; the same seed chooses the same ones."""
    count = min(len(record.parts), max(1, math.ceil(fraction * len(record.parts))))
    return sorted(random.Random(seed).sample(range(len(record.parts)), count))


def recompute(folder: RunFolder, fraction: float, seed: int) -> Iterator[Checked]:
    """Make a random share of the parts of every table again, with the run files that ``run.json`` holds, and compare.

    Everything is made anew in a temporary folder, one part after the other, in this process; images are rendered in memory.
    Shows the progress in source images.

    Args:
        folder: the run folder; nothing in it is changed.
        fraction: share of the parts, 0 to 1.
        seed: the same seed chooses the same parts.

    Yields:
        the name of each stored part that was made again, and how it differs, or None.

    Raises:
        StoreError: ``run.json`` holds no run file that can be used.
    """
    record = RunRecord.load(folder)
    assert record is not None
    labels = [command for command in record.commands if command.command == "label"]
    commands = labels or [command for command in record.commands if command.command == "degrade"]
    if not commands:
        raise StoreError(f"'{folder.path(NAME)}' holds no run file of degrade or label: there is nothing to compute again.")
    configs = {command.task: command.run_file(folder) for command in commands}
    first = configs[commands[0].task]
    parts = sample_parts(record, fraction, seed)
    with progress("recompute", sum(len(record.parts[part]) for part in parts)) as report:
        for part in parts:
            with tempfile.TemporaryDirectory(prefix="miqd-recompute-") as scratch:
                yield from _Again(folder, record, first, scratch, part).variants()
                for task, config in configs.items():
                    if task is not None:
                        yield from _Again(folder, record, config, scratch, part).task(task)
                yield from _Again(folder, record, first, scratch, part).measures()
            report(len(record.parts[part]))


@dataclass(frozen=True)
class _Again:
    """One part of a run, made again in a temporary folder."""

    stored: RunFolder
    record: RunRecord
    config: RunConfig
    scratch: str
    part: int

    def variants(self) -> Iterator[Checked]:
        """Make the part of ``variants``, which everything else needs."""
        folder = RunFolder(self.scratch)
        RunRecord(
            seed=self.record.seed,
            images="none",
            roi=self.record.roi,
            degradations=self.record.degradations,
            parts=self.record.parts,
        ).write(folder)
        context = self._context()
        ids = context.record.parts[self.part]
        degrade_part(DegradePart(run=context.planned, part=self.part, lineage=context.variants_lineage(ids)), _silent)
        yield from self._compare(table_path("candidates", self.part))
        yield from self._compare(table_path("variants", self.part))

    def task(self, task: Task) -> Iterator[Checked]:
        """Make responses, scores and labels of a task, as far as there are stored ones."""
        context = self._context()
        ids = context.record.parts[self.part]
        recipe = PlannedRecipe.of(get_recipe(self.config.recipe))
        rules, run, part = recipe.content_hash, context.planned, self.part
        footer_of = functools.partial(read_footer, context.folder)
        entries = open_zoo(self.config).select(self.config.models, task)
        there = [entry for entry in entries if self._is_stored("responses", task, entry.name)]
        for start in range(0, len(there), self.config.models_per_pass):
            planned = tuple(
                PlannedModel(run, entry, context.entry_hash(entry), responses_lineage(context, task, ids, entry))
                for entry in there[start : start + self.config.models_per_pass]
            )
            respond_part(RespondPart(run=run, part=part, planned=planned), _silent)
        for entry in there:
            yield from self._compare(table_path("responses", self.part, task=task, model=entry.name))
            if self._is_stored("scores", task, entry.name):
                scores = scores_lineage(context, footer_of, task, part, entry.name, rules)
                item = ScorePart(run=run, part=part, task=task, model=entry.name, recipe=recipe, lineage=scores)
                score_part(item, _silent)
                yield from self._compare(table_path("scores", self.part, task=task, model=entry.name))
        if self._is_stored("labels", task):
            names = [entry.name for entry in entries]
            weights = self._weights(task, entries)
            labels = labels_lineage(context, footer_of, task, part, names, weights, rules)
            label_part(LabelPart(run=run, part=part, task=task, recipe=recipe, lineage=labels), _silent)
            yield from self._compare(table_path("labels", self.part, task=task))

    def measures(self) -> Iterator[Checked]:
        """Make the measures that are stored, but for predictions of quality models and what was moved out of ``variants``."""
        context, planned = self._context(), []
        ran = self.record.command("measure")
        own = tuple(Path(file) for file in (ran.hashes.get("own_weights", {}) if ran is not None else {}))
        for name in measured(self.stored):
            path = table_path("measures", self.part, measure=name)
            footer = read_footer(self.stored, path)
            lineage = footer.lineage if footer is not None else None
            if name not in MEASURES.names() or not isinstance(lineage, MeasuresLineage) or lineage.measure == MOVED:
                continue
            try:
                wanted = measures_lineage(context, self.part, name, measure_hash(name, own))
            except ConfigError as error:
                yield path, f"can't be computed again: {error}"
                continue
            planned.append(PlannedMeasure(wanted, measure_code(name), own))
        if planned:
            measure_part(MeasurePart(run=context.planned, part=self.part, planned=tuple(planned)), _silent)
        for one in planned:
            yield from self._compare(table_path("measures", self.part, measure=one.lineage.name))

    def _context(self) -> Context:
        config = self.config.model_copy(
            update={
                "out": self.scratch,
                "images": "none",
                "scheduler": "inline",
                "degradations": tuple(self.record.degradations),
            }
        )
        return open_context(config)

    def _weights(self, task: Task, entries: Sequence[ModelEntry]) -> Mapping[str, float]:
        """Measured weights come from all parts, of which most aren't made again: take the recorded ones."""
        if self.config.weights != "measured":
            return stated_weights(self.config, entries)
        footer = read_footer(self.stored, table_path("labels", self.part, task=task))
        lineage = footer.lineage if footer is not None else None
        return lineage.weights if isinstance(lineage, LabelsLineage) else {}

    def _is_stored(self, table: str, task: Task, model: str | None = None) -> bool:
        return read_footer(self.stored, table_path(table, self.part, task=task, model=model)) is not None

    def _compare(self, name: str) -> Iterator[Checked]:
        scratch = RunFolder(self.scratch)
        if not self.stored.exists(name):
            return
        problem = difference(self.stored, scratch, name)
        failures = read_failures(scratch) if problem is not None else []
        reason = f" ({failures[0].error}: {failures[0].message})" if failures else ""
        yield name, None if problem is None else f"{problem}{reason}"
