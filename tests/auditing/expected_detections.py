"""The data set's COCO AP with pycocotools, and errors of detectors by type in plain Python. No code of the audit."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.auditing.expected_labels import Expected, key, read_table

ERRORS = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")


def detection_values(run: Path, task: str, annotations: Path) -> Expected:
    """AP of the data set under each uniform degradation and on the originals; errors an image."""
    responses, labels = read_table(run, "responses", task), read_table(run, "labels", task)
    uniform = labels[labels["region"] == "uniform"].drop_duplicates("degradation")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
    ids = {Path(image["file_name"]).stem: image["id"] for image in truth.dataset["images"]}
    annotated = {source for source, number in ids.items() if truth.getAnnIds(imgIds=[number])}
    responses = responses[responses["source_id"].isin(annotated)]
    expected: Expected = {}
    for model, rows in responses.groupby("model"):
        ap = {name: _ap(truth, group, ids, task) for name, group in rows.groupby("degradation")}
        of_distortion = uniform.assign(ap=uniform["degradation"].map(ap)).groupby("distortion")["ap"].mean()
        figures = {"P": ap["original"], "mPC": of_distortion.mean(), "rPC": of_distortion.mean() / ap["original"]}
        expected |= {key("models_ap", label=label, model=model): value for label, value in figures.items()}
    responses = responses.merge(uniform[["degradation", "distortion", "category"]], on="degradation", how="left")
    responses = responses[(responses["degradation"] == "original") | responses["distortion"].notna()]
    counts = [
        _errors(truth, row, truth.loadAnns(truth.getAnnIds(imgIds=[ids[row["source_id"]]])), task)
        for _, row in responses.iterrows()
    ]
    table = pd.concat([responses.reset_index(drop=True), pd.DataFrame(counts, columns=list(ERRORS))], axis=1)
    clean = table[table["degradation"] == "original"][list(ERRORS)].mean()
    for error in ERRORS:
        expected[key("error_types", label="errors", error=error)] = clean[error]
        for (distortion, category), value in table.groupby(["distortion", "category"])[error].mean().items():
            keys = {"distortion": distortion, "category": category, "error": error, "label": "errors"}
            expected[key("error_types", **keys)] = value
            expected[key("error_types_difference", **keys)] = value - clean[error]
    return expected


def _ap(truth: COCO, rows: pd.DataFrame, ids: dict[str, int], task: str) -> float:
    results: list[dict[str, Any]] = []
    for _, row in rows.iterrows():
        for place, score in enumerate(row["scores"]):
            x, y, x2, y2 = (float(v) for v in row["boxes"][place])
            found: dict[str, Any] = {"image_id": ids[row["source_id"]], "category_id": int(row["category_ids"][place])}
            found |= {"score": float(score), "bbox": [x, y, x2 - x, y2 - y]}
            if task == "ins":
                found["segmentation"] = {"size": [int(row["height"]), int(row["width"])], "counts": row["masks"][place]}
            results.append(found)
    if not results:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(results), "segm" if task == "ins" else "bbox")
        evaluation.params.imgIds = sorted(ids[source] for source in rows["source_id"])
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, 2]
    return float(precision[precision > -1].mean())


def _errors(truth: COCO, row: pd.Series, objects: list[dict[str, Any]], task: str) -> list[int]:
    """Errors of one image, one detection after the other."""
    confident = [i for i, score in enumerate(row["scores"]) if score >= np.float32(0.3)]
    overlaps = _overlaps(truth, row, confident, objects, task)
    classes = [int(row["category_ids"][i]) for i in confident]
    crowd = [bool(o["iscrowd"]) for o in objects]
    same = [[o["category_id"] == c for o in objects] for c in classes]
    taken: set[int] = set()
    wrong = []
    for d in range(len(confident)):
        free = [g for g in range(len(objects)) if same[d][g] and not crowd[g] and g not in taken and overlaps[d][g] >= 0.5]
        if free:
            taken.add(max(free, key=lambda g: overlaps[d][g]))
        elif not any(same[d][g] and crowd[g] and overlaps[d][g] >= 0.5 for g in range(len(objects))):
            wrong.append(d)
    counts, covered = dict.fromkeys(ERRORS, 0), set()
    for d in wrong:
        sides = [[g for g in range(len(objects)) if not crowd[g] and same[d][g] == alike] for alike in (True, False)]
        own, other = (max(((overlaps[d][g], g) for g in side), default=(0.0, -1), key=lambda pair: pair[0]) for side in sides)
        if 0.1 <= own[0] < 0.5:
            counts["Loc"] += 1
            covered.add(own[1])
        elif other[0] >= 0.5:
            counts["Cls"] += 1
            covered.add(other[1])
        elif own[0] >= 0.5:
            counts["Dupe"] += 1
        else:
            counts["Both" if other[0] >= 0.1 else "Bkg"] += 1
    counts["Miss"] = sum(not crowd[g] and g not in taken | covered for g in range(len(objects)))
    return list(counts.values())


def _overlaps(truth: COCO, row: pd.Series, places: list[int], objects: list[dict[str, Any]], task: str) -> Any:
    crowd = [int(o["iscrowd"]) for o in objects]
    if not places:
        return []
    if task == "ins":
        size = [int(row["height"]), int(row["width"])]
        masks = [{"size": size, "counts": row["masks"][i]} for i in places]
        return coco_mask.iou(masks, [truth.annToRLE(o) for o in objects], crowd)
    boxes = np.array([[float(v) for v in row["boxes"][i]] for i in places])
    boxes[:, 2:] -= boxes[:, :2]
    return coco_mask.iou(boxes, np.array([o["bbox"] for o in objects], float), crowd)
