"""Clean metrics of the models of a zoo file on real photographs, beside the figures that a correct adapter must reproduce.

    nice python benchmarks/clean_metrics.py [--real ../shared/real] [--zoo ZOO]

Classifiers: top-1 on the prescaled and on the full-size photographs. Detectors and segmenters: COCO AP over all photographs.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import re
import time
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from miqd_builder.responses import Classification, Detections
from miqd_builder.zoo.adapters.base import Adapter
from miqd_builder.zoo.build import build
from miqd_builder.zoo.catalog import load_zoo
from miqd_builder.zoo.entry import ModelEntry

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
PRESCALED_SIDE = 227
CHUNK = 32


def main() -> None:
    """Measure every chosen model and print one row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, default=REAL, help="folder with coco/, imagenet/ and README.md")
    parser.add_argument("--zoo", type=Path, help="zoo file; default zoo.yaml in that folder")
    parser.add_argument("--models", nargs="*", default=["*"], help="names or patterns")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch on the CPU")
    arguments = parser.parse_args()
    if not arguments.real.is_dir():
        print(f"Skipped: there are no real photographs in '{arguments.real}'.")
        return
    torch.set_num_threads(arguments.threads)
    catalog = load_zoo([arguments.zoo or arguments.real / "zoo.yaml"])
    chosen = [entry for entry in catalog if any(fnmatchcase(entry.name, pattern) for pattern in arguments.models)]
    if not chosen:
        parser.error(f"no model matches {' '.join(arguments.models)}: the zoo has {', '.join(e.name for e in catalog)}")
    expected = expected_figures(arguments.real / "README.md")
    print(f"{'model':28} {'task':4} {'measured':28} {'expected':62} {'ms/image':>9}", flush=True)
    for entry in chosen:
        start = time.perf_counter()
        images, measured = measure(entry, arguments.real, arguments.device)
        pace = (time.perf_counter() - start) / images * 1000
        figures = "  ".join(f"{name} {value:.3f}" for name, value in measured.items())
        print(
            f"{entry.name:28} {entry.task:4} {figures:28} {expected_for(entry.name, expected)[:62]:62} {pace:9.0f}", flush=True
        )


def expected_figures(readme: Path) -> dict[str, str]:
    """Return the last column of the README's table by the entry in its first."""
    rows = [line.strip("| ").split("|") for line in readme.read_text().splitlines() if line.startswith("|")]
    return {re.sub(r" \(.*\)", "", cells[0].strip()): cells[-1].strip() for cells in rows}


def expected_for(name: str, expected: dict[str, str]) -> str:
    """Return what is expected of a model; ``<model>_boxes`` stands in the row of its model."""
    return expected.get(name) or expected.get(name.removesuffix("_boxes"), "?")


def measure(entry: ModelEntry, real: Path, device: str) -> tuple[int, dict[str, float]]:
    """Return the number of images and the metrics of one model by name."""
    if entry.task == "cls":
        return measure_top1(build(entry, device=device), real / "imagenet")
    annotations = next((real / "coco").glob("instances_*.json"))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
    model = build(entry, device=device, category_ids=sorted(truth.getCatIds()))
    return measure_ap(model, truth, real / "coco")


def measure_top1(model: Adapter, folder: Path) -> tuple[int, dict[str, float]]:
    """Return top-1 on the prescaled (``top1``) and the full-size images (``full``)."""
    with (folder / "labels.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    hits: dict[bool, list[bool]] = {True: [], False: []}
    for chunk in _chunks(rows):
        images = [read_image(_find(folder, row["file"])) for row in chunk]
        for row, image, prediction in zip(chunk, images, model.predict(images), strict=True):
            assert isinstance(prediction, Classification)
            hits[image.shape[:2] == (PRESCALED_SIDE, PRESCALED_SIDE)].append(
                int(prediction.probabilities.argmax()) == int(row["label"])
            )
    return len(rows), {"top1": float(np.mean(hits[True])), "full": float(np.mean(hits[False]))}


def measure_ap(model: Adapter, truth: COCO, folder: Path) -> tuple[int, dict[str, float]]:
    """Return COCO AP and AP50 (of boxes or masks, as the task says) over all images."""
    kind = "segm" if model.entry.task == "ins" else "bbox"
    results: list[dict[str, object]] = []
    infos = truth.loadImgs(sorted(truth.getImgIds()))
    for chunk in _chunks(infos):
        predictions = model.predict([read_image(_find(folder, info["file_name"])) for info in chunk])
        for info, prediction in zip(chunk, predictions, strict=True):
            assert isinstance(prediction, Detections)
            results += coco_results(info["id"], prediction)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return len(infos), {"AP": float(evaluation.stats[0]), "AP50": float(evaluation.stats[1])}


def coco_results(image_id: int, prediction: Detections) -> list[dict[str, object]]:
    """Return detections in the form of COCO's result files."""
    rows: list[dict[str, object]] = []
    for index in range(len(prediction)):
        x1, y1, x2, y2 = prediction.boxes[index].tolist()
        row: dict[str, object] = {
            "image_id": image_id,
            "category_id": int(prediction.category_ids[index]),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": float(prediction.scores[index]),
        }
        if prediction.masks is not None:
            row["segmentation"] = {"size": [prediction.height, prediction.width], "counts": prediction.masks[index].decode()}
        rows.append(row)
    return rows


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return an image as uint8 RGB."""
    return np.array(Image.open(path).convert("RGB"))


def _find(folder: Path, name: str) -> Path:
    return folder / name if (folder / name).exists() else next(folder.rglob(Path(name).name))


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    yield from (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


if __name__ == "__main__":
    main()
