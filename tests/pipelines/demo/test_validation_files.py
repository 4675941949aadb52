"""The committed validation scenes are what the generator renders and what pycocotools reads."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from pipelines.demo.shapes import CLASS_NAMES
from pipelines.demo.validation import FOLDER, validation_scenes, write


@pytest.fixture(scope="module")
def scenes():
    return validation_scenes()


@pytest.fixture(scope="module")
def coco():
    return COCO(str(FOLDER / "annotations.json"))


def test_images_are_the_rendered_scenes(scenes):
    """One grey level of tolerance: OpenCV rounds differently on other processors."""
    assert {path.stem for path in (FOLDER / "images").iterdir()} == set(scenes)
    for name, scene in scenes.items():
        stored = cv2.imread(str(FOLDER / "images" / f"{name}.png"))[..., ::-1].astype(int)
        difference = np.abs(stored - scene.image)
        assert np.mean(difference > 1) < 0.001


def test_annotations_hold_the_visible_masks(scenes, coco):
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == list(CLASS_NAMES)
    assert coco.getCatIds() == list(range(1, 9))
    for image in coco.loadImgs(coco.getImgIds()):
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        scene = scenes[image["file_name"].removesuffix(".png")]
        assert [a["category_id"] for a in annotations] == [instance.label + 1 for instance in scene.instances]
        for annotation, instance in zip(annotations, scene.instances, strict=True):
            mask = coco.annToMask(annotation).astype(bool)
            assert np.mean(mask != instance.mask) < 0.001
            assert annotation["area"] == mask.sum()
            assert annotation["bbox"] == [float(value) for value in instance.box]
            assert annotation["iscrowd"] == 0


def test_labels_name_each_class_once(scenes):
    with (FOLDER / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["file"].removesuffix(".png"): int(row["label"]) for row in rows} == {n: s.label for n, s in scenes.items()}
    assert sorted(int(row["label"]) for row in rows) == list(range(8))


def test_roi_masks_are_the_dominant_objects(scenes):
    for name, scene in scenes.items():
        mask = cv2.imread(str(FOLDER / "masks" / f"{name}_binary_mask.png"), cv2.IMREAD_UNCHANGED)
        assert mask.shape == scene.image.shape[:2]
        assert set(np.unique(mask)) == {0, 255}
        assert np.mean((mask == 255) != scene.instances[0].mask) < 0.001


def test_writing_again_gives_the_committed_annotations(tmp_path):
    write(tmp_path)
    for name in ("annotations.json", "labels.csv"):
        assert (tmp_path / name).read_text() == (FOLDER / name).read_text()
