"""mIoU of class maps against a confusion matrix, and class maps as run lengths against pycocotools' own encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from miqd_builder.labeling.segmenters import ReferenceMap, mean_iou, score_segmentations
from miqd_builder.responses import Segmentation, encode_map, encode_masks
from miqd_builder.sources import SourceImage
from miqd_builder.sources.label_maps import LabelMap
from miqd_builder.tables.responses import Prediction, iterate_segmentations, responses_table

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))
PAIRS = SIZES.flatmap(lambda size: st.tuples(*[arrays(np.int32, size, elements=st.integers(-1, 4))] * 2))


def by_confusion_matrix(prediction: np.ndarray, reference: np.ndarray) -> float:
    """mIoU over the reference's classes from the matrix of all pairs of classes; pixels of no class are the last column."""
    counted = reference >= 0
    matrix = np.zeros((5, 6), np.int64)
    np.add.at(matrix, (reference[counted], prediction[counted]), 1)
    both = np.diag(matrix)
    wanted, found = matrix.sum(axis=1), matrix[:, :5].sum(axis=0)
    present = wanted > 0
    return float(np.mean(both[present] / (wanted + found - both)[present])) if present.any() else float("nan")


@settings(deadline=None)
@given(PAIRS)
def test_miou_is_that_of_a_confusion_matrix(pair: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, reference = pair
    found = mean_iou(Segmentation.from_map(prediction), ReferenceMap.of(Segmentation.from_map(reference)))
    np.testing.assert_allclose(found, by_confusion_matrix(prediction, reference), rtol=0, atol=1e-12)


@settings(deadline=None)
@given(PAIRS)
def test_a_map_survives_its_run_lengths_and_equals_itself_exactly(pair: tuple[np.ndarray, np.ndarray]) -> None:
    for classes in pair:
        prediction = Segmentation.from_map(classes)
        np.testing.assert_array_equal(prediction.to_map(), classes)
        if (classes >= 0).any():
            assert mean_iou(prediction, ReferenceMap.of(prediction)) == 1.0


@settings(deadline=None)
@given(PAIRS)
def test_run_lengths_are_those_of_pycocotools(pair: tuple[np.ndarray, np.ndarray]) -> None:
    classes = pair[0]
    present = [int(c) for c in np.unique(classes) if c >= 0]
    assert list(encode_map(classes).items()) == list(
        zip(present, encode_masks(np.array([classes == c for c in present]).reshape(-1, *classes.shape)), strict=True)
    )


def test_example_by_hand() -> None:
    reference = np.array([[0, 0, 1, 1], [0, 0, 1, -1]])
    prediction = np.array([[0, 0, 1, 2], [0, 1, 1, 1]])
    # class 0: 3 of 4; class 1: both in 2, found 3 inside (one lies where nothing counts), wanted 3
    assert mean_iou(Segmentation.from_map(prediction), ReferenceMap.of(Segmentation.from_map(reference))) == (3 / 4 + 2 / 4) / 2


@pytest.mark.parametrize(
    "classes", [np.zeros((2, 3)), np.zeros((0, 3), np.int32), np.zeros((1, 2, 3), np.int32), np.zeros(4, np.int32)]
)
def test_what_is_no_class_map_is_refused(classes: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected a map of integers"):
        Segmentation.from_map(classes)


def scored(folder: Path, maps: dict[str, np.ndarray], truth: np.ndarray | None) -> dict[str, np.ndarray]:
    """Scores of predictions to one image, by degradation in the order of ``maps``."""
    label_map = None
    if truth is not None:
        Image.fromarray(truth.astype(np.uint8)).save(folder / "a.png")
        label_map = LabelMap(folder / "a.png")
    source = SourceImage("a", folder / "a.jpg", label_map)
    predictions = [Prediction("a", name, Segmentation.from_map(classes)) for name, classes in maps.items()]
    return score_segmentations(responses_table("seg", predictions), {"a": source})


LEFT, ALL = np.array([[0, 0, 1, 1]]), np.array([[0, 0, 0, 0]])
NOTHING = np.array([[-1, -1, -1, -1]])


def test_consistency_is_against_the_own_map_and_accuracy_against_the_png(tmp_path: Path) -> None:
    scores = scored(tmp_path, {"darkness_1": ALL, "original": LEFT}, truth=np.array([[0, 0, 0, 255]]))
    assert scores["consistency"].tolist() == [0.25, 1.0]
    assert scores["accuracy"].tolist() == [1.0, 2 / 3]


def test_without_original_or_png_there_is_no_score(tmp_path: Path) -> None:
    scores = scored(tmp_path, {"darkness_1": LEFT}, truth=None)
    assert np.isnan(scores["consistency"]).all() and np.isnan(scores["accuracy"]).all()


def test_a_png_without_a_counted_pixel_gives_no_accuracy(tmp_path: Path) -> None:
    assert np.isnan(scored(tmp_path, {"original": LEFT}, truth=np.full((1, 4), 255))["accuracy"]).all()


def test_a_model_that_saw_nothing_is_consistent_with_seeing_nothing(tmp_path: Path) -> None:
    scores = scored(tmp_path, {"original": NOTHING, "darkness_1": NOTHING, "darkness_2": ALL}, truth=ALL)
    assert scores["consistency"].tolist() == [1.0, 1.0, 0.0]
    assert scores["accuracy"].tolist() == [0.0, 0.0, 1.0]


def test_responses_come_back_from_their_table() -> None:
    maps = [LEFT, NOTHING, np.arange(6, dtype=np.int32).reshape(3, 2)]
    table = responses_table("seg", [Prediction("a", str(i), Segmentation.from_map(m)) for i, m in enumerate(maps)])
    assert table.schema.field("category_ids").type == pa.list_(pa.int32())
    assert table.schema.field("masks").type == pa.list_(pa.binary())
    for found, classes in zip(iterate_segmentations(table), maps, strict=True):
        np.testing.assert_array_equal(found.to_map(), classes)
    assert iterate_segmentations(table.slice(0, 0)) == []
