"""Label real photographs with real models, for training.

Every photograph gets 50 of the 250 degradations: of each distortion three of the five uniform severities and two twins (ROI
``a`` and background ``b``, and the reverse). Half of them, 25, are the uniform ones of five distortions and the twins of the
other five. Which they are differs between ten groups of photographs, divided by a hash of their names, so that all 250 are
seen. Each group of each data set is a run folder of its own. Detectors and segmenters also look at the photographs of ImageNet,
every second degradation of those above: what changes there is known without ground truth.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import miqd_builder as mb
from degradations import MIQD_DISTORTIONS, names, parse

GROUPS = 10
CLASSIFIERS = ("mobilenetv*_tf", "mobilenet_edgetpu*", "mobilenet_v2_torchvision", "squeezenet*", "tf_efficientnet_lite*")
"""Not mobilenet_v2_mmpretrain: the weights of mobilenet_v2_torchvision, which would count twice."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """Photographs of ``shared/real``: their folder, their ground truth, and the tasks that they are labelled for."""

    name: str
    images: str
    truth: str | None
    """None where there is none for these tasks: consistency only."""
    tasks: tuple[str, ...]
    half: int
    """Which half of the degradations it gets where half of them are asked for."""


DATA_SETS = (
    DataSet("imagenet_train", "imagenet_train/images", "imagenet_train/labels.csv", ("cls",), 1),
    DataSet("imagenet", "imagenet/images", "imagenet/labels.csv", ("cls",), 0),
    DataSet("coco", "coco/val2017", "coco/instances_val2017_120.json", ("det", "ins"), 0),
    DataSet("coco_train", "coco_train/train2017", "coco_train/instances_train2017_209.json", ("det", "ins"), 1),
    DataSet("imagenet_train_objects", "imagenet_train/images", None, ("det", "ins"), 1),
    DataSet("imagenet_objects", "imagenet/images", None, ("det", "ins"), 0),
)


def group_of(file: Path) -> int:
    """Return the group of a photograph, 0..9, by the SHA-256 of its name."""
    return int(hashlib.sha256(file.stem.encode()).hexdigest(), 16) % GROUPS


def degradations_of(group: int, *, half: int | None = None) -> list[str]:
    """Return the 50 degradations of a group, in canonical order, or half 0 or half 1 of them.

    Examples:
        >>> len(degradations_of(0)), len(set().union(*map(degradations_of, range(GROUPS))))
        (50, 250)
        >>> sorted(degradations_of(0, half=0) + degradations_of(0, half=1)) == sorted(degradations_of(0))
        True
    """
    pairs = sorted(combinations(range(1, 6), 2), key=lambda pair: (pair[1] - pair[0], pair))

    def wanted(name: str) -> bool:
        found = parse(name)
        turn = group + MIQD_DISTORTIONS.index(found.distortion)
        mild, strong = sorted((found.roi_severity, found.bg_severity))
        if half is not None and (mild == strong) != (turn % 2 == half):
            return False
        return (mild - turn) % 5 in (0, 2, 4) if mild == strong else (mild, strong) == pairs[turn % len(pairs)]

    return [name for name in names() if wanted(name)]


def run_of(work: Path, data: DataSet, group: int) -> Path:
    """Return the run folder of a group."""
    return work / "runs" / f"{data.name}-{group}"


def run_fields(photographs: Path, data: DataSet, group: int, work: Path, *, half: bool = False) -> dict[str, Any]:
    """Return the run file's fields for one group of a data set; writes the links to its photographs and their truth."""
    folder = work / "sources" / f"{data.name}-{group}"
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted((photographs / data.images).iterdir()):
        link = folder / file.name
        if group_of(file) == group and not link.exists():
            link.symlink_to(file.resolve())
    degradations = degradations_of(group, half=data.half if half else None)
    source = {"kind": "folder", "images": str(folder)}
    if data.truth is None:
        degradations = degradations[::2]
    elif data.tasks == ("cls",):
        source |= {"kind": "imagenet", "labels": str(photographs / data.truth)}
    else:
        source |= {"kind": "coco", "annotations": str(_annotations(photographs / data.truth, folder))}
    return {
        "out": str(run_of(work, data, group)),
        "source": source,
        "degradations": degradations,
        "images": "none",
        "engine": "onnxruntime",
        "zoo": [str(photographs / name) for name in ("zoo.yaml", "zoo_lite.yaml")],
        "models": list(CLASSIFIERS) if data.tasks == ("cls",) else ["yolo*"],
        "sources_per_part": 4,
    }


def _annotations(file: Path, folder: Path) -> Path:
    """Write the annotations of the images in a folder beside it."""
    content = json.loads(file.read_text())
    there = {path.name for path in folder.iterdir()}
    content["images"] = [image for image in content["images"] if image["file_name"] in there]
    ids = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in ids]
    target = folder.with_suffix(".json")
    target.write_text(json.dumps(content, sort_keys=True))
    return target


def label_group(data: DataSet, group: int, photographs: Path, work: Path, *, workers: int, half: bool = False) -> None:
    """Label one group of a data set, or go on with it."""
    fields = run_fields(photographs, data, group, work, half=half)
    for task in data.tasks:
        made = mb.label(task=task, workers=workers, show_progress=True, **fields)
        print(f"{data.name} {group} {task}: {made.computed} rows computed, {made.failures} failures", flush=True)
