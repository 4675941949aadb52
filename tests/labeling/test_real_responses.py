"""Scores of real networks' predictions against COCOeval, image by image: on photographs where they are, else on demo scenes."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from miqd_builder.config import load_run
from miqd_builder.responses import Detections
from miqd_builder.sources import open_source
from miqd_builder.tables.responses import iterate_detections
from tests.conftest import ROOT, SHARED
from tests.labeling.coco_reference import coco_precision

REAL = SHARED / "real"
RUN = ROOT / ("pipelines/real.yaml" if REAL.is_dir() else "pipelines/demo.yaml")
MODELS = {"det": "yolox_nano", "ins": "yolo11n-seg"} if REAL.is_dir() else {"det": "*", "ins": "*"}
IOUS = {"det": "bbox", "ins": "segm"}


def read(file: Path) -> list[dict]:
    return pq.ParquetFile(file).read().to_pylist()


def expected(found: Detections, reference: Detections | None, iou: str) -> list[float | None]:
    """AP, AP50 and AP75 by COCOeval; None without a reference."""
    if reference is None:
        return [None] * 3
    precision = coco_precision(found, reference, iou)
    known = precision > -1
    rows = (slice(None), 0, 5)
    return [float(precision[row][known[row]].mean()) if known.any() else None for row in rows]


@pytest.mark.parametrize("task", ["det", "ins"])
def test_scores_equal_cocoeval(miqd, tmp_path: Path, task: str) -> None:
    if MODELS[task] == "yolo11n-seg":
        pytest.importorskip("ultralytics", reason="the optional extra ultralytics is not installed")
    result = miqd(
        "label", "--task", task, "--run", RUN, "--out", tmp_path, "--limit", 2, "--scheduler", "inline",
        "--set", "degradations=['contrast_?', 'glass_blur_[35]', 'jpeg_compression_fg_stronger_fg5_bg1']",
        "--set", f"models=['{MODELS[task]}']",
    )  # fmt: skip
    assert result.code == 0, result.out + result.err
    config = load_run(RUN, task=task, out=str(tmp_path))
    truths = {image.source_id: image.truth_for(task) for image in open_source(config.source).first(2).images}
    compared = 0
    for part in tmp_path.glob(f"responses/task={task}/*/*"):
        table = pq.ParquetFile(part).read()
        predictions = iterate_detections(table)
        keys = list(zip(table["source_id"].to_pylist(), table["degradation"].to_pylist(), strict=True))
        own = {
            source: prediction.above(0.3)
            for (source, name), prediction in zip(keys, predictions, strict=True)
            if name == "original"
        }
        scores = read(tmp_path / "scores" / part.relative_to(tmp_path / "responses"))
        for (source, _), prediction, score in zip(keys, predictions, scores, strict=True):
            first, truth = own[source], truths[source]
            references = {
                "consistency": first if len(first) else None,
                "accuracy": None if truth is None else truth.detections(masks=task == "ins"),
            }
            for measure, reference in references.items():
                if measure == "consistency" and reference is None:
                    continue
                columns = (measure, f"{measure}_ap50", f"{measure}_ap75")
                assert [score[c] for c in columns] == pytest.approx(expected(prediction, reference, IOUS[task]), abs=1e-9)
                compared += 1
    assert compared >= 27
