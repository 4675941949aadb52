"""ImageNet-style sources: one class label an image."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from miqd_builder.config import SourceConfig
from miqd_builder.errors import ConfigError
from miqd_builder.sources.base import SourceImage, SourceSet, image_files, some, sorted_images

NUM_CLASSES = 1000


def open_imagenet(config: SourceConfig) -> SourceSet:
    """List the images of a folder with their class labels.

    Labels come from a csv with the columns ``file`` and ``label``, from the ILSVRC2012 devkit's ground-truth list (with the
    ``meta.mat`` that lies beside it), or, without a label file, from class folders. Images without a label stay, with
    empty accuracy.

    Raises:
        ConfigError: a file is missing or malformed, a label is no class index, or an image is listed twice.
    """
    labels = read_labels(config.labels) if config.labels else None
    files = image_files(config.images) if labels is not None else _class_folder_files(config.images)
    if labels is None:
        labels = _folder_labels(files)
    images = [SourceImage(path.stem, path, label=labels.get(path.name)) for path in files]
    unlabelled = [image.path.name for image in images if image.label is None]
    if len(unlabelled) == len(images):
        raise ConfigError(
            f"'{config.labels}' labels none of the {len(images)} images in '{config.images}' (first: {some(unlabelled)})."
        )
    notes = []
    unused = sorted(set(labels) - {image.path.name for image in images})
    if unused:
        notes.append(f"{len(unused)} labels are for files that are not in the folder: {some(unused)}.")
    if unlabelled:
        notes.append(
            f"{len(unlabelled)} of {len(images)} images have no label, their accuracy stays empty: {some(unlabelled)}."
        )
    if config.top_k_per_class is not None:
        images = _best_of_each_class(images, config)
        notes.append(f"{len(images)} images: the {config.top_k_per_class} of highest quality in each class.")
    return SourceSet(sorted_images(images), notes=tuple(notes))


def read_labels(path: Path) -> dict[str, int]:
    """Read a label file into ``{file name: class index 0..999}``.

    Raises:
        ConfigError: the file is missing or malformed; the message names the row.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Label file '{path}' can't be read ({error}): set source.labels.") from None
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and all(line.strip().isdigit() for line in lines):
        return _devkit_labels(path, [int(line) for line in lines])
    rows = list(csv.DictReader(lines))
    if not rows or not {"file", "label"} <= set(rows[0]):
        raise ConfigError(f"Label file '{path}' needs the columns file,label, or must be the devkit's ground-truth list.")
    labels: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        name, value = row["file"], row["label"]
        if not (value or "").strip().isdigit() or int(value) >= NUM_CLASSES:
            raise ConfigError(
                f"Label file '{path}', line {number}: label {value!r} of '{name}' is no class index 0..{NUM_CLASSES - 1}."
            )
        if name in labels:
            raise ConfigError(f"Label file '{path}', line {number}: '{name}' is listed twice; keep one of the rows.")
        labels[name] = int(value)
    return labels


def _devkit_labels(path: Path, ids: list[int]) -> dict[str, int]:
    """The devkit counts its synsets 1..1000 in an order of its own; class indices follow the sorted WordNet ids."""
    from scipy.io import loadmat

    meta = path.parent / "meta.mat"
    if not meta.is_file():
        raise ConfigError(
            f"The devkit's list '{path.name}' needs 'meta.mat' beside it, which says what its ids mean: copy it there."
        )
    synsets = loadmat(meta, squeeze_me=True, struct_as_record=True)["synsets"]
    wnids = {int(s["ILSVRC2012_ID"]): str(s["WNID"]) for s in synsets if int(s["ILSVRC2012_ID"]) <= NUM_CLASSES}
    index = {wnid: i for i, wnid in enumerate(sorted(wnids.values()))}
    unknown = sorted(set(ids) - set(wnids))
    if unknown:
        raise ConfigError(f"The devkit's list '{path.name}' has ids that 'meta.mat' doesn't know: {some(unknown)}.")
    return {f"ILSVRC2012_val_{n:08d}.JPEG": index[wnids[i]] for n, i in enumerate(ids, start=1)}


def _class_folder_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(f"Image folder '{folder}' doesn't exist: set source.images to the folder that holds the images.")
    classes = sorted(p for p in folder.iterdir() if p.is_dir())
    if not classes:
        raise ConfigError(
            f"Source kind 'imagenet' needs labels: set source.labels, or sort '{folder}' into one folder a class."
        )
    return [path for sub in classes for path in image_files(sub)]


def _folder_labels(files: list[Path]) -> dict[str, int]:
    """Class folders named by WordNet ids count as ImageNet's 1000 classes; others count from 0 in sorted order."""
    from timm.data import ImageNetInfo

    names = sorted({path.parent.name for path in files})
    wnids = ImageNetInfo("imagenet-1k").label_names()
    known = {wnid: i for i, wnid in enumerate(wnids)}
    index = known if set(names) <= set(known) else {name: i for i, name in enumerate(names)}
    return {path.name: index[path.parent.name] for path in files}


def _best_of_each_class(images: list[SourceImage], config: SourceConfig) -> list[SourceImage]:
    """Keep the ``top_k_per_class`` images of highest quality in each class, ties by name: how the paper chose its sources."""
    if config.quality is None:
        raise ConfigError(
            "source.top_k_per_class needs source.quality: a csv with 'Image Name', 'Category' and 'Quality Score'."
        )
    try:
        with config.quality.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        ranked = sorted((-float(row["Quality Score"]), row["Image Name"], row["Category"]) for row in rows)
    except (OSError, KeyError, ValueError) as error:
        raise ConfigError(
            f"Quality file '{config.quality}' is no csv of 'Image Name', 'Category', 'Quality Score' ({error})."
        ) from None
    kept: dict[str, list[str]] = defaultdict(list)
    for _, name, category in ranked:
        if len(kept[category]) < (config.top_k_per_class or 0):
            kept[category].append(Path(name).stem)
    chosen = {stem for stems in kept.values() for stem in stems}
    images = [image for image in images if image.source_id in chosen]
    if not images:
        raise ConfigError(f"Quality file '{config.quality}' names none of the source images.")
    return images
