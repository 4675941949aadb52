"""Plan ``measure``: which parts of which measures are missing or out of date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError
from miqd_builder.measures import Measure
from miqd_builder.measures.content_hash import measure_code, measure_hash
from miqd_builder.scheduler_names import SCHEDULERS, scheme
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.footers import Footers
from miqd_builder.store.keys import CommandKey
from miqd_builder.store.parts import is_done
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.lineage import MeasuresLineage, content_hash
from miqd_builder.tables.schema import table_path
from miqd_builder.zoo.weights.cache import file_sha256
from pipelines.context import Context, open_context
from pipelines.planning import Plan
from pipelines.stages.items import PlannedMeasure
from pipelines.stages.model_part import resolve_device


@dataclass(frozen=True)
class MeasurePlan(Plan):
    """Plan of ``measure``; nothing was written yet.

    Attributes:
        measures: content hash of each measure.
        own_weights: lists of weights beside those that ship.
        measure: for each measure, the parts that are missing or out of date and have variants.
        without_variants: parts that can't be measured, since nothing of them was degraded.
        records: of measures that aren't in the registry, by name.
    """

    measures: dict[str, str]
    own_weights: tuple[Path, ...]
    measure: dict[str, list[int]]
    without_variants: list[int]
    records: dict[str, Measure]

    @property
    def command(self) -> CommandKey:
        """See :class:`Plan`."""
        return CommandKey("measure")

    @property
    def models(self) -> list[str]:
        """Names of the measures."""
        return list(self.measures)

    def hashes(self) -> dict[str, Any]:
        """See :class:`Plan`."""
        own = {str(file.resolve()): file_sha256(file) for file in self.own_weights}
        return {**super().hashes(), "measures": self.measures, **({"own_weights": own} if own else {})}

    def planned(self, name: str, part: int) -> PlannedMeasure:
        """Return a measure, for a work item on a part."""
        lineage = measures_lineage(self.context, part, name, self.measures[name])
        record = self.records.get(name)
        return PlannedMeasure(lineage, measure_code(record or name), self.own_weights, record)


def plan_measure(config: RunConfig, measures: Sequence[str | Measure], own_weights: Sequence[Path] = ()) -> MeasurePlan:
    """Find out what ``measure`` has to do.

    Args:
        config: the run file; which images there are to measure is up to the run folder.
        measures: their names, or records that aren't in the registry, such as those of quality models.
        own_weights: lists of weights beside those that ship.

    Raises:
        ConfigError: a measure is unknown or its weights are missing, the run file or the source is wrong, or the run folder
            holds no variants, or some that are out of date.
    """
    SCHEDULERS[scheme(config.scheduler)]  # one that can't be loaded is found out before anything is written
    records = {one.name: one for one in measures if isinstance(one, Measure)}
    hashes = {one if isinstance(one, str) else one.name: measure_hash(one, own_weights) for one in measures}
    resolve_device(config.device)
    context = open_context(_as_recorded(config))
    ids = {image.source_id for image in context.sources.first(config.limit).images}
    parts = [number for number, part in enumerate(context.record.parts) if ids & set(part)]
    footers = Footers(context.folder)
    footers.load(table_path("variants", part) for part in parts)
    ready = _ready(context, parts, footers)
    footers.load(table_path("measures", part, measure=name) for name in hashes for part in ready)
    todo = {
        name: [
            part
            for part in ready
            if not is_done(
                footers.get(table_path("measures", part, measure=name)), measures_lineage(context, part, name, sha256)
            )
        ]
        for name, sha256 in hashes.items()
    }
    without = [part for part in parts if part not in set(ready)]
    count = sum(source_id in ids for part in parts for source_id in context.record.parts[part])
    return MeasurePlan(context, parts, count, [], footers, hashes, tuple(own_weights), todo, without, records)


def _as_recorded(config: RunConfig) -> RunConfig:
    """The run file with what the run folder holds, whatever else it would make."""
    record = RunRecord.load(RunFolder(config.out))
    if record is None:
        raise ConfigError(f"'{config.out}' holds no run: run 'miqd degrade' first, or correct --out.")
    there = ("images", "degradations")
    as_lists = {name: getattr(record, name) for name in there}
    return config.model_copy(update={n: tuple(v) if isinstance(v, list) else v for n, v in as_lists.items()})


def _ready(context: Context, parts: Sequence[int], footers: Footers) -> list[int]:
    """The parts with variants.

    Raises:
        ConfigError: there is none, or one is out of date.
    """
    stamps = {part: footers.get(table_path("variants", part)) for part in parts}
    ready = {part: stamp for part, stamp in stamps.items() if stamp is not None}
    url = context.folder.url
    if not ready:
        raise ConfigError(f"'{url}' holds no degraded images to measure: run 'miqd degrade' first.")
    old = [p for p, s in ready.items() if s.content_hash != content_hash(context.variants_lineage(context.record.parts[p]))]
    if old:
        raise ConfigError(
            f"{len(old)} of {len(parts)} parts of variants in '{url}' are out of date: an image, its ROI mask or a distortion "
            "has changed since. Run 'miqd degrade' again first."
        )
    return list(ready)


def measures_lineage(context: Context, part: int, name: str, sha256: str) -> MeasuresLineage:
    """Return the lineage of a measure's part.

    Args:
        context: the run.
        part: number of the part.
        name: of the measure.
        sha256: its content hash.
    """
    variants = context.once(("variants", str(part)), lambda: context.variants_lineage(context.record.parts[part]))
    return MeasuresLineage(
        name=name,
        measure=sha256,
        sources=variants.sources,
        distortions=variants.distortions,
        degradations=variants.degradations,
    )
