"""The pictures of the report: outlines, names of classes, and runs of every kind."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from miqd_builder.auditing.document import read_document
from miqd_builder.auditing.page.overlay import THUMBNAIL, Shape, box_shapes, mask_shapes, overlay, thumbnail
from miqd_builder.auditing.page.pictures import Pictures, pictures
from miqd_builder.responses import Detections, encode_masks
from miqd_builder.sources.class_names import class_names, name_of
from miqd_builder.sources.config import SourceConfig
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from tests.auditing.documents import Page, statistic, task
from tests.auditing.documents import record as made
from tests.conftest import DataSet, Outcome, write_run

Miqd = Callable[..., Outcome]


def found(boxes: list[list[float]], masks: list[bytes] | None = None) -> Detections:
    count = len(boxes)
    return Detections(60, 80, np.array(boxes, float).reshape(-1, 4), np.full(count, 0.9), np.arange(count), masks)


def test_a_box_is_drawn_in_pixels_of_the_image() -> None:
    [shape] = box_shapes(found([[3, 5.25, 30, 40]]), ["cat"], below=False)
    assert shape == Shape("M3 5.2H30V40H3Z", "cat", 3.0, 5.2)
    assert box_shapes(found([[3, 5, 30, 40]]), ["cat"], below=True)[0].y == 40
    assert box_shapes(found([]), [], below=True) == []


def test_the_outline_of_a_mask_covers_it() -> None:
    mask = np.zeros((60, 80), bool)
    cv2.ellipse(canvas := mask.astype(np.uint8), (40, 30), (25, 12), 20, 0, 360, 1, -1)
    mask = canvas.astype(bool)
    [shape] = mask_shapes(found([[0, 0, 80, 60]], encode_masks(mask[None])), ["cat"], below=False)
    corners = np.array([[int(v) for v in pair.split()] for pair in re.findall(r"\d+ \d+", shape.path)])
    drawn = cv2.fillPoly(np.zeros((60, 80), np.uint8), [corners], 1).astype(bool)
    assert (drawn & mask).sum() / (drawn | mask).sum() > 0.95
    assert (shape.x, shape.y) == (np.flatnonzero(mask.any(0))[0], np.flatnonzero(mask.any(1))[0])


def test_a_thumbnail_is_small_and_the_same_each_time() -> None:
    rng = np.random.default_rng(0)
    pixels = cv2.GaussianBlur(rng.integers(0, 256, (480, 640, 3), dtype=np.uint8), (0, 0), 4)
    data = thumbnail(pixels)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (THUMBNAIL, THUMBNAIL * 3 // 4)
        small = cv2.resize(pixels, image.size, interpolation=cv2.INTER_AREA).astype(float)
        assert np.abs(np.asarray(image).astype(float) - small).mean() < 4
    assert thumbnail(pixels) == data and len(data) < 20_000


def test_a_picture_has_solid_truth_dashed_predictions_and_escaped_names() -> None:
    solid, dashed = Shape("M1 1H9V9H1Z", "<b>cat</b>", 1, 9), Shape("M2 2H8V8H2Z", "dog 0.90", 2, 2)
    svg = str(overlay(np.zeros((60, 80, 3), np.uint8), [solid], [dashed], label='a "b"'))
    assert '<path class="shape truth" d="M1 1H9V9H1Z"/>' in svg and '<path class="shape predicted" d="M2 2H8V8H2Z"/>' in svg
    assert "&lt;b&gt;cat&lt;/b&gt;</text>" in svg and "<b>" not in svg and 'aria-label="a &#34;b&#34;"' in svg
    assert 'viewBox="0 0 80 60"' in svg


def test_names_stay_inside_the_picture() -> None:
    shapes = [Shape("M1 1H9V9H1Z", "a long name 0.90", 75, 1), Shape("M1 1H9V9H1Z", "cat", 3, 30)]
    svg = str(overlay(np.zeros((60, 80, 3), np.uint8), [], shapes, label="x"))
    places = [(float(x), float(y)) for x, y in re.findall(r'<text class="of-predicted" x="([\d.]+)" y="([\d.]+)"', svg)]
    assert 0 <= places[0][0] < 80 - 16 * 80 / 24 * 0.5 and places[0][1] >= 80 / 24 - 0.1
    assert places[1] == (3.0, 29.0)


WNIDS = "file,label,wnid\na.png,0,n01440764\nb.png,1,{}\n"


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("file,label,name\na.png,4,tabby\nb.png,9,\n", {4: "tabby", 9: "class 9"}),
        (WNIDS.format("n01443537"), {0: "tench", 1: "goldfish", 999: "toilet tissue"}),
        (WNIDS.format("n01440764"), {0: "class 0", 1: "class 1"}),
        ("file,label\na.png,4\n", {4: "class 4"}),
        ("file,label\na.png,four\n", {4: "class 4"}),
    ],
)
def test_classes_are_named_by_the_label_file(tmp_path: Path, content: str, names: dict[int, str]) -> None:
    (tmp_path / "labels.csv").write_text(content)
    known = class_names(SourceConfig(kind="imagenet", images=tmp_path, labels=tmp_path / "labels.csv"))
    assert {index: name_of(known, index) for index in names} == names


@pytest.mark.parametrize(
    ("folders", "names"),
    [(["n01443537", "n01440764"], {0: "tench", 1: "goldfish"}), (["dogs", "cats"], {0: "cats", 1: "dogs"})],
)
def test_classes_are_named_by_their_folders(tmp_path: Path, folders: list[str], names: dict[int, str]) -> None:
    for name in folders:
        (tmp_path / name).mkdir()
    known = class_names(SourceConfig(kind="imagenet", images=tmp_path))
    assert {index: known[index] for index in names} == names


def test_categories_are_named_by_the_annotations(data: DataSet) -> None:
    assert class_names(SourceConfig(kind="coco", images=data.images, annotations=data.annotations)) == {1: "1", 3: "3", 7: "7"}
    assert class_names(SourceConfig(kind="coco", images=data.images, annotations=data.folder / "gone.json")) == {}


def audited(miqd: Miqd, out: Path, task: str) -> Pictures:
    assert miqd("audit", "--out", out, "--resamples", 20).code == 0
    folder = RunFolder(str(out))
    record = RunRecord.load(folder)
    assert record is not None
    return pictures(folder, record, task, read_document(folder).tasks[task])


def test_detections_are_drawn_as_they_are_stored(miqd: Miqd, run_file: Path, tmp_path: Path, data: DataSet) -> None:
    assert miqd("label", "--task", "det", "--run", run_file).code == 0
    shown = audited(miqd, tmp_path / "out", "det")
    assert shown.solid == "annotated" and "blobs, the model of the largest weight" in shown.dashed and shown.drawn
    assert {pair[0].title.split(":")[0] for pair in shown.pairs} == {"darkness", "gaussian noise"}
    annotations = json.loads(data.annotations.read_text())["annotations"]
    for picture in (one for pair in shown.pairs for one in pair):
        number = int(picture.lines[0].removeprefix("scene_")) + 1
        truth = [[b["bbox"][0], b["bbox"][1]] for b in annotations if b["image_id"] == number]
        drawn = re.findall(r'"shape truth" d="M([\d.]+) ([\d.]+)H', str(picture.svg))
        assert [[float(x), float(y)] for x, y in drawn] == truth
        assert len(re.findall('class="shape predicted"', str(picture.svg))) == int(picture.lines[2].split()[0])


def test_a_picture_shows_the_stored_image(miqd: Miqd, run_file: Path, tmp_path: Path) -> None:
    assert miqd("label", "--task", "ins", "--run", run_file).code == 0
    out = tmp_path / "out"
    shown = audited(miqd, out, "ins")
    records = read_document(RunFolder(str(out))).tasks["ins"].statistics["extremes"].records
    for picture in (one for pair in shown.pairs for one in pair):
        title, _, value = picture.title.rpartition(", ")
        record = next(r for r in records if f"{r.distortion}: {r.label}".replace("_", " ") == title)
        assert value == f"{record.value:.3f}"
        drawn = _smooth(_decoded(str(picture.svg)))
        apart = {file.name: np.abs(_smooth(_read(file)) - drawn).mean() for file in out.glob("images/*/*.png")}
        assert apart[f"{record.source_id}_{record.degradation}.png"] == min(apart.values()) < 8  # others may be equal
    outlines = [path for pair in shown.pairs for one in pair for path in re.findall(r'"shape truth" d="([^"]+)"', str(one.svg))]
    assert outlines and all("L" in path and "H" not in path for path in outlines)


def _decoded(svg: str) -> Any:
    data = re.search(r"base64,([^\"]+)", svg)
    assert data is not None
    return _read(io.BytesIO(base64.b64decode(data[1])))


def _read(file: Path | io.BytesIO) -> Any:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def _smooth(pixels: Any) -> Any:
    """Without what WebP leaves out."""
    return cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), 1.5)


def test_a_run_without_images_shows_the_same(miqd: Miqd, data: DataSet, zoo: Path, tmp_path: Path) -> None:
    shown = []
    for images in ("png", "none"):
        folder = tmp_path / images
        folder.mkdir()
        assert miqd("label", "--task", "det", "--run", write_run(folder, data, zoo, images=images)).code == 0
        shown.append(audited(miqd, folder / "out", "det").pairs)
    assert shown[0] == shown[1]


def test_classifiers_are_counted_by_their_class(miqd: Miqd, run_file: Path, tmp_path: Path) -> None:
    assert miqd("label", "--task", "cls", "--run", run_file).code == 0
    shown = audited(miqd, tmp_path / "out-cls", "cls")
    lines = shown.pairs[0][0].lines
    assert lines[2].startswith("truth: class ") and lines[3].startswith("predicted: class ") and "of 2)" in lines[3]
    assert lines[4].startswith("on the original: class ") and not shown.drawn


def test_a_source_that_is_gone_is_a_reason(miqd: Miqd, data: DataSet, zoo: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, data, zoo, images="none")
    assert miqd("label", "--task", "det", "--run", run).code == 0
    shutil.rmtree(data.images)
    shown = audited(miqd, tmp_path / "out", "det")
    assert not shown.pairs and str(data.images) in shown.reason
    read = Page((tmp_path / "out/report/index.html").read_text())
    assert f"Not here: pictures. Reason: {shown.reason}." in read.text


def test_a_run_without_ground_truth_draws_what_was_predicted_on_the_original(
    miqd: Miqd, data: DataSet, zoo: Path, tmp_path: Path
) -> None:
    run = write_run(tmp_path, data, zoo, source={"kind": "folder", "images": str(data.images)}, roi={"kind": "saliency"})
    assert miqd("label", "--task", "det", "--run", run).code == 0
    shown = audited(miqd, tmp_path / "out", "det")
    assert shown.solid == "predicted by blobs on the original"
    assert "No ground truth: predictions on the original are drawn in its place" in shown.notes
    read = Page((tmp_path / "out/report/index.html").read_text())
    assert "mean consistency falls by" in read.text and "mean accuracy" not in read.text.split("Brackets are")[0]


def test_an_image_that_the_run_doesnt_know_is_a_reason(miqd: Miqd, run_file: Path, tmp_path: Path) -> None:
    assert miqd("label", "--task", "det", "--run", run_file).code == 0
    folder = RunFolder(str(tmp_path / "out"))
    record = RunRecord.load(folder)
    assert record is not None
    for keys in ({"source_id": "scene_9", "degradation": "darkness_1"}, {"source_id": "scene_1", "degradation": "fog_1"}):
        of = task({"extremes": statistic([made("worst", 0.5, distortion="fog", **keys)])})
        shown = pictures(folder, record, "det", of)
        assert not shown.pairs and ("scene_9" in shown.reason or "fog_1" in shown.reason)
