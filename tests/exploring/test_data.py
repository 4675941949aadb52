"""The numbers in the page are those of the run's tables."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import miqd_builder as mb
from tests.exploring.conftest import Explored
from tests.exploring.reading import Page

COLUMNS = {"composite": "composite", "consistency": "consistency_weighted", "accuracy": "accuracy_weighted", "psnr": "psnr"}


@pytest.mark.parametrize(
    ("page", "out", "task"), [("objects", "out", "det"), ("objects", "out", "ins"), ("classes", "out-cls", "cls")]
)
def test_all_label_rows_are_there(explored: Explored, page: str, out: str, task: str) -> None:
    read = Page(getattr(explored, page))
    arrays = read.arrays(read.task(task)["labels"])
    rows = duckdb.sql(f"from '{explored.folder}/{out}/labels/task={task}/*.parquet'").df()
    assert len(rows) == 4 * len(read.names)
    for name, column in COLUMNS.items():
        expected = rows.pivot(index="source_id", columns="degradation", values=column)[read.names]
        assert list(expected.index) == read.facts["sources"]
        np.testing.assert_array_equal(arrays[name], expected.to_numpy(np.float32, na_value=np.nan))


def test_scores_and_their_means(explored: Explored) -> None:
    read = Page(explored.objects)
    task = read.task("det")
    arrays = read.arrays(task["scores"])
    assert (task["scorers"], task["scored"]) == (["blobs", "blobs_strict"], None)
    names = [*read.names, "original"]
    for number, model in enumerate(task["scorers"]):
        rows = duckdb.sql(f"from '{explored.folder}/out/scores/task=det/model={model}/*.parquet'").df()
        for score in ("consistency", "accuracy"):
            expected = rows.pivot(index="source_id", columns="degradation", values=score)[names]
            np.testing.assert_array_equal(arrays[f"rows/{score}"][number], expected.to_numpy(np.float32, na_value=np.nan))
            np.testing.assert_allclose(arrays[f"means/{score}"][number], expected.mean(), atol=1e-9)
            np.testing.assert_array_equal(arrays[f"counts/{score}"][number], expected.count())


def test_of_many_scores_those_of_pictured_sources_are_there(
    explored: Explored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miqd_builder.exploring.numbers.SCORE_BYTES", 0)
    read = Page(mb.explore(explored.folder / "out", to=tmp_path / "page.html", sources=2).page)
    whole = Page(explored.objects)
    scored = read.task("det")["scored"]
    assert scored == [one["source"] for one in read.facts["pictured"]] and len(scored) == 2
    arrays, every = (page.arrays(page.task("det")["scores"]) for page in (read, whole))
    np.testing.assert_array_equal(arrays["rows/accuracy"], every["rows/accuracy"][:, scored])
    np.testing.assert_array_equal(arrays["means/accuracy"], every["means/accuracy"])


@pytest.mark.parametrize(("task", "model"), [("det", "blobs"), ("det", "blobs_strict"), ("ins", "blob_masks")])
def test_objects_are_those_of_the_responses(explored: Explored, task: str, model: str) -> None:
    read = Page(explored.objects)
    responses = mb.open_run(explored.folder / "out").responses(task, model=model).to_pylist()
    seen = 0
    for source_id in read.facts["sources"]:
        known = read.pictured(source_id)["tasks"][task]
        arrays = read.arrays(known["models"])
        number = read.task(task)["models"].index(model)
        counts = arrays[f"{number}/counts"]
        rows = {row["degradation"]: row for row in responses if row["source_id"] == source_id}
        ordered = [rows[name] for name in [*read.names, "original"]]
        scores = [score for row in ordered for score in row["scores"] if score >= 0.1]
        assert [sum(score >= 0.1 for score in row["scores"]) for row in ordered] == counts.tolist()
        assert scores == arrays[f"{number}/scores"].tolist()
        boxes = [box for row in ordered for box, score in zip(row["boxes"], row["scores"], strict=True) if score >= 0.1]
        np.testing.assert_allclose(
            arrays[f"{number}/boxes"] / 65535 * [128, 96, 128, 96], np.reshape(boxes, (-1, 4)), atol=0.002
        )
        seen += len(scores)
    assert seen > 100


@pytest.mark.parametrize(("task", "model", "iou"), [("det", "blobs", "bbox"), ("ins", "blob_masks", "segm")])
def test_hits_are_those_of_cocoeval(explored: Explored, task: str, model: str, iou: str) -> None:
    """Every image's matches at IoU .5, a crowd region among the annotations."""
    read = Page(explored.objects)
    truth = COCO(str(explored.folder / "data/annotations.json"))
    ids = {Path(image["file_name"]).stem: image["id"] for image in truth.dataset["images"]}
    responses = mb.open_run(explored.folder / "out").responses(task, model=model).to_pylist()
    number = read.task(task)["models"].index(model)
    kinds = dict.fromkeys(("hit", "false", "crowd"), 0)
    for source_id in read.facts["sources"][:3]:
        arrays = read.arrays(read.pictured(source_id)["tasks"][task]["models"])
        annotated = [a["id"] for a in sorted(truth.imgToAnns[ids[source_id]], key=lambda a: a["id"])]
        stop = np.cumsum(arrays[f"{number}/counts"])
        for place, name in enumerate([*read.names, "original"]):
            row = next(r for r in responses if (r["source_id"], r["degradation"]) == (source_id, name))
            expected = coco_matches(truth, ids[source_id], row, iou)
            found = arrays[f"{number}/truth"][stop[place] - arrays[f"{number}/counts"][place] : stop[place]].tolist()
            crowd = [a["iscrowd"] for a in (truth.anns[i] for i in annotated)]
            wanted = [
                -1 if match == 0 else -2 if crowd[annotated.index(match)] else annotated.index(match) for match in expected
            ]
            assert found == wanted
            for match in found:
                kinds[{-1: "false", -2: "crowd"}.get(match, "hit")] += 1
    assert kinds["hit"] > 30 and kinds["crowd"] > 0


def coco_matches(truth: COCO, image: int, row: dict, iou: str) -> list[int]:
    """Id of the annotation that each detection of a row takes at IoU .5; 0 for none."""
    detections = []
    for place, (box, score, category) in enumerate(zip(row["boxes"], row["scores"], row["category_ids"], strict=True)):
        x, y, right, bottom = box
        one = {
            "image_id": image,
            "category_id": category,
            "bbox": [x, y, right - x, bottom - y],
            "score": score,
            "id": place + 1,
        }
        if iou == "segm":
            one["segmentation"] = {"size": [row["height"], row["width"]], "counts": row["masks"][place]}
            del one["bbox"]
        detections.append(one)
    taken = [0] * len(detections)
    if detections:
        evaluation = COCOeval(truth, truth.loadRes(detections), iou)
        evaluation.params.imgIds, evaluation.params.areaRng, evaluation.params.areaRngLbl = [image], [[0, 1e10]], ["all"]
        evaluation.evaluate()
        for found in filter(None, evaluation.evalImgs):
            for detection, match in zip(found["dtIds"], found["dtMatches"][0], strict=True):
                taken[detection - 1] = int(match)
    return taken


def test_own_detections_on_the_original_are_hits_of_themselves(explored: Explored) -> None:
    read = Page(explored.objects)
    for source_id in read.facts["sources"][:3]:
        arrays = read.arrays(read.pictured(source_id)["tasks"]["det"]["models"])
        original = int(arrays["0/counts"][-1])
        confident = int((arrays["0/scores"][-original:] >= np.float32(0.3)).sum())
        assert confident and arrays["0/own"][-original:][:confident].tolist() == list(range(confident))


def test_classes_are_those_of_the_responses(explored: Explored) -> None:
    read = Page(explored.classes)
    responses = mb.open_run(explored.folder / "out-cls").responses("cls").to_pylist()
    compared = 0
    for source_id in (read.facts["sources"][one["source"]] for one in read.facts["pictured"]):
        known = read.pictured(source_id)["tasks"]["cls"]
        arrays = read.arrays(known["models"])
        for row in (row for row in responses if row["source_id"] == source_id):
            place = [*read.names, "original"].index(row["degradation"])
            number = read.task("cls")["models"].index(row["model"])
            assert arrays[f"{number}/ids"][place].tolist() == row["top_ids"]
            assert arrays[f"{number}/probabilities"][place].tolist() == row["top_probs"]
            assert arrays[f"{number}/target"][place] == np.float32(row["target_prob"])
            compared += 1
    assert compared == 2 * 2 * (len(read.names) + 1)


def test_names_of_classes(explored: Explored, tmp_path: Path) -> None:
    objects, classes = Page(explored.objects), Page(explored.classes)
    assert objects.task("det")["names"] == {"1": "<img src=x onerror=alert(1)>", "3": "3", "7": "7"}
    assert classes.task("cls")["names"] == {}, "the label file names none"
    labels = explored.folder / "data/labels.csv"
    text = labels.read_text()
    try:
        lines = text.splitlines()
        labels.write_text("\n".join([f"{lines[0]},name", *(f"{line},n{line.split(',')[1]}" for line in lines[1:])]))
        named = Page(mb.explore(explored.folder / "out-cls", to=tmp_path / "page.html", sources=0).page)
    finally:
        labels.write_text(text)
    numbers = [line.split(",")[1] for line in text.splitlines()[1:]]
    assert named.task("cls")["names"] == {number: f"n{number}" for number in numbers}
