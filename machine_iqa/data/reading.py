"""Read labelled images from a run folder, or from a tree of labels and images in the published form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from PIL import Image

from machine_iqa.data.halves import labels_of_models, zoo_half
from machine_iqa.data.labelled import COLUMNS, Labelled, joined_data, labelled_sources, placed_targets
from machine_iqa.data.pixels import RunPixels, TreePixels
from machine_iqa.networks.base import Output
from miqd_builder.benchmarking.model_scores import voters
from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.formats.labels import RECIPE
from miqd_builder.formats.registry import format_of, reader_of
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer
from miqd_builder.store.record import NAME, RunRecord
from miqd_builder.tables.lineage import LabelsLineage
from miqd_builder.tables.queries import joined, labelled_tasks, part_names, read_parts

_KEY = ["source_id", "degradation"]


def read_data(runs: Sequence[str], data_path: Path | None, outputs: Sequence[Output], *, half: str | None = None) -> Labelled:
    """Read labelled images from everywhere that they are.

    Args:
        runs: run folders: paths or urls.
        data_path: folder of the published tree, with ``miqa_cls``, ``miqd_det``; None without one.
        outputs: the wanted labels of the wanted tasks.
        half: ``a`` or ``b``: labels made from the scores of that half of each task's models; None for the labels as they are.

    Raises:
        ConfigError: a run has no images or none of the labels, recipes differ, or a label is nowhere.
        StoreError: a part is damaged.
    """
    if not runs and data_path is None:
        raise ConfigError("Nothing to train on: give run folders (runs) or the published tree (data_path).")
    models = _half_of(runs, half) if half else None
    parts = [read_run(url, outputs, models) for url in runs]
    if data_path is not None:
        if half:
            raise ConfigError("Labels of half of the models need scores, which a published tree lacks: take label_models: all.")
        parts.append(read_tree(data_path, outputs))
    return joined_data(parts)


def read_run(url: str, outputs: Sequence[Output], models: dict[str, list[str]] | None = None) -> Labelled:
    """Read the labelled images of a run folder; imported labels find their images where they were imported from.

    Args:
        url: of the run folder.
        outputs: the wanted labels of the wanted tasks.
        models: make labels from the scores of these alone, by task; None for the labels as they are.

    Raises:
        ConfigError: there is no run, or it has no images, or none of the labels.
    """
    folder = RunFolder(url)
    record = RunRecord.load(folder)
    if record is None:
        raise ConfigError(f"'{url}' holds no run (no {NAME}): run 'miqd label' first, or correct the path.")
    there = labelled_tasks(folder)
    tasks: list[str] = [task for task in dict.fromkeys(output.task for output in outputs) if task in there]
    if not tasks:
        wanted = ", ".join(dict.fromkeys(output.task for output in outputs))
        raise ConfigError(f"'{url}' has no labels of {wanted}: run 'miqd label' there first, or leave it out of runs.")
    if record.roi == RECIPE:
        return _imported(url, record, outputs)
    try:
        names = part_names(folder, "variants")
    except StoreError:
        raise ConfigError(f"'{url}' has labels but no images: run 'miqd degrade' there first.") from None
    images = joined(read_parts(folder, names, [*_KEY, "height", "width"]))
    labels = {task: _labels(folder, task, models) for task in tasks}
    sizes = dict(
        zip(
            images["source_id"].to_pylist(),
            zip(images["height"].to_pylist(), images["width"].to_pylist(), strict=True),
            strict=True,
        )
    )
    sources = tuple(labelled_sources(images, placed_targets(images, outputs, labels), RunPixels(url), sizes))
    voting = {task: models[task] if models else voters(folder, task).models for task in tasks}
    return Labelled(tuple(outputs), sources, {task: _recipe(folder, task, labels[task]) for task in tasks}, voting)


def read_tree(root: Path, outputs: Sequence[Output]) -> Labelled:
    """Read the labelled images of a published tree.

    Raises:
        ConfigError: it holds none of the tasks, a file is malformed, or images are missing.
    """
    reader = reader_of(format_of("miqd"))
    there = reader.tasks_in(root)
    parts = []
    for task in dict.fromkeys(output.task for output in outputs):
        if task not in there:
            continue
        labels = reader.labels(task, reader.sources(root, task))
        pixels = TreePixels(root, task)
        sizes = {source_id: _size(pixels, labels, row) for row, source_id in _first_rows(labels)}
        sources = tuple(labelled_sources(labels, placed_targets(labels, outputs, {task: labels}), pixels, sizes))
        parts.append(Labelled(tuple(outputs), sources, {task: RECIPE}, {task: []}))
    if not parts:
        wanted = ", ".join(dict.fromkeys(output.task for output in outputs))
        raise ConfigError(f"'{root}' holds no labels of {wanted} in the published form: give the folder that holds miqa_cls.")
    sources = tuple(source for part in parts for source in part.sources)
    recipes = {task: RECIPE for part in parts for task in part.recipes}
    return Labelled(tuple(outputs), sources, recipes, {task: [] for task in recipes})


def _imported(url: str, record: RunRecord, outputs: Sequence[Output]) -> Labelled:
    """Images of labels that were imported: those beside the label files, ``<tree>/miqa_<task>/labels``."""
    command = next((command for command in record.commands if command.command == "import"), None)
    root = Path(command.config["labels"]).parent.parent if command is not None else None
    if root is None or not root.is_dir():
        raise ConfigError(f"'{url}' holds imported labels but no images: give the published tree as data_path instead.")
    return read_tree(root, outputs)


def _labels(folder: RunFolder, task: str, models: dict[str, list[str]] | None) -> pa.Table:
    table = joined(read_parts(folder, part_names(folder, "labels", task=task), [*_KEY, *COLUMNS.values(), "recipe"]))
    if models is None:
        return table
    for label, values in labels_of_models(folder, task, table, models.get(task, ())).items():
        table = table.set_column(table.column_names.index(COLUMNS[label]), COLUMNS[label], pa.array(values))
    return table


def _half_of(runs: Sequence[str], half: str) -> dict[str, list[str]]:
    """Half of the models that labelled any of the runs, by task."""
    names: dict[str, set[str]] = {}
    for url in runs:
        folder = RunFolder(url)
        for task in labelled_tasks(folder):
            names.setdefault(task, set()).update(voters(folder, task).models)
    return {task: zoo_half(models, half) for task, models in names.items()}


def _recipe(folder: RunFolder, task: str, labels: pa.Table) -> str:
    """Name and content hash of the recipe of a run's labels."""
    names = sorted(labels["recipe"].unique().to_pylist())
    footers = (read_footer(folder, part) for part in part_names(folder, "labels", task=task)[:1])
    hashes = [f.lineage.recipe for f in footers if f is not None and isinstance(f.lineage, LabelsLineage)]
    return " ".join([*names, *(one[:8] for one in hashes)])


def _first_rows(labels: pa.Table) -> list[tuple[int, str]]:
    first: dict[str, int] = {}
    for row, source_id in enumerate(labels["source_id"].to_pylist()):
        first.setdefault(source_id, row)
    return [(row, source_id) for source_id, row in first.items()]


def _size(pixels: TreePixels, labels: pa.Table, row: int) -> tuple[int, int]:
    """Height and width of a source, from the header of one of its images."""
    path = pixels.path(labels["source_id"][row].as_py(), labels["degradation"][row].as_py())
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except OSError:
        raise ConfigError(f"Image '{path}' is missing or damaged: the labels need their images beside them.") from None
