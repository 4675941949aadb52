"""Kinds of ground truth: what they serve, when masks are decoded, and content hashes that stay the same."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from miqd_builder.config import RoiConfig, SourceConfig
from miqd_builder.errors import InvalidResponsesError, UnreadableImageError
from miqd_builder.responses import decode_masks, encode_masks
from miqd_builder.roi import roi_hash, roi_mask
from miqd_builder.sources import Annotations, ClassLabel, LabelMap, SourceImage, SourceSet, open_source, truth
from miqd_builder.sources.outlines import mask_counts
from miqd_builder.tasks import TASKS
from tests.conftest import ROOT, DataSet

DEMO = ROOT / "pipelines/demo"


def coco(data: DataSet, segmentation: Any = None) -> SourceSet:
    """The small data set, the first annotation with another segmentation."""
    if segmentation is not None:
        content = json.loads(data.annotations.read_text())
        content["annotations"][0]["segmentation"] = segmentation
        data.annotations.write_text(json.dumps(content))
    return open_source(SourceConfig(kind="coco", images=data.images, annotations=data.annotations))


@pytest.mark.parametrize(
    ("known", "tasks"),
    [
        (None, ()),
        (ClassLabel(0), ("cls",)),
        (Annotations(1, 1, np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, np.bool_), ()), ("det", "ins")),
        (LabelMap(Path("a.png")), ("seg",)),
    ],
)
def test_truth_is_given_only_to_the_tasks_that_it_serves(known: Any, tasks: tuple[str, ...]) -> None:
    image = SourceImage("a", Path("a.png"), known)
    assert [task for task in TASKS if image.truth_for(task) is not None] == list(tasks)
    assert all(image.truth_for(task) is known for task in tasks)


def test_content_hashes_stay_as_they_were() -> None:
    """Golden values of version 0.1: other ones would throw away the scores and images of every run folder."""
    annotated = open_source(SourceConfig(kind="coco", images=DEMO / "images", annotations=DEMO / "annotations.json")).images[0]
    labelled = open_source(SourceConfig(kind="imagenet", images=DEMO / "images", labels=DEMO / "labels.csv")).images[0]
    bare = SourceImage("a", Path("a.png"))
    assert annotated.truth_hash() == "ad08047475f79f834a639051b3e6cf2e37121e2d85148b9331881d7e405519fe"
    assert labelled.truth_hash() == "27263fa9ac41b1f526a46269976b97c89c351ebb1aceae8752fa718f59b516ec"
    assert bare.truth_hash() == "2a2701cd60aa7978e8eefdd5e0dab3e02afb4cc0f6c8b10ef4278f04e951cae5"
    roi = [RoiConfig(kind="annotations"), RoiConfig(kind="saliency"), RoiConfig(kind="masks", path=DEMO / "masks")]
    assert [roi_hash(config, annotated) for config in roi] == [
        "annotations 0b3086420b5bba02bb80ff1676de77921c52cc86941162a53de54798db9b3ab7",
        "saliency 1",
        "masks e5ab95f45c7ae1455a03b236b0394295fd4543ea831993864c78cbe0bc30672a",
    ]
    assert roi_hash(roi[0], bare) == "annotations "


def test_masks_are_decoded_once_and_only_when_asked_for(data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(truth, "mask_counts", lambda *args: calls.append(args) or mask_counts(*args))
    sources = coco(data)
    known = sources.images[0].truth_for("ins")
    assert known is not None
    boxes = known.detections(masks=False)
    assert calls == [] and boxes.masks is None
    assert boxes.scores.tolist() == [1, 1, 1] and boxes.boxes.dtype == np.float64 and boxes.crowd is not None
    found = known.detections(masks=True)
    assert len(calls) == 3 and found.masks == known.masks
    sources.images[0].read(), sources.images[0].truth_hash(), known.masks
    assert len(calls) == 3
    sources.images[3].read()
    assert len(calls) == 3


MALFORMED: list[Any] = [
    [[]],
    [[1, 2, 3]],
    [["a"] * 6],
    [[1, 2, 3, 4, None, 6]],
    [[1, 2, 3, 4, float("nan"), 6]],
    [[1, 2, 3, 4, 1e12, 6]],
    [1, 2, 3, 4, 5, 6],
    [[1, 2, 3, 4, 5, 6], None],
    "polygons",
    7,
    {"size": [48, 64]},
    {"size": [48, 64], "counts": [10, 20]},
    {"size": [48, 64], "counts": [-10, 48 * 64 + 10]},
    {"size": [48, 64], "counts": ["a"]},
    {"size": [48, 64], "counts": "garbage"},
    {"size": [48, 64], "counts": "11"},
    {"size": [48, 64], "counts": 5},
]


@pytest.mark.parametrize("segmentation", MALFORMED, ids=str)
def test_a_malformed_segmentation_costs_only_its_image(data: DataSet, segmentation: Any) -> None:
    before = coco(data).images[0].truth_hash()
    sources = coco(data, segmentation)
    image, other = sources.images[:2]
    message = r"Annotation 1 of image 'scene_0\.png' has a malformed segmentation \(.+\): correct or remove it"
    with pytest.raises(UnreadableImageError, match=message) as error:
        image.check_truth(48, 64)
    assert "\n" not in str(error.value)
    with pytest.raises(UnreadableImageError, match=message):
        roi_mask(RoiConfig(kind="annotations"), image, other.read())
    known = image.truth_for("det")
    assert known is not None and len(known.detections(masks=False).boxes) == 3
    assert image.truth_hash() == image.truth_hash() != before


def test_an_object_without_outline_gets_its_box(data: DataSet) -> None:
    known = coco(data, []).images[0].truth_for("ins")
    assert known is not None
    x1, y1, x2, y2 = known.boxes[0].astype(int)
    wanted = np.zeros((48, 64), bool)
    wanted[y1:y2, x1:x2] = True
    np.testing.assert_array_equal(decode_masks(known.masks[:1], 48, 64)[0], wanted)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_all_forms_of_run_lengths_give_the_same_counts(mask: np.ndarray) -> None:
    height, width = mask.shape
    [counts] = encode_masks(mask[None])
    pixels = mask.T.ravel()
    edges = np.flatnonzero(np.diff(pixels, prepend=False))
    runs = np.diff(edges, prepend=0, append=pixels.size).tolist()
    runs = runs if runs[-1] else runs[:-1]
    size = [height, width]
    for outline in ({"size": size, "counts": counts.decode()}, {"size": size, "counts": runs}, counts):
        assert mask_counts(outline, height, width) == counts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(-40, 60), min_size=6, max_size=12), min_size=1, max_size=3))
def test_polygons_are_encoded_as_pycocotools_does(polygons: list[list[float]]) -> None:
    expected = coco_mask.merge(coco_mask.frPyObjects(polygons, 20, 30))["counts"]
    assert mask_counts(polygons, 20, 30) == expected


def test_annotations_can_be_sent_to_another_process(data: DataSet) -> None:
    image = coco(data).images[0]
    again = pickle.loads(pickle.dumps(image))
    assert again.truth_hash() == image.truth_hash()


def test_damaged_run_lengths_are_one_line() -> None:
    with pytest.raises(InvalidResponsesError, match="run lengths of a mask are damaged"):
        decode_masks([b"\\xff\\xff\\xff"], 4, 5)
