"""Sources: ground truth of ImageNet and COCO, and what wrong files get."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from scipy.io import savemat

from miqd_builder.config import SourceConfig
from miqd_builder.errors import ConfigError, UnreadableImageError
from miqd_builder.responses import decode_masks
from miqd_builder.sources import SourceImage, open_source
from tests.conftest import DataSet


def coco(data: DataSet) -> SourceConfig:
    return SourceConfig(kind="coco", images=data.images, annotations=data.annotations)


def imagenet(data: DataSet, **fields: Any) -> SourceConfig:
    return SourceConfig(kind="imagenet", images=data.images, **({"labels": data.labels} | fields))


def label(image: SourceImage) -> int | None:
    truth = image.truth_for("cls")
    return truth and truth.index


def edit(data: DataSet, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(data.annotations.read_text())
    change(content)
    data.annotations.write_text(json.dumps(content))


def test_coco_ground_truth_is_what_pycocotools_reads(data: DataSet) -> None:
    sources = open_source(coco(data))
    reference = COCO(str(data.annotations))
    assert sources.category_ids == (1, 3, 7)
    assert [image.source_id for image in sources.images] == [f"scene_{i}" for i in range(4)]
    for index, image in enumerate(sources.images[:3], start=1):
        annotations = reference.loadAnns(reference.getAnnIds(imgIds=index))
        truth = image.truth_for("ins")
        assert truth is not None and truth is image.truth_for("det") and image.truth_for("cls") is None
        np.testing.assert_array_equal(truth.category_ids, [a["category_id"] for a in annotations])
        masks = decode_masks(truth.masks, truth.height, truth.width)
        np.testing.assert_array_equal(masks, [reference.annToMask(a).astype(bool) for a in annotations])
    assert sources.images[3].truth is None
    assert any("1 of 4 images have no annotations" in note for note in sources.notes)


def test_coco_without_some_images_notes_it(data: DataSet) -> None:
    (data.images / "scene_1.png").unlink()
    assert any("1 of 4 annotated images are not in the folder" in note for note in open_source(coco(data)).notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["annotations"][0].update(bbox=[64, 0, 5, 5]),
            r"Annotation 1 lies outside its image 'scene_0.png' \(64x48\)",
        ),
        (lambda c: c["annotations"][0].update(bbox=[-9, 0, 5, 5]), "Annotation 1 lies outside"),
        (lambda c: c["annotations"][0].update(category_id=2), "unknown category_id 2"),
        (lambda c: c["annotations"][0].update(image_id=99), "annotates image ids that it doesn't list: '99'"),
        (lambda c: c["annotations"][1].update(id=1), "lists the id 1 twice under 'annotations'"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), r"Annotation 1 has the bbox \[1, 2, 3\]: expected x, y"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3, None]), "Annotation 1 has the bbox"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, float("nan"), 3]), "Annotation 1 lies outside"),
        (lambda c: c["annotations"][1].pop("image_id"), "entry 2 of 'annotations' has the image_id None"),
        (lambda c: c["images"][1].update(file_name=7), "entry 2 of 'images' has the file_name 7"),
        (lambda c: c["images"].append("scene"), "entry 5 of 'images' has the id None"),
        (lambda c: c["images"][0].pop("height"), "'scene_0.png' has the size 64xNone"),
        (lambda c: c.update(images={}), "has no 'images'"),
        (lambda c: [i.update(file_name=f"../{i['id']}.png") for i in c["images"]], "None of the images in .* is outside"),
        (lambda c: c.pop("categories"), "has no 'categories'"),
        (lambda c: [i.update(file_name=f"no{i['id']}.png") for i in c["images"]], "None of the 4 images"),
    ],
)
def test_wrong_annotations_are_named(data: DataSet, change: Callable[[dict[str, Any]], object], message: str) -> None:
    edit(data, change)
    with pytest.raises(ConfigError, match=message):
        open_source(coco(data))


def test_box_over_the_border_is_kept_as_cocoeval_does(data: DataSet) -> None:
    edit(data, lambda c: c["annotations"][0].update(bbox=[-3, -3, 10, 10]))
    truth = open_source(coco(data)).images[0].truth_for("det")
    assert truth is not None
    assert truth.boxes[0].tolist() == [-3, -3, 7, 7]


def test_annotation_file_that_is_no_json(data: DataSet) -> None:
    data.annotations.write_text("{")
    with pytest.raises(ConfigError, match="is no valid JSON"):
        open_source(coco(data))
    data.annotations.unlink()
    with pytest.raises(ConfigError, match="can't be read"):
        open_source(coco(data))


def test_image_of_another_size_than_its_annotations(data: DataSet) -> None:
    Image.new("RGB", (10, 10)).save(data.images / "scene_0.png")
    with pytest.raises(UnreadableImageError, match="is 10x10 pixels, its annotations are for 64x48"):
        open_source(coco(data)).images[0].check_truth(10, 10)


def test_imagenet_labels(data: DataSet) -> None:
    sources = open_source(imagenet(data))
    rows = dict(line.split(",") for line in data.labels.read_text().split()[1:])
    assert {image.path.name: str(label(image)) for image in sources.images} == rows
    assert all(image.truth_for(task) is None for image in sources.images for task in ("det", "ins", "seg"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\nscene_0.png,1000\n", "line 2: label '1000' of 'scene_0.png' is no class index"),
        ("file,label\nscene_0.png,cat\n", "line 2: label 'cat'"),
        ("file,label\nscene_0.png,1\nscene_0.png,2\n", "line 3: 'scene_0.png' is listed twice"),
        ("name,class\nscene_0.png,1\n", "needs the columns file,label"),
        ("file,label\nelsewhere.png,1\n", "labels none of the 4 images"),
        ("", "needs the columns file,label"),
    ],
)
def test_wrong_labels_are_named(data: DataSet, text: str, message: str) -> None:
    data.labels.write_text(text)
    with pytest.raises(ConfigError, match=message):
        open_source(imagenet(data))


def test_unknown_and_missing_labels_are_counted(data: DataSet) -> None:
    data.labels.write_text("file,label\nscene_0.png,1\nelsewhere.png,2\n")
    sources = open_source(imagenet(data))
    assert [label(image) for image in sources.images] == [1, None, None, None]
    assert "1 labels are for files that are not in the folder: 'elsewhere.png'." in sources.notes
    assert any(note.startswith("3 of 4 images have no label") for note in sources.notes)


def test_devkit_list_follows_the_sorted_wordnet_ids(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in (1, 2):
        Image.new("RGB", (4, 4)).save(tmp_path / f"images/ILSVRC2012_val_{number:08d}.JPEG")
    wnids = ["n03", "n01", "n02"]
    synsets = np.array([(i + 1, wnid) for i, wnid in enumerate(wnids)], [("ILSVRC2012_ID", "i4"), ("WNID", "O")])
    truth = tmp_path / "ILSVRC2012_validation_ground_truth.txt"
    truth.write_text("1\n3\n")
    config = SourceConfig(kind="imagenet", images=tmp_path / "images", labels=truth)
    with pytest.raises(ConfigError, match=r"needs 'meta.mat' beside it"):
        open_source(config)
    savemat(tmp_path / "meta.mat", {"synsets": synsets})
    assert [label(image) for image in open_source(config).images] == [2, 1]


def test_class_folders(tmp_path: Path) -> None:
    for wnid in ("n01443537", "n01440764"):
        (tmp_path / wnid).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / wnid / f"{wnid}_1.png")
    sources = open_source(SourceConfig(kind="imagenet", images=tmp_path))
    assert [(image.source_id, label(image)) for image in sources.images] == [("n01440764_1", 0), ("n01443537_1", 1)]


def test_best_images_of_each_class(data: DataSet, tmp_path: Path) -> None:
    quality = tmp_path / "quality.csv"
    quality.write_text(
        "Image Name,Category,Quality Score\nscene_0.png,a,1\nscene_1.png,a,3\nscene_2.png,b,2\nscene_3.png,b,9\n"
    )
    sources = open_source(imagenet(data, top_k_per_class=1, quality=quality))
    assert [image.source_id for image in sources.images] == ["scene_1", "scene_3"]
    with pytest.raises(ConfigError, match=r"needs source\.quality"):
        open_source(imagenet(data, top_k_per_class=1))


def test_folder_has_no_ground_truth(data: DataSet) -> None:
    sources = open_source(SourceConfig(kind="folder", images=data.images))
    assert len(sources.images) == 4
    assert all(image.truth is None for image in sources.images)


def test_folder_problems_are_named(data: DataSet, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="doesn't exist"):
        open_source(SourceConfig(kind="folder", images=tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no image"):
        open_source(SourceConfig(kind="folder", images=tmp_path / "empty"))
