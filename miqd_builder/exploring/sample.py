"""Which sources have pictures in the page, and everything that the page has of one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from miqd_builder.errors import ConfigError, MiqdError
from miqd_builder.exploring.blocks import Blocks
from miqd_builder.exploring.catalog import Catalog
from miqd_builder.exploring.pictures import source_pictures, thumbnail_size
from miqd_builder.exploring.predictions import Arrays, class_arrays, object_arrays, reference_arrays, true_objects
from miqd_builder.labeling.recipes import RECIPES, get_recipe
from miqd_builder.sources import SourceSet, open_source
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_part
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.queries import models_with
from miqd_builder.tables.run_images import RunImages
from miqd_builder.tables.schema import RESPONSES, table_path
from miqd_builder.tasks import Task


def sampled(source_ids: Sequence[str], seed: int) -> list[str]:
    """Return the ids in the order in which they get pictures: at random by the seed, and the same whatever others there are."""
    return sorted(source_ids, key=lambda source_id: hashlib.sha256(f"{seed} {source_id}".encode()).digest())


@dataclass(frozen=True)
class TaskPredictions:
    """Where the predictions of one task come from.

    Attributes:
        task: which one.
        models: those with responses, sorted.
        truth: the sources with their ground truth; None where they can't be read.
        confident: detections on the original from this score on are the reference of consistency.
        note: why there is no ground truth, if there should be.
    """

    task: Task
    models: list[str]
    truth: SourceSet | None
    confident: float
    note: str | None = None

    @classmethod
    def of(cls, folder: RunFolder, record: RunRecord, task: Task) -> TaskPredictions:
        """Find them in a run folder."""
        models, command = models_with(folder, "responses", task), record.command("label", task)
        if command is None:
            return cls(task, models, None, RECIPES["miqd_v1"].reference_score)
        config = command.run_file(folder)
        try:
            confident = get_recipe(config.recipe).reference_score
        except ConfigError:  # a recipe file that is gone
            confident = RECIPES["miqd_v1"].reference_score
        try:
            return cls(task, models, open_source(config.source), confident)
        except MiqdError as error:
            return cls(task, models, None, confident, f"{task}: no ground truth is shown. {error}")


class PicturedSources:
    """Adds sources to a page, one at a time, until it is full.

    Args:
        folder: the run folder.
        record: its record.
        catalog: sources and degradations.
        tasks: where predictions come from.
        blocks: of the page.
    """

    def __init__(
        self, folder: RunFolder, record: RunRecord, catalog: Catalog, tasks: Sequence[TaskPredictions], blocks: Blocks
    ) -> None:
        self._folder, self._catalog, self._tasks, self._blocks = folder, catalog, tasks, blocks
        self._images = RunImages(folder, record)
        self._part_of = {source_id: number for number, part in enumerate(record.parts) for source_id in part}

    def add(self, source_id: str) -> dict[str, Any]:
        """Add one source and return what the page has to know of it.

        Raises:
            MiqdError: its images can't be had; nothing was added.
        """
        before = self._blocks.length
        try:
            return self._add(source_id)
        except MiqdError:
            self._blocks.forget(before)
            raise

    def _add(self, source_id: str) -> dict[str, Any]:
        pictures = source_pictures(self._images, source_id, self._catalog)
        files = [*pictures.files, *([pictures.mask] if pictures.mask is not None else [])]
        known = {
            "source": self._catalog.sources.index(source_id),
            "size": [pictures.height, pictures.width],
            "thumbnail": thumbnail_size(pictures.height, pictures.width),
            "pictures": self._blocks.add_files(files),
            "kinds": list(pictures.kinds),
            "mask": pictures.mask is not None,
        }
        size = (pictures.height, pictures.width)
        return known | {"tasks": {one.task: self._predictions(one, source_id, *size) for one in self._tasks}}

    def _predictions(self, of: TaskPredictions, source_id: str, height: int, width: int) -> dict[str, Any]:
        source = None if of.truth is None else of.truth.by_id.get(source_id)
        responses = {model: self._responses(of.task, model, source_id) for model in of.models}
        if of.task == "cls":
            label = None if source is None else source.truth_for("cls")
            arrays = {model: class_arrays(table, self._catalog) for model, table in responses.items()}
            return {"truth": None if label is None else label.index, "models": self._add_arrays(of, arrays)}
        truth = true_objects(of.task, source, height, width)
        arrays = {
            model: object_arrays(of.task, table, self._catalog, truth, confident=of.confident)
            for model, table in responses.items()
        }
        references = None if truth is None else self._blocks.add_arrays(reference_arrays([truth]))
        return {"truth": references, "models": self._add_arrays(of, arrays)}

    def _add_arrays(self, of: TaskPredictions, arrays: Mapping[str, Arrays]) -> Any:
        if not arrays:
            return None
        numbered = ((of.models.index(model), of_model) for model, of_model in arrays.items())
        return self._blocks.add_arrays({f"{model}/{name}": array for model, own in numbered for name, array in own.items()})

    def _responses(self, task: Task, model: str, source_id: str) -> pa.Table:
        import pyarrow.compute as pc

        name = table_path("responses", self._part_of[source_id], task=task, model=model)
        if not self._folder.exists(name):  # quarantined
            return RESPONSES[task].empty_table()
        part = read_part(self._folder, name)
        return part.filter(pc.equal(part["source_id"], source_id))
