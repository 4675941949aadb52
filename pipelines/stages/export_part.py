"""Export one part of a run in a format: its images and label files. Existing files that are right are kept."""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from miqd_builder import user_code
from miqd_builder.errors import StoreError, UnreadableImageError
from miqd_builder.formats.contract import ImagePlaces
from miqd_builder.formats.registry import format_of, writer_of
from miqd_builder.sources import SourceImage
from miqd_builder.sources.base import some
from miqd_builder.sources.png import decode_png, encode_png
from miqd_builder.store.folder import IMAGES, TEMPORARY, RunFolder
from miqd_builder.store.parts import read_footer, read_part
from miqd_builder.tables.lineage import LabelsLineage
from miqd_builder.tables.schema import image_path, table_path
from miqd_builder.tasks import Task
from pipelines.context import Context, open_planned
from pipelines.schedulers import Report
from pipelines.stages.degrade import PartResult
from pipelines.stages.items import ExportPart

_KEYS = ["source_id", "degradation"]
_MEASURES = ("consistency", "accuracy")


def export_part(item: ExportPart, report: Report) -> PartResult:
    """Write the images and label files of one part.

    Args:
        item: which part, and where to.
        report: called with the number of images done.

    Raises:
        StoreError: a table or a stored image is missing, or the tables don't belong together.
    """
    context, task, part = open_planned(item.run), item.task, item.part
    labels = read_part(context.folder, table_path("labels", part, task=task))
    _check_names(context, labels)
    result, target = PartResult(), RunFolder(str(item.to))
    with user_code.planned(item.code):
        writer = writer_of(format_of(item.form))
        scores = _scores(context, task, part, labels) if task in writer.scored else {}
        images = _Images(context, part, item.to, task, writer.images) if writer.images and item.images else None
        for source in context.part_sources(list(dict.fromkeys(labels["source_id"].to_pylist()))):
            rows = pc.equal(labels["source_id"], source.source_id)
            own = labels.filter(rows)
            if images:
                images.write(source, own["degradation"].to_pylist(), report, result)
            else:
                report(own.num_rows)
            files = writer.label_files(task, own, {model: table.filter(rows) for model, table in scores.items()})
            for name, content in files.items():
                _write_if_changed(target, name, content)
    return result


def link_or_copy(source: Path, target: Path) -> bool:
    """Hard-link a file, or copy it where the file systems differ; returns False if it was there already, the same.

    Raises:
        StoreError: the source is missing, or the target can't be written.
    """
    temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}{TEMPORARY}")
    try:
        source = source.resolve(strict=True)
        if target.exists() and (target.samefile(source) or filecmp.cmp(source, target)):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copy2(source, temporary)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"Can't link or copy '{source}' to '{target}' ({error.strerror or error}).") from error
    return True


def _check_names(context: Context, labels: pa.Table) -> None:
    """Names become paths: only those that this run's source and degradations have."""
    unknown = sorted(set(labels["degradation"].unique().to_pylist()) - set(context.names))
    if unknown:
        raise StoreError(f"The labels in '{context.folder.url}' have degradations that its run doesn't: {some(unknown)}.")


def _scores(context: Context, task: str, part: int, labels: pa.Table) -> Mapping[str, pa.Table]:
    """Scores of each model behind the labels, in the rows of the labels."""
    footer = read_footer(context.folder, table_path("labels", part, task=task))
    lineage = footer.lineage if footer else None
    models = sorted(lineage.weights) if isinstance(lineage, LabelsLineage) else []
    rows = labels.select(_KEYS).append_column("row", pa.array(range(labels.num_rows), pa.int64()))
    tables = {}
    for model in models:
        name = table_path("scores", part, task=task, model=model)
        if context.folder.exists(name):
            scores = read_part(context.folder, name, [*_KEYS, *_MEASURES])
            tables[model] = _counted(rows.join(scores, _KEYS).sort_by("row"))
    return tables


def _counted(scores: pa.Table) -> pa.Table:
    """Labels count a model's accuracy only where it has a consistency: publish no other."""
    known = pc.is_valid(scores["consistency"])
    accuracy = pc.if_else(known, scores["accuracy"], pa.scalar(None, pa.float64()))
    return scores.set_column(scores.column_names.index("accuracy"), "accuracy", accuracy)


class _Images:
    """Images of one part: the run's files where it kept them here, or pixels read or rendered again."""

    def __init__(self, context: Context, part: int, to: Path, task: Task, places: ImagePlaces) -> None:
        self._context, self._to, self._task, self._places = context, to, task, places
        self._linked = context.config.images == "png" and context.folder.local
        self._hashes: dict[tuple[str, str], str] = {}
        if not self._linked:
            self._images = context.images(part)
            rows = read_part(context.folder, table_path("variants", part), [*_KEYS, "pixel_sha256"]).to_pylist()
            self._hashes = {(row["source_id"], row["degradation"]): row["pixel_sha256"] for row in rows}

    def write(self, source: SourceImage, names: list[str], report: Report, result: PartResult) -> None:
        """Write the original and some degraded images of one source."""
        link_or_copy(source.path, self._to / self._places.original(self._task, source))
        targets = {name: self._to / self._places.degraded(self._task, source.source_id, name) for name in names}
        if self._linked:
            for name, target in targets.items():
                new = link_or_copy(self._stored(image_path(source.source_id, name)), target)
                result.computed, result.reused = result.computed + new, result.reused + (not new)
                report(1)
            return
        missing = [name for name, target in targets.items() if not self._is_right(target, self._hashes[source.source_id, name])]
        result.reused += len(names) - len(missing)
        report(len(names) - len(missing))
        for batch in self._images.batches(source, missing):
            for name, pixels in batch:
                RunFolder(str(targets[name].parent)).write(targets[name].name, encode_png(pixels), flush=False)
            result.computed += len(batch)
            report(len(batch))

    def _stored(self, name: str) -> Path:
        """Path of a stored image; a link that leads out of the folder of images would publish whatever it names."""
        images = Path(self._context.folder.path(IMAGES))
        stored = images / name
        if not stored.resolve().is_relative_to(images.resolve()):
            raise StoreError(f"Stored image '{stored}' is a link that leads out of '{images}': put the image itself there.")
        return stored

    @staticmethod
    def _is_right(target: Path, sha256: str) -> bool:
        try:
            return hashlib.sha256(decode_png(target.read_bytes()).tobytes()).hexdigest() == sha256
        except (OSError, UnreadableImageError):
            return False


def _write_if_changed(folder: RunFolder, name: str, content: bytes) -> None:
    if not folder.exists(name) or folder.read(name) != content:
        folder.write(name, content)
