"""ImageNet-style sources: one class label an image."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import PurePath

from miqd_builder.errors import ConfigError
from miqd_builder.sources.base import SourceSet, sorted_images, source_image
from miqd_builder.sources.class_labels import read_class_labels
from miqd_builder.sources.config import SourceConfig
from miqd_builder.sources.files import (
    NamedFile,
    check_folder,
    id_of,
    image_files,
    is_hidden,
    left_out,
    nothing_left,
    some,
    usable,
)
from miqd_builder.sources.registry import SourceKind, refuse_category_ids
from miqd_builder.sources.truth import ClassLabel


def open_imagenet(config: SourceConfig) -> SourceSet:
    """List the images of a folder with their class labels.

    Labels come from a csv with the columns ``file`` and ``label``, from the ILSVRC2012 devkit's ground-truth list (with the
    ``meta.mat`` that lies beside it), or, without a label file, from class folders. Images without a label stay, with
    empty accuracy. With ``recursive``, the csv gives a path below the image folder, or a name that is in one folder only.

    Raises:
        ConfigError: a file is missing or malformed, a label is no class index, or an image is listed twice.
    """
    refuse_category_ids(config)
    if config.labels is not None:
        found = image_files(config.images, recursive=config.recursive)
        rows = read_class_labels(config.labels)
        labels = _labels_of(found, rows)
    else:
        found = _class_folder_files(config)
        rows = labels = _folder_labels(found)
    files, refused = usable(found)
    if not files:
        raise nothing_left(config.images, refused)
    notes = _notes(config, files, labels, unused=sorted(set(rows) - {name for f in found for name in (f.name, f.path.name)}))
    if config.top_k_per_class is not None:
        files = _best_of_each_class(files, config)
        notes.append(f"{len(files)} images: the {config.top_k_per_class} of highest quality in each class.")
    truths = {name: ClassLabel(index) for name, index in labels.items()}
    return SourceSet(
        sorted_images(source_image(file, truths.get(file.name), config.max_pixels) for file in files),
        notes=(*notes, *left_out(refused)),
        refused=tuple(refused),
    )


def _labels_of(files: list[NamedFile], rows: Mapping[str, int]) -> dict[str, int]:
    """Find each file's row in the label file: by its path below the image folder, else by its bare name."""
    labels = {file.name: rows[file.name] for file in files if file.name in rows}
    by_name = [file for file in files if file.name not in labels and file.path.name in rows]
    name, count = next(iter(Counter(file.path.name for file in by_name).most_common(1)), ("", 0))
    if count > 1:
        raise ConfigError(f"The label file labels '{name}', which {count} subfolders hold: give the paths below source.images.")
    return labels | {file.name: rows[file.path.name] for file in by_name}


def _notes(config: SourceConfig, files: list[NamedFile], labels: Mapping[str, int], unused: list[str]) -> list[str]:
    unlabelled = [file.name for file in files if file.name not in labels]
    if len(unlabelled) == len(files):
        raise ConfigError(
            f"'{config.labels}' labels none of the {len(files)} images in '{config.images}' (first: {some(unlabelled)})."
        )
    notes = []
    if unused:
        notes.append(f"{len(unused)} labels are for files that are not in the folder: {some(unused)}.")
    if unlabelled:
        notes.append(f"{len(unlabelled)} of {len(files)} images have no label, their accuracy stays empty: {some(unlabelled)}.")
    return notes


def _class_folder_files(config: SourceConfig) -> list[NamedFile]:
    folder = config.images
    check_folder(folder)
    if config.recursive:
        raise ConfigError(
            "source.recursive needs source.labels in source.kind imagenet: without a label file, subfolders are the classes."
        )
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and not is_hidden(p.name))
    if not classes:
        raise ConfigError(
            f"Source kind 'imagenet' needs labels: set source.labels, or sort '{folder}' into one folder a class."
        )
    names = [f"{name}/{file.name}" for name in classes for file in image_files(folder / name)]
    return [NamedFile.below(folder, name, recursive=False) for name in names]


def _folder_labels(files: list[NamedFile]) -> dict[str, int]:
    """Class folders named by WordNet ids count as ImageNet's 1000 classes; others count from 0 in sorted order."""
    from timm.data.imagenet_info import ImageNetInfo

    names = sorted({file.path.parent.name for file in files})
    wnids = ImageNetInfo("imagenet-1k").label_names()
    known = {wnid: i for i, wnid in enumerate(wnids)}
    index = known if set(names) <= set(known) else {name: i for i, name in enumerate(names)}
    return {file.name: index[file.path.parent.name] for file in files}


def _best_of_each_class(files: list[NamedFile], config: SourceConfig) -> list[NamedFile]:
    """Keep the ``top_k_per_class`` images of highest quality in each class, ties by name: how the paper chose its sources."""
    if config.quality is None:
        raise ConfigError(
            "source.top_k_per_class needs source.quality: a csv with 'Image Name', 'Category' and 'Quality Score'."
        )
    try:
        with config.quality.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        ranked = sorted((-float(row["Quality Score"]), row["Image Name"], row["Category"]) for row in rows)
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:  # TypeError: a row that ends early
        raise ConfigError(
            f"Quality file '{config.quality}' is no csv of 'Image Name', 'Category', 'Quality Score' ({error})."
        ) from None
    kept: dict[str, list[str]] = defaultdict(list)
    for _, name, category in ranked:
        if len(kept[category]) < (config.top_k_per_class or 0):
            kept[category].append(name)
    names = [name for of_category in kept.values() for name in of_category]
    chosen = {PurePath(name).stem for name in names} | {id_of(name) for name in names if PurePath(name).name}
    best = [file for file in files if {file.source_id, file.path.stem} & chosen]
    if not best:
        raise ConfigError(f"Quality file '{config.quality}' names none of the source images.")
    return best


IMAGENET = SourceKind(open_imagenet, ("cls",))
