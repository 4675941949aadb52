"""Task seg from images and label PNGs to labels, on toy models and on a small mmseg model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from miqd_builder.responses import Segmentation, decode_masks
from miqd_builder.zoo.build import build
from tests.conftest import COLOURS, DataSet, part_bytes, toy_entry, write_run, write_zoo
from tests.pipelines.test_bad_input import one_line
from tests.pipelines.test_end_to_end import LABEL_COLUMNS, read
from tests.zoo.small_models import SMALL_MODELS

TABLES = ("variants", "responses", "scores", "labels")
KEY = ["source_id", "degradation"]


@pytest.fixture
def labels(data: DataSet) -> Path:
    """Palette PNGs of all images but the last: 0 is background, 1 to 3 the coloured boxes, 255 the left border."""
    folder = data.folder / "labels"
    folder.mkdir()
    content = json.loads(data.annotations.read_text())
    for image in content["images"][:-1]:
        values = np.zeros((image["height"], image["width"]), np.uint8)
        for annotation in content["annotations"]:
            if annotation["image_id"] == image["id"]:
                x, y, w, h = annotation["bbox"]
                values[y : y + h, x : x + w] = list(COLOURS).index(annotation["category_id"]) + 1
        values[:, :2] = 255
        palette = Image.fromarray(values, mode="P")
        palette.putpalette([(13 * i) % 256 for i in range(768)])
        palette.save(folder / image["file_name"])
    return folder


@pytest.fixture
def toys(tmp_path: Path) -> Path:
    """Zoo file of two toy segmenters, the first of which notes each image that it sees."""
    entries = [
        toy_entry("colours", "seg", "colours", 60.0, log=str(tmp_path / "seen.log")),
        toy_entry("pure_colours", "seg", "colours", 30.0, threshold=190.0),
    ]
    return write_zoo(tmp_path / "toys.yaml", entries)


@pytest.fixture
def seg_run(tmp_path: Path, data: DataSet, labels: Path, toys: Path) -> Path:
    """Run file: folder source with label PNGs, five degradations, this process."""
    return write_seg_run(tmp_path, data, toys, labels)


def write_seg_run(folder: Path, data: DataSet, zoo: Path, label_folder: Path, **source: Any) -> Path:
    """Write a run file of task seg; fields of the source may be given."""
    wanted = {"kind": "folder", "images": str(data.images), "labels": str(label_folder)} | source
    changes = {"source": wanted, "roi": {"kind": "saliency"}, "degradations": ["darkness_?"], "tasks": {}}
    return write_run(folder, data, zoo, **changes)


def seen(folder: Path) -> int:
    return len((folder / "seen.log").read_text().split())


def test_every_table_has_its_columns(miqd, seg_run: Path, tmp_path: Path) -> None:
    result = miqd("label", "--task", "seg", "--run", seg_run)
    assert result.code == 0, result.err
    assert "1 of 4 images have no label PNG, their accuracy stays empty: 'scene_3.png'" in result.out
    out = tmp_path / "out"
    responses = pq.ParquetFile(out / "responses/task=seg/model=colours/part-00000.parquet").schema_arrow
    assert responses.names == [*KEY, "height", "width", "category_ids", "masks"]
    assert [str(responses.field(name).type.value_type) for name in ("category_ids", "masks")] == ["int32", "binary"]
    scores = pq.ParquetFile(out / "scores/task=seg/model=colours/part-00000.parquet").schema_arrow
    assert scores.names == [*KEY, "consistency", "accuracy"]
    assert pq.ParquetFile(out / "labels/task=seg/part-00000.parquet").schema_arrow.names == [*LABEL_COLUMNS, "recipe"]
    rows = read(out, "labels/task=seg/*")
    assert len(rows) == 4 * 5 and {row["n_models"] for row in rows} == {2}
    assert {row["source_id"]: row["composite"] is None for row in rows} == {f"scene_{i}": i == 3 for i in range(4)}
    assert min(row["consistency_weighted"] for row in rows) < 1


def test_scores_are_those_of_the_stored_maps(miqd, seg_run: Path, labels: Path, tmp_path: Path) -> None:
    """mIoU computed anew from the responses table and the label PNGs, pixel by pixel."""
    miqd("label", "--task", "seg", "--run", seg_run)
    for model in ("colours", "pure_colours"):
        predictions = {
            (r["source_id"], r["degradation"]): Segmentation(r["height"], r["width"], r["category_ids"], r["masks"]).to_map()
            for r in read(tmp_path / "out", f"responses/task=seg/model={model}/*")
        }
        scores = read(tmp_path / "out", f"scores/task=seg/model={model}/*")
        assert len(scores) == len(predictions) == 4 * 6
        for row in scores:
            found = predictions[row["source_id"], row["degradation"]]
            own = predictions[row["source_id"], "original"]
            assert row["consistency"] == pytest.approx(miou(found, own), abs=1e-12)
            assert row["consistency"] == 1.0 or row["degradation"] != "original"
            png = labels / f"{row['source_id']}.png"
            expected = pytest.approx(miou(found, np.array(Image.open(png))), abs=1e-12) if png.exists() else None
            assert row["accuracy"] == expected


def miou(found: np.ndarray, wanted: np.ndarray) -> float:
    counted = (wanted != 255) & (wanted >= 0)
    ratios = []
    for category_id in np.unique(wanted[counted]):
        a, b = (found == category_id) & counted, (wanted == category_id) & counted
        ratios.append((a & b).sum() / (a | b).sum())
    return float(np.mean(ratios))


def test_second_run_computes_nothing_and_changes_no_byte(miqd, seg_run: Path, tmp_path: Path) -> None:
    miqd("label", "--task", "seg", "--run", seg_run)
    before = {table: part_bytes(tmp_path / "out", table) for table in TABLES}
    assert seen(tmp_path) == 4 * 6
    assert miqd("label", "--task", "seg", "--run", seg_run).code == 0
    assert seen(tmp_path) == 4 * 6
    assert before == {table: part_bytes(tmp_path / "out", table) for table in TABLES}


def test_a_corrected_label_png_costs_no_model(miqd, seg_run: Path, labels: Path, tmp_path: Path) -> None:
    miqd("label", "--task", "seg", "--run", seg_run)
    before = {row["source_id"]: row["accuracy_mean"] for row in read(tmp_path / "out", "labels/task=seg/*")}
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(labels / "scene_0.png")
    assert miqd("label", "--task", "seg", "--run", seg_run).code == 0
    after = {row["source_id"]: row["accuracy_mean"] for row in read(tmp_path / "out", "labels/task=seg/*")}
    assert {name for name in before if before[name] != after[name]} == {"scene_0"}
    assert seen(tmp_path) == 4 * 6


def test_audit_status_and_verify_know_the_task(miqd, seg_run: Path, tmp_path: Path) -> None:
    miqd("label", "--task", "seg", "--run", seg_run)
    assert miqd("audit", "--run", seg_run).code == 0
    assert "Semantic segmentation" in (tmp_path / "out/report/index.html").read_text()
    assert "responses/task=seg/model=pure_colours" in miqd("status", "--run", seg_run).out
    assert miqd("verify", "--run", seg_run).code == 0


def wrong_label_pngs() -> dict[str, tuple[Image.Image, str]]:
    values = np.zeros((48, 64), np.uint8)
    return {
        "size": (Image.fromarray(values[:-1]), "'scene_1.png' is 64x47 pixels, its image 64x48"),
        "colours": (Image.fromarray(np.zeros((48, 64, 3), np.uint8)), "'scene_1.png' holds colours (mode RGB)"),
    }


@pytest.mark.parametrize(("image", "message"), wrong_label_pngs().values(), ids=wrong_label_pngs().keys())
def test_a_wrong_label_png_costs_one_image_and_is_retried(
    miqd, seg_run: Path, labels: Path, tmp_path: Path, image: Image.Image, message: str
) -> None:
    good = (labels / "scene_1.png").read_bytes()
    image.save(labels / "scene_1.png")
    assert miqd("label", "--task", "seg", "--run", seg_run).code == 2
    failed = miqd("status", "--run", seg_run, "--failed").out
    assert f"respond scene_1 colours: UnreadableImageError: Label map {message}" in failed
    rows = read(tmp_path / "out", "labels/task=seg/*")
    assert {row["source_id"] for row in rows if row["n_models"]} == {"scene_0", "scene_2", "scene_3"}
    assert {row["composite"] for row in rows if row["source_id"] == "scene_1"} == {None}
    (labels / "scene_1.png").write_bytes(good)
    assert miqd("label", "--task", "seg", "--run", seg_run).code == 0
    miqd("label", "--task", "seg", "--run", seg_run, "--out", tmp_path / "undisturbed")
    assert part_bytes(tmp_path / "out") == part_bytes(tmp_path / "undisturbed")


def test_a_label_png_that_broke_later_is_quarantined(miqd, seg_run: Path, labels: Path, tmp_path: Path) -> None:
    miqd("label", "--task", "seg", "--run", seg_run)
    before = part_bytes(tmp_path / "out")
    good = (labels / "scene_1.png").read_bytes()
    (labels / "scene_1.png").write_bytes(good[:60])
    assert miqd("label", "--task", "seg", "--run", seg_run).code == 2
    assert (
        "colours: UnreadableImageError: Label map 'scene_1.png' is damaged" in miqd("status", "--run", seg_run, "--failed").out
    )
    (labels / "scene_1.png").write_bytes(good)
    assert miqd("label", "--task", "seg", "--run", seg_run).code == 0
    assert part_bytes(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"kind": "imagenet"}, "Task 'seg' has no ground truth in source.kind imagenet"),
        ({"kind": "coco"}, "Task 'seg' has no ground truth in source.kind coco"),
        ({"labels": "nowhere"}, "nowhere' is no folder: for source.kind folder, source.labels"),
        ({"category_ids": ["0-x"]}, "source.category_ids"),
    ],
)
def test_wrong_settings(miqd, tmp_path: Path, data: DataSet, labels: Path, toys: Path, source: dict, message: str) -> None:
    result = miqd("label", "--task", "seg", "--run", write_seg_run(tmp_path, data, toys, labels, **source))
    assert result.code == 1 and message in one_line(result.err)
    assert not (tmp_path / "out").exists()


def mmseg_entry(folder: Path, classes: int) -> dict[str, Any]:
    """Zoo entry of a small SegFormer with a checkpoint on disk."""
    model = SMALL_MODELS["mmseg-segformer"]
    options = model.cfg_options | {"model.decode_head.num_classes": classes}
    entry = model.model_copy(update={"cfg_options": options})
    torch.save(build(entry, random_weights=True).model.state_dict(), folder / f"segformer{classes}.pth")
    return {
        "name": f"segformer{classes}",
        "task": "seg",
        "backend": "mmseg",
        "config": entry.config,
        "cfg_options": {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()},
        "checkpoint": {"path": f"segformer{classes}.pth"},
        "metric": {"name": "mIoU", "value": 10.0, "source": "made up"},
    }


def test_an_mmseg_model_and_a_python_model_label_together(miqd, tmp_path: Path, data: DataSet, labels: Path) -> None:
    """The label PNGs count from 10; the classes of both models follow by position."""
    for path in labels.glob("*.png"):
        values = np.array(Image.open(path))
        Image.fromarray(np.where(values == 255, 255, values + 10).astype(np.uint8)).save(path)
    zoo = write_zoo(tmp_path / "zoo.yaml", [mmseg_entry(tmp_path, 4), toy_entry("tens", "seg", "colours")])
    run = write_seg_run(tmp_path, data, zoo, labels, category_ids=["10-13"])
    result = miqd("label", "--task", "seg", "--run", run, "--limit", 2)
    assert result.code == 0, result.err
    out = tmp_path / "out"
    for model, answered in {"segformer4": 1, "tens": 4}.items():
        rows = read(out, f"responses/task=seg/model={model}/*")
        assert len(rows) == 2 * 6
        ids = {i for row in rows for i in row["category_ids"]}
        assert ids <= {10, 11, 12, 13} and len(ids) >= answered
        for row in rows:
            assert (decode_masks(row["masks"], row["height"], row["width"]).sum(axis=0) == 1).all()
    scores = {model: read(out, f"scores/task=seg/model={model}/*") for model in ("segformer4", "tens")}
    assert all(row["consistency"] == 1.0 for rows in scores.values() for row in rows if row["degradation"] == "original")
    assert min(row["accuracy"] for row in scores["tens"] if row["degradation"] == "original") > 0.9
    assert {row["n_models"] for row in read(out, "labels/task=seg/*")} == {2}


def test_a_model_of_other_classes_is_one_line(miqd, tmp_path: Path, data: DataSet, labels: Path) -> None:
    zoo = write_zoo(tmp_path / "zoo.yaml", [mmseg_entry(tmp_path, 5)])
    run = write_seg_run(tmp_path, data, zoo, labels, category_ids=["0-3"])
    result = miqd("label", "--task", "seg", "--run", run, "--limit", 1)
    assert result.code == 1
    assert "Model 'segformer5' has 5 classes but the annotations have 4 categories" in one_line(result.err)
