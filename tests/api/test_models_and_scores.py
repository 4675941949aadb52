"""Models and scores in memory are those of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import miqd_builder as mb
from miqd_builder.errors import ConfigError, InvalidResponsesError
from miqd_builder.responses import Classification, Detections, Segmentation, encode_masks
from miqd_builder.sources import open_source
from pipelines.api.fields import resolve

MODELS = {"cls": "bright", "det": "blobs", "ins": "blob_masks"}


@pytest.mark.parametrize("task", MODELS)
def test_scores_in_memory_are_those_of_the_run(labelled: Path, task: str) -> None:
    """Images from the run, the model from the zoo, the ground truth from the source: the numbers that label stored."""
    run = mb.open_run(labelled / ("out-cls" if task == "cls" else "out"))
    model = mb.create_model(MODELS[task], zoo=labelled / "zoo.yaml")
    source = open_source(resolve(labelled / "run.yaml", task, None, {}).source).by_id["scene_1"]
    truth: Any = source.truth_for(task)  # type: ignore[call-overload]
    known = truth.index if task == "cls" else truth.detections(masks=task == "ins")
    [original] = model.predict([run.image("scene_1", "original")])
    degraded = model.predict([run.image("scene_1", name) for name in run.degradations])
    found = mb.score(task, degraded, original=original, truth=known)
    stored = run.scores(task, model=MODELS[task]).to_pylist()
    rows = {row["degradation"]: row for row in stored if row["source_id"] == "scene_1"}
    assert list(found) == [name for name in stored[0] if name not in ("source_id", "degradation")]
    for measure, values in found.items():
        assert values.tolist() == [rows[name][measure] for name in run.degradations]


def test_class_maps_are_scored_too() -> None:
    clean = np.zeros((4, 6), np.int32)
    clean[:, 3:] = 2
    changed = np.where(np.arange(6) < 4, 0, 2) * np.ones((4, 1), np.int32)
    truth = clean.copy()
    truth[0] = -1
    found = mb.score(
        "seg", [Segmentation.from_map(changed)], original=Segmentation.from_map(clean), truth=Segmentation.from_map(truth)
    )
    assert found["consistency"].tolist() == found["accuracy"].tolist() == [(3 / 4 + 2 / 3) / 2]


def test_without_original_and_truth_nothing_is_known() -> None:
    found = mb.score("cls", [Classification(np.array([0.25, 0.75], np.float32))])
    assert np.isnan(found["consistency"]).all() and np.isnan(found["accuracy"]).all()
    assert mb.score("cls", [])["accuracy"].shape == (0,)


def test_another_recipe_gives_other_scores() -> None:
    one, other = (Classification(np.array(p, np.float32)) for p in ([0.75, 0.25], [0.5, 0.5]))
    assert mb.score("cls", [other], original=one)["consistency"][0] == 1
    assert 0 < mb.score("cls", [other], original=one, recipe="soft_v1")["consistency"][0] < 1


BOX = Detections(8, 8, np.array([[0.0, 0, 4, 4]]), np.ones(1), np.array([1]))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("dett", [BOX]), ConfigError, "Unknown task 'dett'"),
        (("cls", [BOX]), TypeError, "expected prediction 0 to be Classification for task cls, got Detections"),
        (("ins", [BOX]), TypeError, "expected prediction 0 to have masks for task ins"),
        (("det", [BOX], 3), TypeError, "expected truth to be Detections for task det, got int"),
        (("cls", [], BOX), TypeError, "expected truth to be a class index for task cls, got Detections"),
        (("det", [Detections(8, 8, np.array([[0.0, 0, 9, 4]]), np.ones(1), np.array([1]))]), InvalidResponsesError, "box"),
    ],
)
def test_wrong_predictions_are_named(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    task, degraded, *truth = arguments
    with pytest.raises(error, match=message):
        mb.score(task, degraded, truth=truth[0] if truth else None)


def test_image_ap_of_masks() -> None:
    masks = np.zeros((1, 8, 8), bool)
    masks[0, :4, :4] = True
    one = Detections(8, 8, BOX.boxes, BOX.scores, BOX.category_ids, encode_masks(masks))
    assert mb.image_ap(one, one, iou="segm").mean.tolist() == [1.0]


def test_models_are_listed_by_name_and_task(labelled: Path) -> None:
    zoo = labelled / "zoo.yaml"
    assert mb.list_models(zoo=zoo) == ["bright", "blobs", "blobs_strict", "blob_masks"]
    assert mb.list_models("blob*", task="det", zoo=[zoo]) == ["blobs", "blobs_strict"]
    assert len(mb.list_models(task="cls")) >= 40
    with pytest.raises(ConfigError, match=r"Unknown model 'blbos'\. Did you mean 'blobs'"):
        mb.list_models("blbos", zoo=zoo)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("blbos", {}, "Unknown model 'blbos'. Did you mean 'blobs'"),
        ("blob_masks", {"task": "det"}, "Model 'blob_masks' is of task ins, not det. Did you mean 'blobs'"),
        ("blobs", {"task": "dett"}, "Unknown task 'dett'"),
        ("blobs", {"device": "gpu"}, "Unknown device 'gpu'"),
    ],
)
def test_a_model_that_isnt_there_is_named(labelled: Path, name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        mb.create_model(name, zoo=labelled / "zoo.yaml", **options)
