"""Runs of other kinds: semantic segmentation, responses that are missing, a source without ground truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import miqd_builder as mb
from tests.conftest import COLOURS, make_data_set, toy_entry, write_run, write_zoo
from tests.exploring.reading import Page


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of task seg; the last of four images has no label PNG."""
    folder = tmp_path_factory.mktemp("regions")
    data = make_data_set(folder / "data")
    content = json.loads(data.annotations.read_text())
    (folder / "labels").mkdir()
    for image in content["images"][:-1]:
        values = np.zeros((image["height"], image["width"]), np.uint8)
        for annotation in (one for one in content["annotations"] if one["image_id"] == image["id"]):
            x, y, w, h = annotation["bbox"]
            values[y : y + h, x : x + w] = list(COLOURS).index(annotation["category_id"]) + 1
        Image.fromarray(values).save(folder / "labels" / image["file_name"])
    zoo = write_zoo(
        folder / "zoo.yaml", [toy_entry("colours", "seg", "colours"), toy_entry("pure", "seg", "colours", threshold=190.0)]
    )
    source = {"kind": "folder", "images": str(data.images), "labels": str(folder / "labels")}
    file = write_run(folder, data, zoo, source=source, roi={"kind": "saliency"}, degradations=["darkness_[135]"], tasks={})
    mb.label(task="seg", run=file)
    return folder / "out"


def test_classes_of_a_map_are_objects(regions: Path, tmp_path: Path) -> None:
    read = Page(mb.explore(regions, to=tmp_path / "page.html").page)
    known = read.pictured("scene_0")["tasks"]["seg"]
    arrays = read.arrays(known["models"])
    rows = mb.open_run(regions).responses("seg", model="colours").to_pylist()
    ordered = [
        next(row for row in rows if (row["source_id"], row["degradation"]) == ("scene_0", name))
        for name in [*read.names, "original"]
    ]
    assert arrays["0/categories"].tolist() == [number for row in ordered for number in row["category_ids"]]
    assert arrays["0/counts"].tolist() == [len(row["category_ids"]) for row in ordered]
    assert set(arrays["0/scores"].tolist()) == {1.0}
    original = slice(-int(arrays["0/counts"][-1]), None)
    assert arrays["0/own"][original].tolist() == [0, 1, 2, 3]
    assert arrays["0/truth"][original].tolist() == [0, 1, 2, 3], "the boxes are coloured as they are annotated"
    assert read.arrays(known["truth"])["categories"].tolist() == [0, 1, 2, 3]
    assert read.pictured("scene_3")["tasks"]["seg"]["truth"] is None


def test_a_missing_part_of_responses_costs_its_predictions(regions: Path, tmp_path: Path) -> None:
    [first, *_] = sorted((regions / "responses/task=seg/model=pure").iterdir())
    kept = first.rename(tmp_path / "kept")
    try:
        read = Page(mb.explore(regions, to=tmp_path / "page.html").page)
    finally:
        kept.rename(first)
    assert len(read.facts["pictured"]) == 4
    counts = {name: read.arrays(read.pictured(name)["tasks"]["seg"]["models"])["1/counts"] for name in ("scene_0", "scene_3")}
    assert counts["scene_0"].tolist() == [-1] * 4 and counts["scene_3"].min() > 0
