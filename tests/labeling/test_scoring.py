"""Scores and labels on predictions made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from miqd_builder.errors import ConfigError, InvalidResponsesError, UnreadableImageError
from miqd_builder.labeling.aggregation import aggregate
from miqd_builder.labeling.recipes import get_recipe
from miqd_builder.labeling.scoring import score_responses
from miqd_builder.responses import Classification, Detections, Segmentation, decode_masks, encode_masks
from miqd_builder.sources import Annotations, ClassLabel, SourceImage
from miqd_builder.tables.responses import Prediction, iterate_detections, responses_table
from miqd_builder.tables.schema import SCORES, VARIANTS

RECIPE = get_recipe("miqd_v1")
TRUTH = Annotations(40, 40, np.array([[0.0, 0, 20, 20]]), np.array([1]), np.array([False]), [(0, 0, 20, 20)])


def detections(*found: tuple[float, float, float, float, float]) -> Detections:
    """Boxes of category 1 with their score last."""
    rows = np.array(found, np.float32).reshape(-1, 5)
    return Detections.from_raw(
        height=40, width=40, boxes=rows[:, :4], scores=rows[:, 4], category_ids=np.ones(len(rows), np.int32)
    )


def scores(truth: Annotations | None, **predictions: Detections) -> dict[str, dict[str, float]]:
    """Scores of one source's predictions by degradation."""
    source = SourceImage("a", Path("a.png"), truth=truth)
    table = responses_table("det", [Prediction("a", name, response) for name, response in predictions.items()])
    return {row["degradation"]: row for row in score_responses("det", table, {"a": source}, RECIPE).to_pylist()}


def test_detection_scores_by_hand() -> None:
    rows = scores(
        TRUTH,
        original=detections((0, 0, 20, 20, 0.9), (20, 20, 40, 40, 0.2)),
        same=detections((0, 0, 20, 20, 0.4)),
        half=detections((0, 0, 20, 13, 0.9)),
        extra=detections((20, 20, 40, 40, 0.9), (0, 0, 20, 20, 0.8)),
        gone=detections(),
    )
    assert rows["original"]["consistency"] == rows["same"]["consistency"] == 1
    assert rows["same"]["accuracy"] == 1
    # IoU 0.65: right at .5, .55, .6 and .65 of the ten thresholds
    assert rows["half"]["consistency"] == pytest.approx(0.4)
    assert (rows["half"]["accuracy_ap50"], rows["half"]["accuracy_ap75"]) == (1, 0)
    # a false positive ahead of the hit: precision 1/2 at every recall
    assert rows["extra"]["consistency"] == pytest.approx(0.5)
    assert rows["gone"]["consistency"] == rows["gone"]["accuracy"] == 0


def test_silent_original_asks_for_silence() -> None:
    rows = scores(
        None, original=detections((0, 0, 9, 9, 0.2)), silent=detections((0, 0, 9, 9, 0.29)), loud=detections((0, 0, 9, 9, 0.3))
    )
    assert [rows[name]["consistency"] for name in ("original", "silent", "loud")] == [1, 1, 0]
    assert {row["accuracy"] for row in rows.values()} == {None}


def test_crowd_alone_is_no_ground_truth() -> None:
    crowd = replace(TRUTH, crowd=np.array([True]))
    assert scores(crowd, original=detections((0, 0, 20, 20, 0.9)))["original"]["accuracy"] is None


def test_detectors_never_decode_the_outlines_of_the_truth() -> None:
    """Outlines cost more than all boxes of a run; a malformed one is no reason to fail a detector."""
    source = SourceImage("a", Path("a.png"), replace(TRUTH, outlines=[[[1.0, 2.0]]]))
    found = detections((0, 0, 20, 20, 0.9))
    table = responses_table("det", [Prediction("a", "original", found)])
    assert score_responses("det", table, {"a": source}, RECIPE)["accuracy"].to_pylist() == [1]
    with_mask = replace(found, masks=encode_masks(np.ones((1, 40, 40), bool)))
    with pytest.raises(UnreadableImageError, match="malformed segmentation"):
        score_responses("ins", responses_table("ins", [Prediction("a", "original", with_mask)]), {"a": source}, RECIPE)


def test_truth_of_another_task_is_none() -> None:
    """A class label is no ground truth for detections, nor are annotations for a classifier."""
    for truth, task, response in (
        (ClassLabel(2), "det", detections((0, 0, 20, 20, 0.9))),
        (TRUTH, "cls", Classification(np.array([0.2, 0.8], np.float32))),
        (TRUTH, "seg", Segmentation.from_map(np.zeros((40, 40), np.int32))),
    ):
        table = responses_table(task, [Prediction("a", "original", response)])
        row = score_responses(task, table, {"a": SourceImage("a", Path("a.png"), truth)}, RECIPE).to_pylist()[0]
        assert (row["consistency"], row["accuracy"]) == (1, None)


def test_classification_scores_by_hand() -> None:
    def row(name: str, top: int) -> Prediction:
        p = np.full(6, 0.1, np.float32)
        p[top] = 0.5
        return Prediction("a", name, Classification(p), label=2)

    table = responses_table("cls", [row("original", 3), row("kept", 3), row("right", 2), row("wrong", 5)])
    assert table["target_prob"].to_pylist() == pytest.approx([0.1, 0.1, 0.5, 0.1])
    assert table["top_ids"].to_pylist()[0] == [3, 0, 1, 2, 4]
    rows = score_responses("cls", table, {"a": SourceImage("a", Path("a.png"), ClassLabel(2))}, RECIPE).to_pylist()
    assert [row["consistency"] for row in rows] == [1, 1, 0, 0]
    assert [row["accuracy"] for row in rows] == [0, 0, 1, 0]


def test_responses_survive_the_table() -> None:
    given = [detections((1, 2, 3, 4, 0.5), (5, 6, 9, 9, 0.7)), detections(), detections((0, 0, 1, 1, 1.0))]
    table = responses_table("det", [Prediction("a", str(i), response) for i, response in enumerate(given)])
    for expected, found in zip(given, iterate_detections(table), strict=True):
        np.testing.assert_array_equal(expected.boxes, found.boxes)
        np.testing.assert_array_equal(expected.scores, found.scores)
        np.testing.assert_array_equal(expected.category_ids, found.category_ids)
    place = table.column_names.index("height")
    damaged = table.set_column(place, table.schema.field("height").with_nullable(True), pa.array([None] * 3, pa.int32()))
    with pytest.raises(InvalidResponsesError, match="lack numbers"):
        iterate_detections(damaged)


def variants(names: list[str]) -> pa.Table:
    """Rows of a variants table for one source."""
    row = {
        "source_id": "a",
        "distortion": "fog",
        "category": "environment",
        "region": "uniform",
        "roi_severity": 1,
        "bg_severity": 1,
    }
    row |= {"file_name": "f", "height": 1, "width": 1, "psnr": 30.0, "candidate_roi": 1, "candidate_bg": 1, "pixel_sha256": ""}
    return pa.Table.from_pylist([{**row, "degradation": name} for name in names], schema=VARIANTS)


def model_scores(**values: tuple[float, float | None]) -> pa.Table:
    """Scores of one model on one source: (consistency, accuracy) by degradation."""
    rows = [{"source_id": "a", "degradation": n, "consistency": c, "accuracy": a} for n, (c, a) in values.items()]
    return pa.Table.from_pylist(rows, schema=SCORES["cls"])


def test_missing_model_does_not_shift_the_mean() -> None:
    both = {"one": model_scores(x=(1.0, 0.0), y=(1.0, None)), "two": model_scores(x=(0.0, 1.0))}
    x, y = aggregate("cls", variants(["x", "y"]), both, {"one": 3.0, "two": 1.0}, RECIPE).to_pylist()
    assert (x["n_models"], x["consistency_mean"], x["consistency_std"], x["consistency_weighted"]) == (2, 0.5, 0.5, 0.75)
    assert (x["accuracy_weighted"], x["composite"]) == (0.25, 0.5)
    assert (y["n_models"], y["consistency_mean"], y["consistency_weighted"], y["consistency_std"]) == (1, 1, 1, 0)
    assert y["accuracy_mean"] is None and y["composite"] is None


def test_model_without_a_prediction_on_the_original_does_not_count() -> None:
    """Else accuracy would be a mean over more models than consistency, and n_models could tell but one of them."""
    complete, orphan = model_scores(x=(1.0, 0.0)), model_scores(x=(0.0, 1.0))
    orphan = orphan.set_column(2, "consistency", pa.array([None], pa.float64()))
    row = aggregate("cls", variants(["x"]), {"one": complete, "two": orphan}, {"one": 1.0, "two": 1.0}, RECIPE).to_pylist()[0]
    assert (row["n_models"], row["consistency_mean"], row["accuracy_mean"], row["composite"]) == (1, 1, 0, 0.5)


def test_image_without_any_prediction_has_empty_labels() -> None:
    row = aggregate("cls", variants(["x"]), {"one": model_scores()}, {"one": 1.0}, RECIPE).to_pylist()[0]
    assert row["n_models"] == 0
    spread = [f"{measure}_{statistic}" for measure in ("consistency", "accuracy") for statistic in ("mean", "std", "weighted")]
    assert {row[name] for name in [*spread, "composite"]} == {None}


def test_rows_of_several_sources_in_any_order() -> None:
    predictions = {
        ("a", "original"): detections((0, 0, 20, 20, 0.9)),
        ("b", "original"): detections((5, 5, 30, 30, 0.9)),
        ("a", "x"): detections((0, 0, 20, 13, 0.9)),
        ("b", "x"): detections(),
    }
    sources = {i: SourceImage(i, Path(i), truth=TRUTH if i == "a" else None) for i in "ab"}
    tables = []
    for order in ([0, 1, 2, 3], [0, 2, 1, 3], [3, 2, 1, 0]):
        keys = [list(predictions)[i] for i in order]
        table = responses_table("det", [Prediction(*key, predictions[key]) for key in keys])
        rows = score_responses("det", table, sources, RECIPE).to_pylist()
        assert [(row["source_id"], row["degradation"]) for row in rows] == keys
        tables.append(sorted(rows, key=lambda row: (row["source_id"], row["degradation"])))
    assert tables[0] == tables[1] == tables[2]
    assert [row["consistency"] for row in tables[0]] == pytest.approx([1, 0.4, 1, 0])
    assert [row["accuracy"] for row in tables[0]] == [1, pytest.approx(0.4), None, None]


def test_no_responses_give_no_scores() -> None:
    for task in ("cls", "det", "ins", "seg"):
        assert score_responses(task, responses_table(task, []), {}, RECIPE).num_rows == 0


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weights_must_be_positive(weight: float) -> None:
    with pytest.raises(ConfigError, match="'one' has the weight"):
        aggregate("cls", variants(["x"]), {"one": model_scores(x=(1.0, 1.0))}, {"one": weight}, RECIPE)


def test_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'miqd_v1'\?"):
        get_recipe("miqd_v2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": [1.5]}, r"scores must lie in \[0, 1\]"),
        ({"scores": [float("nan")]}, "finite"),
        ({"boxes": [[0, 0, np.inf, 2]]}, "finite"),
        ({"category_ids": [1, 2]}, "expected equal numbers"),
        ({"masks": np.zeros((1, 3, 3), bool)}, "masks have shape"),
    ],
)
def test_impossible_detections_are_refused(changes: dict, message: str) -> None:
    raw = {"boxes": [[0, 0, 2, 2]], "scores": [0.5], "category_ids": [1]} | changes
    with pytest.raises(ValueError, match=message):
        Detections.from_raw(height=4, width=4, **{key: np.array(value) for key, value in raw.items()})


def test_detections_are_clipped_sorted_and_cut() -> None:
    boxes = np.array([[-5, -5, 3, 3], [1, 1, 1, 4], [2, 2, 99, 99]] + [[0, 0, 1, 1]] * 120, float)
    found = Detections.from_raw(
        height=4, width=6, boxes=boxes, scores=np.array([0.2, 0.9, 0.8] + [0.1] * 120), category_ids=np.arange(123)
    )
    assert len(found.scores) == 100
    np.testing.assert_array_equal(found.boxes[:2], [[2, 2, 6, 4], [0, 0, 3, 3]])
    assert found.category_ids[:4].tolist() == [2, 0, 3, 4]


def test_confident_detections_keep_their_order_and_their_fields() -> None:
    found = Detections(
        40, 40, np.arange(12.0).reshape(3, 4), np.array([0.3, 0.1, 0.9], np.float32), np.array([1, 2, 3]),
        [b"a", b"b", b"c"], np.array([True, False, False]),
    )  # fmt: skip
    sure = found.above(0.3)
    assert (len(found), len(sure), sure.category_ids.tolist(), sure.masks) == (3, 2, [1, 3], [b"a", b"c"])
    assert sure.is_crowd.tolist() == [True, False] and replace(sure, crowd=None).is_crowd.tolist() == [False, False]


def test_no_detection_with_masks() -> None:
    empty = Detections.from_raw(
        height=4, width=6, boxes=np.zeros((0, 4)), scores=np.zeros(0), category_ids=np.zeros(0), masks=np.zeros((0, 4, 6), bool)
    )
    assert empty.masks == []


@pytest.mark.parametrize("shape", [(0, 4, 6), (1, 1, 1), (3, 1, 9), (3, 9, 1), (5, 13, 17)])
def test_masks_survive_their_encoding(shape: tuple[int, int, int]) -> None:
    masks = np.random.default_rng(0).random(shape) < 0.4
    np.testing.assert_array_equal(decode_masks(encode_masks(masks), *shape[1:]), masks)
