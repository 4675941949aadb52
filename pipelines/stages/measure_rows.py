"""One measure's part of ``measures``: reuse rows of an earlier run, compute the rest, write the file."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder import user_code
from miqd_builder.errors import ConfigError, StaleCodeError, StoreError
from miqd_builder.measures import Scorer, find_measure
from miqd_builder.measures.content_hash import measure_hash
from miqd_builder.store.parts import read_footer, read_part, write_part
from miqd_builder.store.quarantine import Failure, write_failures
from miqd_builder.tables.images import Named, PartImages
from miqd_builder.tables.schema import MEASURES, ORIGINAL, table_path
from pipelines.context import Context, reusable_rows
from pipelines.stages.degrade import FATAL, PartResult
from pipelines.stages.items import PlannedMeasure
from pipelines.stages.model_part import resolve_device

Key = tuple[str, str]
COPIED = ("psnr",)
"""Measures that ``variants`` has as a column already."""
_scorers: dict[str, Scorer] = {}
"""Measures that this process holds, the oldest first."""


class MeasureRows:
    """One measure's part of ``measures`` while it is made: kept rows, images still to measure, and new values.

    Attributes:
        name: of the measure.
        broken: why the measure can't be computed here; None if it can, or wasn't tried.
    """

    def __init__(self, context: Context, part: int, planned: PlannedMeasure, images: PartImages) -> None:
        self.planned, self.name = planned, planned.lineage.name
        self.broken: Exception | None = None
        self._context, self._part, self._images = context, part, images
        self._path = table_path("measures", part, measure=self.name)
        self._kept = self._reusable()
        self._new: dict[Key, float | None] = {}
        self._failures = [
            Failure("measure", source_id, self.name, "NoVariants", "The image has no variants: run 'miqd degrade' again.")
            for source_id in planned.lineage.sources
            if not images.names(source_id)
        ]

    def _reusable(self) -> dict[Key, float | None]:
        footer = read_footer(self._context.folder, self._path)
        if footer is None:
            return {}
        rows = read_part(self._context.folder, self._path).to_pylist()
        values = {(row["source_id"], row["degradation"]): row["value"] for row in rows}
        return {key: values[key] for key in reusable_rows(list(values), footer.lineage, self.planned.lineage)}

    def wanted(self, source_id: str) -> list[str]:
        """Names of the degraded images of one source that are still to be measured."""
        names = self._images.names(source_id)
        return [name for name in names if name != ORIGINAL and (source_id, name) not in self._kept]

    def lose(self, source_id: str, error: BaseException) -> None:
        """Record once that something of a source failed, if any of its images is still to be measured."""
        failure = Failure.of(error, stage="measure", source_id=source_id, model=self.name)
        if self.wanted(source_id) and failure not in self._failures:
            self._failures.append(failure)

    def copy(self, column: str) -> int:
        """Take the values from a column of ``variants``; returns how many."""
        name = table_path("variants", self._part)
        for row in read_part(self._context.folder, name, ["source_id", "degradation", column]).to_pylist():
            key = row["source_id"], row["degradation"]
            if key not in self._kept:
                self._new[key] = row[column]
        return len(self._new)

    def scorer(self) -> Scorer | None:
        """The function that computes the measure; None if it can't be made, which is tried and recorded once a part.

        Raises:
            ConfigError: weights or a package are missing. On a cluster it may be the worker that lacks them, so it counts as a
                failure there.
            StaleCodeError: the measure or its weights are not what the run was planned with.
        """
        if self.broken is not None:
            return None
        try:
            return _scorer(self._context, self.planned)
        except (StoreError, StaleCodeError, MemoryError):
            raise
        except Exception as error:
            if isinstance(error, ConfigError) and not self._context.config.joins_cluster:
                raise
            self.broken = error
            self._failures.append(Failure.of(error, stage="measure", model=self.name))
            return None

    def measure(self, scorer: Scorer, source_id: str, reference: NDArray[np.uint8], images: list[Named]) -> None:
        """Measure a batch of images of one source; if that fails, each alone, so that one bad image costs one row."""
        try:
            self._measure(scorer, source_id, reference, images)
        except FATAL:
            raise
        except Exception:
            for image in images:
                try:
                    self._measure(scorer, source_id, reference, [image])
                except FATAL:
                    raise
                except Exception as error:
                    self.lose(source_id, error)

    def _measure(self, scorer: Scorer, source_id: str, reference: NDArray[np.uint8], images: list[Named]) -> None:
        values = scorer(np.stack([pixels for _, pixels in images]), reference).tolist()
        for (name, _), value in zip(images, values, strict=True):
            self._new[source_id, name] = None if math.isnan(value) else value

    def write(self, result: PartResult) -> None:
        """Write the part: new values and kept rows in canonical order."""
        folder, lineage = self._context.folder, self.planned.lineage
        write_failures(folder, str(self.planned.key(self._part)), self._failures)
        result.failures += len(self._failures)
        result.computed += len(self._new)
        result.reused += len(self._kept)
        result.undefined[self.name] += sum(value is None for value in self._new.values())
        values = self._new | self._kept
        order = [(source_id, name) for source_id in lineage.sources for name in self._context.names]
        keys = [key for key in order if key in values]
        columns = [[key[0] for key in keys], [key[1] for key in keys], [values[key] for key in keys]]
        table = pa.table([pa.array(c, t) for c, t in zip(columns, MEASURES.types, strict=True)], schema=MEASURES)
        write_part(folder, self._path, table, lineage, complete=len(keys) == len(order))


def _scorer(context: Context, planned: PlannedMeasure) -> Scorer:
    """Return a measure's function; those of an earlier pass go once ``models_per_pass`` are held."""
    name, device = planned.lineage.name, resolve_device(context.config.device)
    if device == "cpu":
        import torch

        # Workers are the parallelism; more threads would change the order of sums and so the last bits of the values.
        torch.set_num_threads(1)
    key = f"{name} {planned.lineage.measure} {device}"
    if key not in _scorers:
        while len(_scorers) >= context.config.models_per_pass:
            _scorers.pop(next(iter(_scorers)))
        with user_code.planned(planned.code):
            if measure_hash(planned.measure, planned.own_weights) != planned.lineage.measure:
                raise StaleCodeError(
                    f"Measure '{name}' or its weights here are not what the run was planned with: run the same command again; "
                    "on another machine, make its files the same."
                )
            _scorers[key] = find_measure(planned.measure).create(device, planned.own_weights)
    return _scorers[key]
