"""The eight committed validation scenes: PNG images, COCO annotations, class labels and ROI masks.

``python -m pipelines.demo.validation`` writes them again.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from pipelines.demo.scenes import Scene, render
from pipelines.demo.shapes import CLASS_NAMES

FOLDER = Path(__file__).resolve().parents[2] / "pipelines" / "demo"

VALIDATION_SCENES = tuple(range(len(CLASS_NAMES)))
"""Indices into split ``val``: one scene of each class."""


def source_id(index: int) -> str:
    """Name of a validation scene, the stem of its file."""
    return f"scene_{index:02d}_{CLASS_NAMES[index % len(CLASS_NAMES)]}"


def validation_scenes() -> dict[str, Scene]:
    """Render the eight scenes, by their source id."""
    return {source_id(index): render("val", index) for index in VALIDATION_SCENES}


def coco_annotations(scenes: Mapping[str, Scene]) -> dict[str, Any]:
    """Describe scenes in the COCO format; masks as compressed RLE.

    Args:
        scenes: source id -> scene; images are numbered from 1 in this order.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (name, scene) in enumerate(scenes.items(), start=1):
        height, width = scene.image.shape[:2]
        images.append({"id": image_id, "file_name": f"{name}.png", "width": width, "height": height})
        for instance in scene.instances:
            rle = coco_mask.encode(np.asfortranarray(instance.mask, dtype=np.uint8))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": instance.label + 1,
                    "bbox": [float(value) for value in instance.box],
                    "area": int(instance.mask.sum()),
                    "iscrowd": 0,
                    "segmentation": {"size": [height, width], "counts": rle["counts"].decode()},
                }
            )
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(CLASS_NAMES)]
    return {"images": images, "annotations": annotations, "categories": categories}


def write(folder: Path = FOLDER) -> None:
    """Write images/, annotations.json, labels.csv and masks/ (the dominant object of each scene) into a folder."""
    scenes = validation_scenes()
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, scene in scenes.items():
        cv2.imwrite(str(folder / "images" / f"{name}.png"), scene.image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
        cv2.imwrite(str(folder / "masks" / f"{name}_binary_mask.png"), scene.instances[0].mask.astype(np.uint8) * 255)
    (folder / "annotations.json").write_text(json.dumps(coco_annotations(scenes), indent=1) + "\n")
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "label", "name"])
        writer.writerows([f"{name}.png", scene.label, CLASS_NAMES[scene.label]] for name, scene in scenes.items())


if __name__ == "__main__":
    write()
