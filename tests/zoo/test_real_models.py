"""Real weights on a few real photographs: the adapters preprocess as they expect (benchmarks/clean_metrics.py takes all)."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from miqd_builder.zoo.adapters.classifier import network_input
from miqd_builder.zoo.build import build
from miqd_builder.zoo.catalog import Catalog, load_zoo


@pytest.fixture(scope="module")
def zoo(real: Path) -> Catalog:
    return load_zoo([real / "zoo.yaml"])


@pytest.fixture(scope="module")
def labelled(real: Path) -> list[tuple[np.ndarray, int]]:
    """The first 24 labelled photographs."""
    with (real / "imagenet" / "labels.csv").open() as stream:
        rows = list(csv.DictReader(stream))[:24]
    folder = real / "imagenet" / "images"
    return [(np.array(Image.open(folder / row["file"]).convert("RGB")), int(row["label"])) for row in rows]


@pytest.mark.parametrize("name", ["mobilenet_edgetpu_100_tf", "mobilenet_v2_torchvision", "mobilenet_v2_mmpretrain"])
def test_classifiers_recognise_photographs(name: str, zoo: Catalog, labelled) -> None:
    predictions = build(zoo[name]).predict([image for image, _ in labelled])
    right = sum(int(a.probabilities.argmax()) == label for a, (_, label) in zip(predictions, labelled, strict=True))
    assert right >= 16  # channels, mean or scale confused: at most a handful


def test_equal_weights_give_equal_logits_in_both_packages(zoo: Catalog, labelled) -> None:
    ours, theirs = (build(zoo[f"mobilenet_v2_{package}"]) for package in ("torchvision", "mmpretrain"))
    batch = network_input(ours.preprocess, [ours.prepare(image) for image, _ in labelled[:8]], torch.device("cpu"))
    with torch.inference_mode():
        assert torch.equal(ours.model(batch), theirs.model(batch, mode="tensor"))
    images = [image for image, _ in labelled[:8]]
    for one, other in zip(ours.predict(images), theirs.predict(images), strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


@pytest.mark.parametrize(("name", "backend"), [("yolox_nano", "mmdet"), ("yolo11n-seg", "ultralytics")])
def test_detectors_find_what_is_annotated(name: str, backend: str, zoo: Catalog, real: Path) -> None:
    """Recall of large single objects at IoU .5 with the right category: a wrong id map or channel order loses most."""
    pytest.importorskip(backend)
    from pycocotools.coco import COCO

    truth = COCO(str(next((real / "coco").glob("instances_*.json"))))
    large = [a for a in truth.loadAnns(truth.getAnnIds(iscrowd=False)) if a["area"] > 150**2][:20]
    model = build(zoo[name], category_ids=sorted(truth.getCatIds()))
    names = {a["image_id"]: truth.loadImgs(a["image_id"])[0]["file_name"] for a in large}
    images = {i: np.array(Image.open(real / "coco" / "val2017" / file).convert("RGB")) for i, file in names.items()}
    predictions = dict(zip(images, model.predict(list(images.values())), strict=True))
    assert sum(found(predictions[a["image_id"]].above(0.3), a) for a in large) >= 13


def found(prediction, annotation: dict) -> bool:
    x, y, width, height = annotation["bbox"]
    overlap = np.minimum(prediction.boxes[:, 2:], [x + width, y + height]) - np.maximum(prediction.boxes[:, :2], [x, y])
    common = overlap.clip(0).prod(axis=1)
    areas = (prediction.boxes[:, 2:] - prediction.boxes[:, :2]).prod(axis=1)
    iou = common / (areas + width * height - common)
    return bool(((iou > 0.5) & (prediction.category_ids == annotation["category_id"])).any())
