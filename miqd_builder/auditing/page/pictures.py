"""The worst images beside unaffected ones, with what was annotated and what was predicted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from miqd_builder.auditing.document import Record, TaskDocument
from miqd_builder.auditing.page.answer import by_harm
from miqd_builder.auditing.page.numbers import number, plain
from miqd_builder.auditing.page.overlay import Shape, box_shapes, mask_shapes, overlay
from miqd_builder.auditing.page.predictions import Image, Predictions
from miqd_builder.errors import ConfigError, MiqdError
from miqd_builder.responses import Detections, Segmentation
from miqd_builder.sources import SourceSet, open_source
from miqd_builder.sources.class_names import class_names, name_of
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.run import Run
from miqd_builder.tables.schema import ORIGINAL
from miqd_builder.tasks import Task, check_task

MOST_PAIRS = 6
"""Distortions that are shown, the most harmful ones."""
LEAST_SCORE = 0.3
"""Predicted objects of lower scores are not drawn."""
MOST_CLASSES = 3


@dataclass(frozen=True, slots=True)
class Picture:
    """An image with its outlines, a title and lines below it."""

    svg: Markup
    title: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a task.

    Attributes:
        pairs: worst and unaffected image of each distortion.
        title, words, notes: of the block.
        drawn: whether outlines are drawn over them.
        solid, dashed: what the two kinds of outlines are.
        reason: why pictures are missing; empty where none is.
    """

    pairs: Sequence[Sequence[Picture]] = ()
    title: str = ""
    words: str = ""
    notes: Sequence[str] = ()
    drawn: bool = False
    solid: str = ""
    dashed: str = ""
    reason: str = ""


def pictures(folder: RunFolder, record: RunRecord, task: str, of: TaskDocument) -> Pictures:
    """Return the pictures of a task: stored images, or rendered again where the run keeps none.

    Args:
        folder: the run folder.
        record: its record.
        task: cls, det, ins or seg.
        of: what the audit found.
    """
    statistic = of.statistics.get("extremes")
    if statistic is None:
        return Pictures(reason=of.absent.get("extremes", "the audit names no worst images"))
    pairs = _pairs(of, statistic.records)
    try:
        scene = _Scene(folder, record, check_task(task), of, [record for pair in pairs for record in pair])
        shown = [[scene.picture(one) for one in pair] for pair in pairs]
    except MiqdError as error:
        return Pictures(reason=str(error).rstrip("."))
    said = f"The {len(pairs)} most harmful of {len(of.distortions)} distortions" if len(pairs) > 1 else "The run's distortion"
    return Pictures(
        shown,
        statistic.title,
        f"{statistic.definition} Left the worst image of a distortion, right an unaffected one.",
        [said, *scene.notes],
        drawn=task != "cls",
        solid=scene.solid,
        dashed=scene.dashed,
    )


def _pairs(of: TaskDocument, records: Sequence[Record]) -> list[list[Record]]:
    pairs = []
    for name in by_harm(of):
        own = {record.label: record for record in records if record.distortion == name}
        if own:
            pairs.append([own[label] for label in ("worst", "unaffected") if label in own])
    return pairs[:MOST_PAIRS]


class _Scene:
    """The images, ground truth and predictions of one task."""

    def __init__(self, folder: RunFolder, record: RunRecord, task: Task, of: TaskDocument, records: Sequence[Record]) -> None:
        self._task = task
        self._run = Run(folder, record)
        self._sources, self._names = _truth(folder, record, task)
        wanted = {image for one in records for image in (_image(one), (_image(one)[0], ORIGINAL))}
        ranked = sorted(of.models, key=lambda model: (-(model.weight or 0.0), model.name))
        self._models = [model.name for model in (ranked if task == "cls" else ranked[:1])]
        self._predictions = Predictions(folder, record, task, self._models, sorted(wanted))
        self._known = self._sources is not None and any(self._annotated(_image(one)[0]) is not None for one in records)
        model = self._models[0] if self._models else ""
        self.solid = "annotated" if self._known else f"predicted by {model} on the original"
        self.dashed = f"predicted by {model}, the model of the largest weight, score {LEAST_SCORE:g} or more"

    @property
    def notes(self) -> list[str]:
        """What a reader must know of the pictures."""
        if not self._predictions.models:
            return ["No predictions are drawn: the run has no responses of these images"]
        return (
            []
            if self._task == "cls" or self._known
            else ["No ground truth: predictions on the original are drawn in its place"]
        )

    def picture(self, record: Record) -> Picture:
        """Return an image with its outlines."""
        source_id, degradation = image = _image(record)
        pixels = self._run.image(source_id, degradation)
        solid, dashed = ([], []) if self._task == "cls" else self._shapes(image)
        where = f"{record.roi_severity} everywhere"
        if record.roi_severity != record.bg_severity:
            where = f"{record.roi_severity} in the ROI, {record.bg_severity} in the background"
        title = f"{plain(record.distortion or '')}: {plain(record.label)}, {number(record.value, 'score')}"
        label = f"{source_id}, {degradation}: {record.label}, {number(record.value, 'score')}"
        return Picture(
            overlay(pixels, solid, dashed, label=label), title, [source_id, f"severity {where}", *self._lines(image)]
        )

    def _lines(self, image: Image) -> list[str]:
        if self._task == "cls":
            return self._class_lines(image)
        if not self._predictions.models:
            return []
        here, before = (self._predicted(one) for one in (image, (image[0], ORIGINAL)))
        if here is None or before is None:
            return []
        return [f"{len(here.category_ids)} predicted, {len(before.category_ids)} on the original"]

    def _class_lines(self, image: Image) -> list[str]:
        lines = []
        truth = self._sources.by_id[image[0]].truth_for("cls") if self._sources and image[0] in self._sources.by_id else None
        if truth is not None:
            lines.append(f"truth: {name_of(self._names, truth.index)}")
        for words, counts in (
            ("predicted", self._predictions.top_classes(image)),
            ("on the original", self._predictions.top_classes((image[0], ORIGINAL))),
        ):
            if counts:
                lines.append(f"{words}: {self._votes(counts)}")
        return lines

    def _votes(self, counts: Counter[int]) -> str:
        total = counts.total()
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        said = [f"{name_of(self._names, index)} ({count} of {total})" for index, count in ranked[:MOST_CLASSES]]
        return ", ".join(said) + (f" and {len(ranked) - MOST_CLASSES} more" if len(ranked) > MOST_CLASSES else "")

    def _shapes(self, image: Image) -> tuple[list[Shape], list[Shape]]:
        solid = self._annotated(image[0]) if self._known else self._predicted((image[0], ORIGINAL))
        return self._outlines(solid, below=True), self._outlines(self._predicted(image), below=False)

    def _outlines(self, objects: Detections | Segmentation | None, *, below: bool) -> list[Shape]:
        if objects is None:
            return []
        names = [name_of(self._names, int(category_id)) for category_id in objects.category_ids]
        if isinstance(objects, Detections) and not below:
            names = [f"{name} {score:.2f}" for name, score in zip(names, objects.scores.tolist(), strict=True)]
        if isinstance(objects, Detections) and objects.masks is None:
            return box_shapes(objects, names, below=below)
        return mask_shapes(objects, names, below=below)

    def _annotated(self, source_id: str) -> Detections | Segmentation | None:
        source = self._sources.by_id.get(source_id) if self._sources is not None else None
        if source is None:
            return None
        if self._task == "seg":
            label_map = source.truth_for("seg")
            return None if label_map is None else label_map.read(*_size(source.read()))
        objects = source.truth_for("det")
        return None if objects is None else objects.detections(masks=self._task == "ins")

    def _predicted(self, image: Image) -> Detections | Segmentation | None:
        model = next(iter(self._predictions.models), None)
        if model is None:
            return None
        if self._task == "seg":
            return self._predictions.segmentation(model, image)
        found = self._predictions.detections(model, image)
        return None if found is None else found.above(LEAST_SCORE)


def _truth(folder: RunFolder, record: RunRecord, task: Task) -> tuple[SourceSet | None, Mapping[int, str]]:
    """The source of a task with its ground truth, and the names of its classes; nothing where it is gone."""
    command = record.command("label", task)
    if command is None:
        return None, {}
    config = command.run_file(folder).source
    try:
        return open_source(config), class_names(config)
    except ConfigError:
        return None, {}


def _image(record: Record) -> Image:
    return record.source_id or "", record.degradation or ""


def _size(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    return pixels.shape[0], pixels.shape[1]
