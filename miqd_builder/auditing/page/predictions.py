"""What models predicted on single images of a run, from its table ``responses``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from miqd_builder.responses import Detections, Segmentation
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_part
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.responses import iterate_detections, iterate_segmentations
from miqd_builder.tables.schema import table_path

T = TypeVar("T")

COLUMNS = {"cls": ["source_id", "degradation", "top_ids"]}
"""Columns that are read; all where a task isn't here."""

Image = tuple[str, str]
"""Id of the source image, and name of the degradation or ``original``."""


class Predictions:
    """Predictions of one task on some images.

    Attributes:
        models: those whose responses are there.

    Args:
        folder: the run folder.
        record: its record.
        task: cls, det, ins or seg.
        models: whose predictions are wanted.
        images: on which images.

    Raises:
        StoreError: a part is damaged.
    """

    def __init__(self, folder: RunFolder, record: RunRecord, task: str, models: Sequence[str], images: Iterable[Image]) -> None:
        self._rows: dict[str, dict[Image, pa.Table]] = {}
        part_of = {source_id: number for number, part in enumerate(record.parts) for source_id in part}
        by_part: dict[int, list[Image]] = {}
        for image in images:
            if image[0] in part_of:
                by_part.setdefault(part_of[image[0]], []).append(image)
        for model in models:
            found: dict[Image, pa.Table] = {}
            for number, wanted in by_part.items():
                name = table_path("responses", number, task=task, model=model)
                if folder.exists(name):
                    found |= _rows_of(read_part(folder, name, COLUMNS.get(task)), wanted)
            if found:
                self._rows[model] = found
        self.models = list(self._rows)

    def top_classes(self, image: Image) -> Counter[int]:
        """Return how many classifiers predicted each class on an image."""
        tables = (of[image] for of in self._rows.values() if image in of)
        return Counter(int(table["top_ids"][0].as_py()[0]) for table in tables)

    def detections(self, model: str, image: Image) -> Detections | None:
        """Return the objects that a model detected on an image; None if its response isn't there."""
        return self._one(model, image, iterate_detections)

    def segmentation(self, model: str, image: Image) -> Segmentation | None:
        """Return the classes that a model predicted on an image; None if its response isn't there."""
        return self._one(model, image, iterate_segmentations)

    def _one(self, model: str, image: Image, read: Callable[[pa.Table], list[T]]) -> T | None:
        table = self._rows.get(model, {}).get(image)
        return None if table is None else read(table)[0]


def _rows_of(table: pa.Table, wanted: Sequence[Image]) -> dict[Image, pa.Table]:
    found = {}
    for source_id, degradation in wanted:
        rows = table.filter(pc.and_(pc.equal(table["source_id"], source_id), pc.equal(table["degradation"], degradation)))
        if rows.num_rows:
            found[source_id, degradation] = rows.slice(0, 1)
    return found
