"""One model's part of ``responses``: reuse rows of an earlier run, run the model on the rest, write the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from miqd_builder.errors import ConfigError, MiqdError, StaleCodeError, StoreError, UnreadableImageError
from miqd_builder.garbage import not_collected
from miqd_builder.responses import Response
from miqd_builder.sources import SourceImage
from miqd_builder.store.parts import Footer, read_footer, read_part, write_part
from miqd_builder.store.quarantine import Failure, write_failures
from miqd_builder.tables.images import Named, PartImages
from miqd_builder.tables.lineage import ResponsesLineage, short_hash
from miqd_builder.tables.responses import Prediction, responses_table
from miqd_builder.tables.schema import ORIGINAL, table_path
from miqd_builder.tasks import Task
from miqd_builder.zoo.build import build, engine_of, precision_of
from miqd_builder.zoo.entry import ModelEntry
from pipelines.context import Context, reusable_rows
from pipelines.stages.degrade import FATAL, PartResult
from pipelines.stages.items import PlannedModel

if TYPE_CHECKING:
    from miqd_builder.zoo.adapters.base import Adapter

Key = tuple[str, str]
_adapters: dict[str, Adapter] = {}
"""Models that this process holds, the oldest first."""


def responses_lineage(context: Context, task: Task, ids: Sequence[str], entry: ModelEntry) -> ResponsesLineage:
    """Lineage of a model's responses to these sources."""
    return ResponsesLineage(
        task=task,
        model=model_hash(context, task, entry),
        sources=context.once(("sources", task, *ids), lambda: _source_hashes(context, task, ids)),
        distortions=context.planned.distortions,
        degradations=context.names_hash,
    )


def class_index(source: SourceImage) -> int | None:
    """Return the class that an image is labelled with; None without one."""
    truth = source.truth_for("cls")
    return None if truth is None else truth.index


def _source_hashes(context: Context, task: Task, ids: Sequence[str]) -> dict[str, str]:
    return {source.source_id: _source_hash(context, task, source) for source in context.part_sources(ids)}


def _source_hash(context: Context, task: Task, source: SourceImage) -> str:
    return short_hash(context.source_hash(source), str(class_index(source)) if task == "cls" else "")


def model_hash(context: Context, task: Task, entry: ModelEntry) -> str:
    """Hash of the model, of the meaning of its classes, of its precision and of its engine."""
    return context.once(("model", task, entry.name), lambda: _model_hash(context, task, entry))


def _model_hash(context: Context, task: Task, entry: ModelEntry) -> str:
    categories = "" if task == "cls" else str(context.sources.category_ids)
    # Full precision and PyTorch add nothing, so that hashes from before the settings existed stay the same.
    precision = precision_of(entry, context.config.precision)
    engine = engine_of(entry, context.config.engine)
    others = [setting for setting in (precision, engine) if setting not in ("float32", "torch")]
    return short_hash(context.entry_hash(entry), categories, *others)


def responses_footer(context: Context, task: Task, part: int, entry: ModelEntry) -> Footer | None:
    """Return the footer of a model's part of ``responses``; None where it isn't there."""
    return read_footer(context.folder, table_path("responses", part, task=task, model=entry.name))


class ModelPart:
    """One model's part of ``responses`` while it is made: kept rows, images still to run, and new predictions."""

    def __init__(self, context: Context, part: int, planned: PlannedModel, images: PartImages) -> None:
        self.context, self.part, self.planned = context, part, planned
        self.entry, self.lineage, self.task = planned.entry, planned.lineage, planned.lineage.task
        self.name = table_path("responses", part, task=self.task, model=self.entry.name)
        self.order = [(i, name) for i in self.lineage.sources for name in (ORIGINAL, *context.names)]
        self.footer: Footer | None = read_footer(context.folder, self.name)
        self.old = read_part(context.folder, self.name) if self.footer else None
        keys = _keys(self.old) if self.old is not None else []
        self.kept = reusable_rows(keys, self.footer.lineage if self.footer else None, self.lineage)
        self.predictions: list[Prediction] = []
        self.failures: list[Failure] = []
        self.broken: Exception | None = None
        self._images = images
        self._accepted: dict[str, bool] = {}

    def accepts(self, source_id: str, height: int, width: int) -> bool:
        """Tell whether a source and its ground truth are what the run was planned with; if not, its rows are lost.

        Args:
            source_id: of the clean image.
            height: in pixels.
            width: in pixels.
        """
        if source_id not in self._accepted:
            self._accepted[source_id] = self._check(source_id, height, width)
        return self._accepted[source_id]

    def _check(self, source_id: str, height: int, width: int) -> bool:
        source = self.context.sources.by_id[source_id]
        try:
            if _source_hash(self.context, self.task, source) != self.lineage.sources[source_id]:
                raise UnreadableImageError(
                    f"Image '{source.path.name}', its ROI mask or its label is not what it was when the run was planned: run "
                    "the same command again."
                )
            source.check_truth(height, width)
        except FATAL:
            raise
        except MiqdError as error:
            self.lose(source_id, error)
            return False
        return True

    def lose(self, source_id: str, error: MiqdError) -> None:
        """Record that a source failed, if any of its images is still to be run."""
        if self.wanted(source_id):
            self.failures.append(Failure.of(error, stage="respond", source_id=source_id, model=self.entry.name))

    def wanted(self, source_id: str) -> list[str]:
        """Names of the images of one source that the model is still to be run on."""
        return [name for name in self._images.names(source_id) if (source_id, name) not in self.kept]

    def adapter(self) -> Adapter | None:
        """The built model; None if it couldn't be built, which is tried and recorded once a part.

        Raises:
            ConfigError: it can't be built as it is configured. On a cluster it may be the worker that lacks a file or a
                package, so it counts as a failure there.
        """
        if self.broken is not None:
            return None
        try:
            return _adapter(self.context, self.planned)
        except (StoreError, StaleCodeError, MemoryError):
            raise
        except Exception as error:
            if isinstance(error, ConfigError) and not self.context.config.joins_cluster:
                raise
            self.broken = error
            self.failures.append(Failure.of(error, stage="respond", model=self.entry.name))
            return None

    def predict(self, adapter: Adapter, source_id: str, images: list[Named]) -> None:
        """Predict a batch; if it fails, each image alone, so that one bad image costs one row."""
        try:
            responses: list[Response | None] = list(adapter.predict([pixels for _, pixels in images]))
        except FATAL:
            raise
        except Exception:
            responses = [self._predict_one(adapter, source_id, image) for image in images]
        label = class_index(self.context.sources.by_id[source_id])
        self.predictions += [
            Prediction(source_id, name, response, label)
            for (name, _), response in zip(images, responses, strict=True)
            if response is not None
        ]

    def _predict_one(self, adapter: Adapter, source_id: str, image: Named) -> Response | None:
        _, pixels = image
        try:
            return adapter.predict([pixels])[0]
        except FATAL:
            raise
        except Exception as error:
            failure = Failure.of(error, stage="respond", source_id=source_id, model=self.entry.name)
            if not any(f.source_id == failure.source_id and f.message == failure.message for f in self.failures):
                self.failures.append(failure)
            return None

    def write(self, result: PartResult) -> None:
        """Write the part: new predictions and kept rows in canonical order."""
        write_failures(self.context.folder, str(self.planned.key(self.part)), self.failures)
        result.failures += len(self.failures)
        result.computed += len(self.predictions)
        result.reused += len(self.kept)
        table = responses_table(self.task, self.predictions)
        if self.old is not None and self.kept:
            table = pa.concat_tables([table, self.old])
        row_of: dict[Key, int] = {}
        for row, key in enumerate(_keys(table)):
            if row < len(self.predictions) or key in self.kept:
                row_of.setdefault(key, row)
        table = table.take(pa.array([row_of[key] for key in self.order if key in row_of], pa.int64()))
        complete = table.num_rows == len(self.order)
        engine = engine_of(self.entry, self.context.config.engine)
        extra: dict[str, str] = {"precision": precision_of(self.entry, self.context.config.precision)}
        extra |= {"engine": engine} if engine != "torch" else {}
        write_part(self.context.folder, self.name, table, self.lineage, complete=complete, extra=extra)


def _keys(table: pa.Table) -> list[Key]:
    return list(zip(table["source_id"].to_pylist(), table["degradation"].to_pylist(), strict=True))


def resolve_device(setting: str) -> str:
    """Return cpu or cuda: ``auto`` means the GPU where there is one."""
    if setting != "auto":
        return setting
    with not_collected():
        import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _adapter(context: Context, planned: PlannedModel) -> Adapter:
    """Return a built model; models of an earlier pass go once ``models_per_pass`` are held.

    Raises:
        StaleCodeError: its config, checkpoint or module is not what the run was planned with.
    """
    with not_collected():
        import torch

    entry = planned.entry
    device = resolve_device(context.config.device)
    if device == "cpu":
        # Workers are the parallelism; more threads would change the order of sums and so the last bits of the predictions.
        torch.set_num_threads(1)
    key = f"{entry.name} {planned.lineage.model} {device}"
    if key not in _adapters:
        while len(_adapters) >= context.config.models_per_pass:
            _adapters.pop(next(iter(_adapters)))
        _adapters[key] = build(
            entry,
            device=device,
            category_ids=context.sources.category_ids,
            precision=context.config.precision,
            engine=context.config.engine,
            expected=planned.entry_hash,
        )
    return _adapters[key]
