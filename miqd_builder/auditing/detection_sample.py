"""Detections of a stated sample of a run beside the annotated objects, source by source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from miqd_builder.auditing.sample import Sample
from miqd_builder.auditing.task_rows import TaskFacts
from miqd_builder.errors import MiqdError
from miqd_builder.labeling.matching import box_overlaps
from miqd_builder.responses import DetectionBatch, Detections
from miqd_builder.sources import open_source
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.queries import read_parts
from miqd_builder.tables.responses import detection_batch
from miqd_builder.tables.schema import ORIGINAL
from miqd_builder.tasks import check_task

Floats = NDArray[np.float64]
MASKS_AT_ONCE = 500


@dataclass(frozen=True)
class SourceDetections:
    """What one model found in the images of one source.

    Attributes:
        model: code of the model.
        source: place of the source in the sample.
        places: of each image among the uniform degradations; the last one is the original's.
        found: detections, image after image.
        wanted: the annotated objects.
        overlaps: IoU of each detection with each annotated object, whatever the classes, ``(detections, objects)``; with a
            crowd region the share of the detection in it.
    """

    model: int
    source: int
    places: NDArray[np.int64]
    found: DetectionBatch
    wanted: Detections
    overlaps: Floats


def annotated_objects(folder: RunFolder, task: str, sample: Sample) -> dict[str, Detections] | str:
    """Return the annotated objects of the sample's sources that have some, or why there are none."""
    record = RunRecord.load(folder)
    command = record and record.command("label", check_task(task))
    if not command:
        return "the labels were imported, so that the source of the ground truth is unknown"
    try:
        sources = open_source(command.run_file(folder).source)
        images = (sources.by_id.get(source_id) for source_id in sample.source_ids)
        known = ((image, image.truth_for("ins" if task == "ins" else "det")) for image in images if image is not None)
        found = {image.source_id: truth.detections(masks=task == "ins") for image, truth in known if truth is not None}
    except MiqdError as error:
        return f"the ground truth can't be read ({error})"
    # As in COCO's own evaluation, images without annotated objects count too: their detections are false.
    return found if any(len(objects) for objects in found.values()) else "no image has a ground truth of this task"


def sample_detections(
    folder: RunFolder, facts: TaskFacts, sample: Sample, objects: dict[str, Detections]
) -> Iterator[SourceDetections]:
    """Yield the stored detections of every model and source that has annotated objects, uniform degradations and originals."""
    place_of = {facts.cells.all[code].degradation: place for place, code in enumerate(facts.cells.uniform)}
    place_of[ORIGINAL] = len(facts.cells.uniform)
    source_of = {source_id: place for place, source_id in enumerate(sample.source_ids) if source_id in objects}
    masks = facts.task == "ins"
    columns = ["source_id", "degradation", "height", "width", "boxes", "scores", "category_ids", *(["masks"] if masks else [])]
    for model, name in enumerate(facts.models):
        start = f"responses/task={facts.task}/model={name}"
        parts = [f"{start}/{file}" for file in sample.parts if folder.exists(f"{start}/{file}")]
        for part in read_parts(folder, parts, columns):
            table = part.filter(pc.is_in(part["degradation"], value_set=pa.array(list(place_of))))
            for source_id in table["source_id"].unique().to_pylist():
                if source_id not in source_of:
                    continue
                rows = table.filter(pc.equal(table["source_id"], source_id))
                found, wanted = detection_batch(rows, masks=masks), objects[source_id]
                places = np.array([place_of[degradation] for degradation in rows["degradation"].to_pylist()])
                overlaps = _mask_overlaps(found, wanted) if masks else _box_overlaps(found, wanted)
                yield SourceDetections(model, source_of[source_id], places, found, wanted, overlaps)


def _box_overlaps(found: DetectionBatch, wanted: Detections) -> Floats:
    # One class for all: the overlap of every pair.
    boxes = wanted.boxes.astype(np.float64, copy=False)
    classes = (np.zeros(len(side), np.int64) for side in (found.boxes, boxes))
    return np.asarray(box_overlaps(found.boxes, next(classes), boxes, next(classes), wanted.is_crowd), np.float64)


def _mask_overlaps(found: DetectionBatch, wanted: Detections) -> Floats:
    from pycocotools import mask as coco_mask

    size = [wanted.height, wanted.width]
    crowd = wanted.is_crowd.astype(np.uint8)
    objects = [{"size": size, "counts": counts} for counts in wanted.masks or ()]
    masks = [{"size": size, "counts": counts} for counts in found.masks or ()]
    overlaps = np.zeros((len(masks), len(objects)))
    for start in range(0, len(masks) if objects else 0, MASKS_AT_ONCE):
        chunk = masks[start : start + MASKS_AT_ONCE]
        overlaps[start : start + len(chunk)] = coco_mask.iou(chunk, objects, crowd)
    return overlaps
