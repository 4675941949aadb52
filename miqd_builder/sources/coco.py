"""COCO-style sources: an image folder and an instances json."""

from __future__ import annotations

import contextlib
import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from miqd_builder.config import SourceConfig
from miqd_builder.errors import ConfigError
from miqd_builder.sources.base import GroundTruth, SourceImage, SourceSet, some, sorted_images


def open_coco(config: SourceConfig) -> SourceSet:
    """List the images of a COCO annotation file that are in the folder.

    Images without annotations have no ground truth (their accuracy stays empty). Boxes that reach over the image's border are
    kept as they are, as COCOeval does.

    Raises:
        ConfigError: a file is missing or malformed, an annotation lies outside its image, or no listed image is in the folder.
    """
    if config.annotations is None:
        raise ConfigError("Source kind 'coco' needs annotations: set source.annotations to the instances json.")
    if not config.images.is_dir():
        raise ConfigError(
            f"Image folder '{config.images}' doesn't exist: set source.images to the folder that holds the images."
        )
    coco = _load(config.annotations)
    rows = defaultdict(list)
    for annotation in coco.anns.values():
        rows[annotation["image_id"]].append(annotation)
    unknown = sorted(set(rows) - set(coco.imgs))
    if unknown:
        raise ConfigError(f"'{config.annotations.name}' annotates image ids that it doesn't list: {some(unknown)}.")
    images, absent = [], []
    for info in coco.imgs.values():
        path = _inside(config.images, info["file_name"])
        if not path.is_file():
            absent.append(info["file_name"])
            continue
        truth = _ground_truth(coco, info, rows[info["id"]]) if rows[info["id"]] else None
        images.append(SourceImage(path.stem, path, truth=truth))
    if not images:
        raise ConfigError(f"None of the {len(coco.imgs)} images of '{config.annotations.name}' is in '{config.images}'.")
    bare = sum(image.truth is None for image in images)
    notes = []
    if absent:
        notes.append(
            f"{len(absent)} of {len(coco.imgs)} annotated images are not in the folder and are left out: {some(absent)}."
        )
    if bare:
        notes.append(f"{bare} of {len(images)} images have no annotations: their accuracy stays empty.")
    return SourceSet(sorted_images(images), tuple(sorted(coco.cats)), tuple(notes))


def _load(path: Path) -> Any:
    from pycocotools.coco import COCO

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Annotation file '{path}' can't be read ({error.strerror}): set source.annotations.") from None
    except ValueError as error:
        raise ConfigError(f"Annotation file '{path}' is no valid JSON ({error}).") from None
    missing = [key for key in ("images", "annotations", "categories") if not isinstance(content, dict) or key not in content]
    if missing:
        raise ConfigError(f"Annotation file '{path}' has no '{missing[0]}': expected a COCO instances json.")
    for key in ("images", "annotations", "categories"):
        ids = [entry.get("id") for entry in content[key]]
        if len(set(ids)) != len(ids):
            twice = next(i for i in ids if ids.count(i) > 1)
            raise ConfigError(f"Annotation file '{path}' lists the id {twice} twice under '{key}'.")
    coco = COCO()
    coco.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()) and not path.is_symlink():
        raise ConfigError(f"Annotation file names an image outside the image folder: {name!r}.")
    return path


def _ground_truth(coco: Any, info: dict[str, Any], annotations: list[dict[str, Any]]) -> GroundTruth:
    height, width = int(info["height"]), int(info["width"])
    annotations = sorted(annotations, key=lambda a: a["id"])
    boxes = np.array([a["bbox"] for a in annotations], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    outside = (boxes[:, 0] >= width) | (boxes[:, 1] >= height) | (boxes[:, 2] <= 0) | (boxes[:, 3] <= 0)
    for annotation, is_outside in zip(annotations, outside, strict=True):
        if is_outside or not np.isfinite(annotation["bbox"]).all():
            raise ConfigError(
                f"Annotation {annotation['id']} lies outside its image '{info['file_name']}' ({width}x{height}): "
                f"bbox {annotation['bbox']}. Correct or remove it."
            )
        if annotation["category_id"] not in coco.cats:
            raise ConfigError(f"Annotation {annotation['id']} has the unknown category_id {annotation['category_id']}.")
    return GroundTruth(
        height=height,
        width=width,
        boxes=boxes,
        category_ids=np.array([a["category_id"] for a in annotations], np.int64),
        crowd=np.array([bool(a.get("iscrowd", 0)) for a in annotations], np.bool_),
        masks=tuple(_mask_counts(coco, annotation, height, width) for annotation in annotations),
    )


def _mask_counts(coco: Any, annotation: dict[str, Any], height: int, width: int) -> bytes:
    """RLE counts of an annotation's mask; one without a segmentation gets its box, as pycocotools' loadRes does."""
    from pycocotools import mask as coco_mask

    if not annotation.get("segmentation"):
        rle = coco_mask.frPyObjects([annotation["bbox"]], height, width)[0]
    else:
        rle = coco.annToRLE(annotation)
    counts = rle["counts"]
    return counts.encode() if isinstance(counts, str) else bytes(counts)
