"""The published form for the registry of formats: its files, and those of a whole run."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pyarrow as pa

from miqd_builder.errors import ConfigError
from miqd_builder.formats.contract import ExportedRun, Format, ImagePlaces, Reader, Sources, Writer
from miqd_builder.formats.miqd import published
from miqd_builder.formats.miqd.reading import read_labels
from miqd_builder.formats.miqd.writing import label_csvs, split_csv
from miqd_builder.sources import SourceImage
from miqd_builder.tables.schema import image_path
from miqd_builder.tasks import Task


def _tasks_in(folder: Path) -> list[Task]:
    return [task for task in published.TASKS if (folder / published.tree(task) / "labels").is_dir()]


def _sources(folder: Path, task: Task) -> Sources:
    """Label files by source; those of the folder that holds ``miqa_<task>``, or of that folder itself."""
    places = (folder / published.tree(task) / "labels", folder / "labels")
    labels = next((place for place in places if place.is_dir()), None)
    if labels is None:
        raise ConfigError(
            f"'{folder}' holds neither '{published.tree(task)}/labels' nor 'labels': give the folder of the published labels."
        )
    suffix = _first_suffix(task)
    names = sorted(path.name.removesuffix(suffix) for path in labels.iterdir() if path.name.endswith(suffix))
    if not names:
        raise ConfigError(f"'{labels}' holds no '*{suffix}': these are no labels of task {task} in the published form.")
    files = {name: tuple(labels / file for file in published.label_files(task, name).values()) for name in names}
    return {_source_id(task, name, own[0]): own for name, own in files.items()}


def _source_id(task: Task, name: str, file: Path) -> str:
    """The source's id, from the first image of its first label file; an empty file is refused when it is read."""
    with file.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
        first = next(csv.DictReader(lines), None) or {}
    parts = published.split_image_name(task, name, PurePosixPath(first.get(published.IMAGE_COLUMN[task]) or "").name)
    return parts[0] if parts else name


def _labels(task: Task, sources: Sources) -> pa.Table:
    firsts = [files[0] for files in sources.values()]
    return pa.concat_tables([read_labels(task, file.parent, file.name.removesuffix(_first_suffix(task))) for file in firsts])


def _first_suffix(task: Task) -> str:
    return next(iter(published.label_files(task, "").values()))


def _images_record(task: Task) -> str:
    return f"{published.image_tree(task)}/images.json"


def _original(task: Task, image: SourceImage) -> str:
    return f"{published.image_tree(task)}/src_images/{published.source_file(task, image.source_id, image.path.name)}"


def _degraded(task: Task, source_id: str, degradation: str) -> str:
    name = PurePosixPath(image_path(source_id, degradation)).name
    return f"{published.image_tree(task)}/images/{published.stem(task, source_id)}/{name}"


def _label_files(task: Task, labels: pa.Table, scores: Mapping[str, pa.Table]) -> dict[str, bytes]:
    names = published.label_files(task, published.stem(task, labels["source_id"][0].as_py()))
    contents = label_csvs(task, labels, scores)
    return {f"{published.tree(task)}/labels/{names[kind]}": content for kind, content in contents.items()}


def _run_files(run: ExportedRun) -> dict[str, bytes | Path]:
    """Splits, a record of how the labels were made and, for detection's readers, the annotations."""
    tree = published.tree(run.task)
    quality = _quality(run) if run.task == "cls" else {}
    files: dict[str, bytes | Path] = {
        f"dataset_splitting/{tree}_{name}.csv": split_csv(run.task, [_split_row(run, i, quality) for i in ids])
        for name, ids in (("train", run.train), ("val", run.val))
    }
    if run.task != "cls":
        # They look up the category of each image there.
        nothing = json.dumps({"images": [], "annotations": [], "categories": []}).encode()
        place = f"{published.image_tree(run.task)}/additional_info/instances_val2017.json"
        files[place] = run.source.annotations or nothing
    content = {
        "format": "miqd",
        "run": run.url,
        "seed": run.record.seed,
        "recipe": list(run.recipes),
        "model_weights": dict(run.weights),
        "validation_fraction": run.val_fraction,
        "split_seed": run.split_seed,
        "versions": run.record.versions,
    }
    return {**files, f"{tree}/export.json": json.dumps(content, indent=1).encode()}


def _split_row(run: ExportedRun, source_id: str, quality: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
    if run.task != "cls":
        return (published.stem(run.task, source_id),)
    image = run.images[source_id]
    label = image.truth_for("cls")
    folder_is_class = run.source.labels is None
    category = image.path.parent.name if folder_is_class else str(label.index if label else None)
    return image.path.name, *quality.get(source_id, (category, ""))


def _quality(run: ExportedRun) -> dict[str, tuple[str, str]]:
    """Category and quality score by source id, where the run file names the quality CSV."""
    if run.source.quality is None:
        return {}
    with run.source.quality.open(newline="", encoding="utf-8-sig") as file:
        return {Path(row["Image Name"]).stem: (row["Category"], row["Quality Score"]) for row in csv.DictReader(file)}


MIQD = Format(
    "miqd",
    published.TASKS,
    Reader(_tasks_in, _sources, _labels),
    # Classification publishes no single model.
    Writer(_run_files, _label_files, ImagePlaces(_images_record, _original, _degraded), scored=("det", "ins")),
)
