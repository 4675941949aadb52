"""COCO-style sources: an image folder and an instances json."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

import numpy as np

from miqd_builder.errors import ConfigError
from miqd_builder.sources.base import SourceSet, sorted_images, source_image
from miqd_builder.sources.coco_json import Instances, read_instances
from miqd_builder.sources.config import SourceConfig
from miqd_builder.sources.files import (
    NamedFile,
    RefusedFile,
    check_folder,
    is_file,
    is_hidden,
    left_out,
    nothing_left,
    printable,
    some,
    usable,
)
from miqd_builder.sources.registry import SourceKind, refuse_category_ids
from miqd_builder.sources.truth import Annotations

Entry = dict[str, Any]

MAX_SIDE = 2**31
"""No image is as wide or high."""


def open_coco(config: SourceConfig) -> SourceSet:
    """List the images of a COCO annotation file that are in the folder.

    Images without annotations have no ground truth (their accuracy stays empty). Boxes that reach over the image's border are
    kept as they are, as COCOeval does. No mask is decoded.

    Raises:
        ConfigError: a file is missing or malformed, an annotation lies outside its image, or no listed image is in the folder.
    """
    refuse_category_ids(config)
    if config.annotations is None:
        raise ConfigError("Source kind 'coco' needs annotations: set source.annotations to the instances json.")
    check_folder(config.images)
    instances = read_instances(config.annotations)
    listed, outside = _listed(config, instances.images)
    absent = [printable(file.name) for file, _ in listed if not is_file(file.path)]
    present = {id(file): entry for file, entry in listed if is_file(file.path)}
    files, refused = usable(file for file, _ in listed if id(file) in present)
    refused = sorted([*outside, *refused], key=lambda file: file.name)
    if not files:
        if refused:
            raise nothing_left(config.images, refused)
        raise ConfigError(f"None of the {len(listed)} images of '{config.annotations.name}' is in '{config.images}'.")
    images = [source_image(file, _annotations(instances, present[id(file)]), config.max_pixels) for file in files]
    bare = sum(image.truth is None for image in images)
    notes = []
    if absent:
        notes.append(f"{len(absent)} of {len(listed)} annotated images are not in the folder and are left out: {some(absent)}.")
    if bare:
        notes.append(f"{bare} of {len(images)} images have no annotations: their accuracy stays empty.")
    return SourceSet(
        sorted_images(images),
        tuple(sorted(instances.category_ids)),
        (*notes, *left_out(refused)),
        refused=tuple(refused),
    )


def _listed(config: SourceConfig, entries: Iterable[Entry]) -> tuple[list[tuple[NamedFile, Entry]], list[RefusedFile]]:
    """Name the listed files that aren't hidden; refuse those outside the image folder."""
    listed, outside = [], []
    for entry in entries:
        name = os.path.normpath(entry["file_name"])
        if PurePath(name).is_absolute() or PurePath(name).parts[:1] in ((), ("..",)):
            reason = "is outside the image folder: list the images by their paths below source.images"
            outside.append(RefusedFile(printable(entry["file_name"]), reason))
        elif not is_hidden(name):
            listed.append((NamedFile.below(config.images, name, recursive=config.recursive), entry))
    return listed, outside


def _size(entry: Entry) -> tuple[int, int]:
    height, width = entry.get("height"), entry.get("width")
    numbers = [side for side in (height, width) if isinstance(side, int | float) and 1 <= side < MAX_SIDE]
    if len(numbers) < 2:
        raise ConfigError(f"Image '{entry['file_name']}' has the size {width}x{height} in source.annotations: correct it.")
    return int(numbers[0]), int(numbers[1])


def _annotations(instances: Instances, entry: Entry) -> Annotations | None:
    annotations = instances.annotations.get(entry["id"])
    if not annotations:
        return None
    height, width = _size(entry)
    boxes = np.array([a["bbox"] for a in annotations], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    outside = (boxes[:, 0] >= width) | (boxes[:, 1] >= height) | (boxes[:, 2] <= 0) | (boxes[:, 3] <= 0)
    for annotation, is_outside in zip(annotations, outside, strict=True):
        if is_outside or not np.isfinite(annotation["bbox"]).all():
            raise ConfigError(
                f"Annotation {annotation['id']} lies outside its image '{entry['file_name']}' ({width}x{height}): "
                f"bbox {annotation['bbox']}. Correct or remove it."
            )
        if annotation["category_id"] not in instances.category_ids:
            raise ConfigError(f"Annotation {annotation['id']} has the unknown category_id {annotation['category_id']}.")
    return Annotations(
        height=height,
        width=width,
        boxes=boxes,
        category_ids=np.array([a["category_id"] for a in annotations], np.int64),
        crowd=np.array([bool(a.get("iscrowd", 0)) for a in annotations], np.bool_),
        outlines=tuple(a.get("segmentation") or tuple(a["bbox"]) for a in annotations),
        ids=tuple(a["id"] for a in annotations),
        image=printable(entry["file_name"]),
    )


COCO = SourceKind(open_coco, ("cls", "det", "ins"))
