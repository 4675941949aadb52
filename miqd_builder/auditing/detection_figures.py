"""What detectors and instance segmenters do on a data set: its COCO average precision, and their errors by type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from miqd_builder.auditing.dataset_matching import drawn_precisions, error_counts, match_classes
from miqd_builder.auditing.detection_sample import SourceDetections, annotated_objects, sample_detections
from miqd_builder.auditing.document import Record
from miqd_builder.auditing.found import NO_SCORES, Found
from miqd_builder.auditing.groups import UNIFORM_SEVERITIES
from miqd_builder.auditing.resampling import DrawnSums, Floats, Ints, Resampling, ratio, record
from miqd_builder.auditing.sample import draw_sample
from miqd_builder.auditing.task_rows import TaskFacts
from miqd_builder.labeling.average_precision import IOU_THRESHOLDS, RECALL_LEVELS
from miqd_builder.responses import MAX_DETECTIONS
from miqd_builder.store.folder import RunFolder

MOST_RESPONSES = 50_000
AP_RESAMPLES = 100
"""Every draw ranks all detections of the data set anew."""

FOREGROUND, BACKGROUND = 0.5, 0.1
CONFIDENT = 0.3
"""Detections below this score are no errors: COCO's protocol asks detectors for hundreds of them."""
ERRORS = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")
NO_DETECTIONS = "the models' responses are class labels or maps, not detections"
NO_RESPONSES = "the run has no responses of this task"


def detection_figures(folder: RunFolder, facts: TaskFacts, *, resamples: int, seed: int) -> Found:
    """Return ``models_ap``, ``error_types`` and ``error_types_difference``.

    Args:
        folder: the run folder.
        facts: of the task.
        resamples: bootstrap draws.
        seed: of the sample and the draws.
    """
    found = Found()
    names = ("models_ap", "error_types", "error_types_difference")
    if facts.task not in ("det", "ins") or not facts.models:
        return _absent(found, names, NO_SCORES if facts.task in ("det", "ins") else NO_DETECTIONS)
    a_source = (len(facts.cells.uniform) + 1) * len(facts.models)
    sample = draw_sample(folder, facts, most_sources=MOST_RESPONSES // a_source, seed=seed)
    objects = annotated_objects(folder, facts.task, sample)
    if isinstance(objects, str):
        return _absent(found, names, objects)
    resampling = Resampling.draw(len(sample.source_ids), len(facts.models), resamples=resamples, seed=seed)
    errors = DrawnSums(resampling, len(facts.cells.uniform) + 1, len(ERRORS))
    matches = [Matches() for _ in facts.models]
    for one in sample_detections(folder, facts, sample, objects):
        matches[one.model].add(one)
        _add_errors(errors, one)
    if not errors.count[0].any():
        return _absent(found, names, NO_RESPONSES)
    extra: Any = {} if sample.text is None else {"sample": sample.text}
    few = Resampling(resampling.copies[: AP_RESAMPLES + 1], resampling.model_copies[: AP_RESAMPLES + 1])
    _precisions(found, facts, matches, few, extra)
    _errors(found, facts, errors, resampling, extra)
    return found


def _absent(found: Found, names: tuple[str, ...], reason: str) -> Found:
    found.absent |= dict.fromkeys(names, reason)
    return found


@dataclass
class Matches:
    """Matched detections of one model.

    Attributes:
        detections: by place and class: score, source, matched and ignored of each detection, source after source.
        positives: objects by place, class and source, of images with a response.
    """

    detections: dict[tuple[int, int], list[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(list))
    positives: dict[tuple[int, int], dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, one: SourceDetections) -> None:
        """Add the images of a source."""
        wanted, crowd = one.wanted.category_ids.astype(np.int64), one.wanted.is_crowd
        classes = one.found.category_ids
        matched, ignored, taken = match_classes(
            one.found.offsets, one.found.scores, classes, one.overlaps, wanted, crowd, IOU_THRESHOLDS, MAX_DETECTIONS
        )
        place_of = np.repeat(one.places, one.found.counts)
        for place, category in {(int(p), int(c)) for p, c in zip(place_of, classes, strict=True)}:
            rows = np.flatnonzero((place_of == place) & (classes == category) & taken)
            source = np.full(len(rows), one.source)
            self.detections[place, category].append((one.found.scores[rows], source, matched[rows], ignored[rows]))
        for category, count in zip(*np.unique(wanted[~crowd], return_counts=True), strict=True):
            for place in one.places:
                self.positives[int(place), int(category)][one.source] = int(count)

    def precision(self, place: int, copies: Any) -> Floats:
        """Return the data set's AP at a place in every draw: mean over the classes that have objects in it."""
        levels = np.linspace(0, 1, RECALL_LEVELS)
        by_class = []
        for category in sorted(c for p, c in self.positives if p == place):
            positives = np.zeros(copies.shape[1], np.int64)
            for source, count in self.positives[place, category].items():
                positives[source] = count
            blocks = self.detections.get((place, category), [])
            if not blocks:
                by_class.append(np.where(copies @ positives > 0, 0.0, np.nan))
                continue
            scores, sources, matched, ignored = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
            # COCOeval: images in the order of their ids, then a stable sort by falling score.
            order = np.lexsort((sources, -scores))
            by_class.append(drawn_precisions(matched[order], ignored[order], sources[order], positives, copies, levels))
        if not by_class:
            return np.full(len(copies), np.nan)
        values = np.array(by_class)
        return ratio(np.nan_to_num(values).sum(axis=0), (~np.isnan(values)).sum(axis=0).astype(np.float64))

    def extent(self, places: Ints) -> tuple[int, int]:
        """Return images and sources with objects."""
        images = {(place, source) for (place, _), of in self.positives.items() if place in places for source in of}
        return len(images), len({source for _, source in images})


def _precisions(found: Found, facts: TaskFacts, matches: list[Matches], resampling: Resampling, extra: Any) -> None:
    found.add(
        "models_ap",
        _ap_records(facts, matches, resampling),
        title="Models: the data set's COCO AP",
        definition="P: AP of all originals together, as COCOeval computes it for a data set; mPC: mean over distortions of "
        "that over severities; rPC = mPC / P.",
        unit="score; rPC: a ratio",
        severities=f"{UNIFORM_SEVERITIES}; P: the originals",
        interval=resampling.text(),
        why_not=NO_RESPONSES,
        **extra,
    )


def _ap_records(facts: TaskFacts, matches: list[Matches], resampling: Resampling) -> Iterator[Record | None]:
    original = len(facts.cells.uniform)
    for model, of_model in zip(facts.models, matches, strict=True):
        clean = of_model.precision(original, resampling.copies)
        by_distortion = [
            np.mean([of_model.precision(int(place), resampling.copies) for place in places], axis=0)
            for places in facts.cells.uniform_places.values()
        ]
        degraded = np.mean(by_distortion, axis=0) if by_distortion else np.full(len(clean), np.nan)
        for label, drawn, places in (
            ("P", clean, np.array([original])),
            ("mPC", degraded, np.arange(original)),
            ("rPC", ratio(degraded, clean), np.arange(original)),
        ):
            n, sources = of_model.extent(places)
            yield record(drawn, n=n, sources=sources, label=label, model=model)


def _add_errors(errors: DrawnSums, one: SourceDetections) -> None:
    confident = one.found.scores >= np.float32(CONFIDENT)
    image_of = np.repeat(np.arange(len(one.places)), one.found.counts)[confident]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(image_of, minlength=len(one.places)))])
    counts = error_counts(
        offsets,
        one.found.category_ids[confident],
        one.overlaps[confident],
        one.wanted.category_ids.astype(np.int64),
        one.wanted.is_crowd,
        FOREGROUND,
        BACKGROUND,
    )
    total, count = np.zeros((2, 1, *errors.total.shape[1:]))
    total[0, one.places], count[0, one.places] = counts, 1
    errors.add(np.array([one.source]), total, count)


def _errors(found: Found, facts: TaskFacts, errors: DrawnSums, resampling: Resampling, extra: Any) -> None:
    about: Any = {
        "unit": "errors per image",
        "severities": UNIFORM_SEVERITIES,
        "interval": resampling.text(),
        "why_not": NO_RESPONSES,
        **extra,
    }
    between = f"IoU {BACKGROUND} to {FOREGROUND}"
    definition = (
        f"Errors an image and model, among detections of score >= {CONFIDENT}: Loc (right class, {between}), Cls (wrong class, "
        f"IoU >= {FOREGROUND}), Dupe (object already found), Both (wrong class, {between}), Bkg (no object), Miss (object that "
        "nothing else accounts for)"
    )
    found.add(
        "error_types",
        _error_records(facts, errors, difference=False),
        title="Errors of detectors by type",
        definition=f"{definition}.",
        **about,
    )
    found.add(
        "error_types_difference",
        _error_records(facts, errors, difference=True),
        title="Errors of detectors by type: increase",
        definition=f"{definition}, less those on the originals.",
        baseline="the same models on the original images",
        **about,
    )


def _error_records(facts: TaskFacts, errors: DrawnSums, *, difference: bool) -> Iterator[Record | None]:
    original = np.array([len(facts.cells.uniform)])
    groups: list[tuple[Ints, dict[str, str]]] = [] if difference else [(original, {})]
    for name, places in facts.cells.uniform_places.items():
        groups.append((places, {"distortion": name, "category": facts.cells.categories[name]}))
    for places, keys in groups:
        drawn = _mean_errors(errors, places) - (_mean_errors(errors, original) if difference else 0)
        sources = int(errors.known[:, places].any(axis=(1, 2)).sum())
        for index, error in enumerate(ERRORS):
            yield record(
                drawn[:, index],
                n=errors.count[0, places, index].sum(),
                sources=sources,
                difference=difference,
                label="errors",
                error=error,
                **keys,
            )


def _mean_errors(errors: DrawnSums, places: Ints) -> Floats:
    return ratio(errors.total[:, places].sum(axis=1), errors.count[:, places].sum(axis=1))
