"""Labels: average precision beside pycocotools' COCOeval and its rivals, and how many rows a second become labels.

    python benchmarks/labeling.py [--images 200] [--csv FILE]

Random boxes and filled-rectangle masks: 10 references and 100 detections of 3 classes on 640x480 pixels, in ``--images``
variants of one source. Times are CPU times (of all threads that a library starts); ways take turns, the least of the repeats
counts. Rivals are measured where they are installed: ``pip install faster-coco-eval hotcoco ultrafast-pycocotools``.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from miqd_builder.labeling.aggregation import aggregate
from miqd_builder.labeling.average_precision import Iou, image_ap
from miqd_builder.labeling.recipes import RECIPES
from miqd_builder.labeling.response_checks import check_responses
from miqd_builder.labeling.scoring import score_responses
from miqd_builder.responses import Classification, DetectionBatch, Detections
from miqd_builder.sources import Annotations, ClassLabel, SourceImage
from miqd_builder.tables.responses import Prediction, responses_table
from miqd_builder.tables.schema import ORIGINAL, VARIANTS
from miqd_builder.tasks import Task
from result_tables import Row, print_markdown, write_csv
from stand_ins.coco_libraries import LIBRARIES, Library

HEIGHT, WIDTH = 480, 640
CLASSES = np.array([1, 2, 3])
COCOEVAL_IMAGES = 40
SOURCES, MODELS = 4, 8


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3, help="the least time of so many counts (default: 3)")
    parser.add_argument("--csv", type=Path, help="write the first table into this file")
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    reference, found = objects(rng, 10), detections(rng, [100] * asked.images)
    ious: tuple[Iou, ...] = ("bbox", "segm")
    rows = [row for iou in ious for row in compare(found, reference, iou, asked.repeats)]
    print_markdown(rows)
    if asked.csv:
        write_csv(asked.csv, rows)
    print(f"\n{'rows/s of one core':28} " + " ".join(f"{name:>12}" for name in ["checks", *RECIPES, "labels"]))
    tasks: tuple[Task, ...] = ("cls", "det", "ins")
    for task in tasks:
        rates = scoring(rng, task)
        print(f"{task + ', ' + rates.pop('what'):28} " + " ".join(f"{rate:12,.0f}" for rate in rates.values()))


def compare(found: DetectionBatch, reference: Detections, iou: Iou, repeats: int) -> list[Row]:
    """What an average precision costs here and in other libraries, one AP an image, and one AP for the whole set."""
    single = [found.image(i) for i in range(len(found))]
    truth, results = datasets(single, reference, iou)
    alone = [datasets([one], reference, iou) for one in single[:COCOEVAL_IMAGES]]
    ways: dict[tuple[str, str], tuple[Callable[[], Any], int]] = {
        ("here", "all variants in one call, an AP each"): (lambda: image_ap(found, reference, iou=iou).mean, len(found)),
        ("here", "an image a call"): (lambda: [image_ap(one, reference, iou=iou).mean[0] for one in single], len(found)),
    }
    for library in installed():
        ways[library.name, "an image a call"] = (
            lambda library=library: [library.ap(copy(one), copy(two)["annotations"], iou) for one, two in alone],
            len(alone),
        )
        ways[library.name, "all images in one call, one AP"] = (
            lambda library=library: library.ap(copy(truth), copy(results)["annotations"], iou),
            len(found),
        )
    best = dict.fromkeys(ways, float("inf"))
    answers: dict[tuple[str, str], Any] = {}
    for repeat in range(repeats + 1):
        for way, (work, images) in ways.items():
            spent, answers[way] = timed(work)
            if repeat:  # the first compiles
                best[way] = min(best[way], spent / images * 1e6)
    base, expected = ("pycocotools", "an image a call"), np.array(answers["pycocotools", "an image a call"])
    return [
        {
            "iou": iou,
            "library": way[0],
            "call": way[1],
            "us an image": best[way],
            "times as fast as COCOeval, an image a call": best[base] / best[way],
            "difference from it": ""
            if way[1].endswith("one AP")
            else f"{np.abs(np.array(answers[way])[: len(expected)] - expected).max():.0e}",
        }
        for way in ways
    ]


def installed() -> list[Library]:
    """The libraries that are there."""
    found = []
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            found.append(Library(name))
    return found


def copy(data: dict[str, Any]) -> dict[str, Any]:
    """A data set of its own for a library that writes into it, the counts of masks as text, which all of them read."""
    return {**data, "annotations": [_copied(row) for row in data["annotations"]]}


def _copied(row: dict[str, Any]) -> dict[str, Any]:
    shape = row.get("segmentation")
    return dict(row) if shape is None else {**row, "segmentation": {**shape, "counts": shape["counts"].decode()}}


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds and the result."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def boxes(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Random boxes."""
    corner = rng.random((n, 2)) * [WIDTH * 0.7, HEIGHT * 0.7]
    return np.concatenate([corner, corner + 10 + rng.random((n, 2)) * 120], axis=1)


def masks(filled: NDArray[np.floating]) -> list[bytes]:
    """Run lengths of filled boxes."""
    xywh = np.concatenate([filled[:, :2], filled[:, 2:] - filled[:, :2]], axis=1).astype(np.float64)
    return [rle["counts"] for rle in coco_mask.frPyObjects(xywh, HEIGHT, WIDTH)]


def objects(rng: np.random.Generator, n: int) -> Detections:
    """A random reference."""
    filled = boxes(rng, n)
    return Detections(HEIGHT, WIDTH, filled, np.ones(n), rng.choice(CLASSES, n), masks(filled))


def detections(rng: np.random.Generator, counts: list[int]) -> DetectionBatch:
    """Random detections in some images, by falling score."""
    filled = boxes(rng, sum(counts))
    scores = np.concatenate([np.sort(rng.random(n))[::-1] for n in counts])
    ids = rng.choice(CLASSES, sum(counts))
    return DetectionBatch(HEIGHT, WIDTH, np.cumsum([0, *counts]), filled, scores, ids, masks(filled))


def datasets(images: list[Detections], wanted: Detections, iou: Iou) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ground truth and results as COCO data sets."""
    listed = [{"id": i + 1, "height": HEIGHT, "width": WIDTH} for i in range(len(images))]
    base = {"images": listed, "categories": [{"id": int(c), "name": str(c)} for c in CLASSES], "info": {}}
    truth = [shape(wanted, i, iou) | {"image_id": k + 1, "iscrowd": 0} for k in range(len(images)) for i in range(len(wanted))]
    results = [
        shape(one, i, iou) | {"image_id": k + 1, "iscrowd": 0, "score": float(one.scores[i])}
        for k, one in enumerate(images)
        for i in range(len(one))
    ]
    numbered = [[row | {"id": i + 1} for i, row in enumerate(rows)] for rows in (truth, results)]
    return {**base, "annotations": numbered[0]}, {**base, "annotations": numbered[1]}


def shape(side: Detections, i: int, iou: Iou) -> dict[str, Any]:
    """An object as a COCO annotation."""
    x1, y1, x2, y2 = side.boxes[i].tolist()
    row = {"category_id": int(side.category_ids[i]), "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
    assert side.masks is not None
    return row | ({"segmentation": {"size": [HEIGHT, WIDTH], "counts": side.masks[i]}} if iou == "segm" else {})


def scoring(rng: np.random.Generator, task: Task) -> dict[str, Any]:
    """Rows a second of checking and scoring one model's responses by each recipe, and of the labels over some models."""
    names = [f"degradation_{i}" for i in range(250)]
    sources = {str(i): source(rng, task, str(i)) for i in range(SOURCES)}
    keys = [(i, name) for i in sources for name in (ORIGINAL, *names)]
    labels = {i: label.index for i, image in sources.items() if (label := image.truth_for("cls"))}
    responses = responses_table(task, [Prediction(i, name, prediction(rng, task), labels.get(i)) for i, name in keys])
    sizes = dict.fromkeys(sources, (HEIGHT, WIDTH))
    rates: dict[str, Any] = {"what": "5 of 1000 classes" if task == "cls" else "30 detections, 10 true"}
    repeat = 20 if task == "cls" else 1

    def rate(function: Callable[[], Any], rows: int) -> float:
        function()  # compiles
        return repeat * rows / timed(lambda: [function() for _ in range(repeat)])[0]

    rates["checks"] = rate(lambda: check_responses(task, responses, sizes, {ORIGINAL, *names}), len(keys))
    for name, recipe in RECIPES.items():
        rates[name] = rate(lambda recipe=recipe: score_responses(task, responses, sources, recipe), len(keys))
    recipe = RECIPES["miqd_v1"]
    scores = score_responses(task, responses, sources, recipe)
    rows = [{"source_id": i, "degradation": name} for i, name in keys if name != ORIGINAL]
    variants = pa.Table.from_pylist(rows, schema=VARIANTS)
    models = {str(i): scores for i in range(MODELS)}
    weights = dict.fromkeys(models, 1.0)
    rates["labels"] = MODELS * rate(lambda: aggregate(task, variants, models, weights, recipe), len(rows))
    return rates


def source(rng: np.random.Generator, task: Task, source_id: str) -> SourceImage:
    """A source with ground truth for the task."""
    if task == "cls":
        return SourceImage(source_id, Path(source_id), ClassLabel(int(rng.integers(1000))))
    filled = boxes(rng, 10)
    truth = Annotations(HEIGHT, WIDTH, filled, rng.choice(CLASSES, 10), np.zeros(10, bool), masks(filled))
    return SourceImage(source_id, Path(source_id), truth)


def prediction(rng: np.random.Generator, task: Task) -> Classification | Detections:
    """A random prediction."""
    if task == "cls":
        odds = rng.random(1000) ** 30
        return Classification((odds / odds.sum()).astype(np.float32))
    filled = boxes(rng, 30).astype(np.float32)
    scores, ids = np.sort(rng.random(30).astype(np.float32))[::-1], rng.choice(CLASSES, 30).astype(np.int32)
    return Detections(HEIGHT, WIDTH, filled, scores, ids, masks(filled) if task == "ins" else None)


if __name__ == "__main__":
    main()
