"""Fixtures: a small rendered data set, a zoo of toy models, and the command line in a process of its own or in this one."""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from pipelines.cli import main as cli

ROOT = Path(__file__).resolve().parents[1]
os.environ["MIQD_TRUST"] = tempfile.gettempdir()  # modules and configs that tests write
SHARED = ROOT.parent / "shared"
COLOURS = {1: (230, 20, 20), 3: (20, 230, 20), 7: (20, 20, 230)}


@dataclass(frozen=True)
class DataSet:
    """A rendered data set on disk: images, COCO annotations, class labels."""

    folder: Path

    @property
    def images(self) -> Path:
        """Folder of the images."""
        return self.folder / "images"

    @property
    def annotations(self) -> Path:
        """COCO instances json."""
        return self.folder / "annotations.json"

    @property
    def labels(self) -> Path:
        """CSV of class labels."""
        return self.folder / "labels.csv"


def make_data_set(folder: Path, count: int = 4, size: tuple[int, int] = (48, 64)) -> DataSet:
    """Coloured rectangles on grey; the last image has no annotations."""
    rng = np.random.default_rng(7)
    data = DataSet(folder)
    data.images.mkdir(parents=True)
    height, width = size
    content: dict[str, list[dict[str, Any]]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": i, "name": str(i)} for i in COLOURS],
    }
    rows = [("file", "label")]
    for index in range(count):
        image = np.full((height, width, 3), 90 + 10 * index, np.uint8)
        image += rng.integers(0, 12, image.shape, dtype=np.uint8)
        name = f"scene_{index}.png"
        content["images"].append({"id": index + 1, "file_name": name, "height": height, "width": width})
        for slot, (category, colour) in enumerate(COLOURS.items()):
            if index == count - 1:
                break
            x, y = 3 + 20 * slot, 5 + int(rng.integers(0, 12))
            w, h = 12 + int(rng.integers(0, 5)), 15 + int(rng.integers(0, 10))
            image[y : y + h, x : x + w] = colour
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": index + 1,
                    "category_id": category,
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                    "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
                }
            )
        Image.fromarray(image).save(data.images / name)
        rows.append((name, str(round(float(image.mean()) / 16))))
    data.annotations.write_text(json.dumps(content))
    with data.labels.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return data


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """A fresh small data set."""
    return make_data_set(tmp_path / "data")


def toy_entry(name: str, task: str, target: str, value: float = 50.0, **kwargs: Any) -> dict[str, Any]:
    """Zoo entry of a toy model."""
    return {
        "name": name,
        "task": task,
        "backend": "python",
        "target": f"tests.toy_models:{target}",
        "arch_kwargs": kwargs,
        "metric": {"name": "score", "value": value, "source": "made up"},
    }


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """Zoo file of five toy models."""
    entries = [
        toy_entry("bright", "cls", "brightness", 80.0),
        toy_entry("bright2", "cls", "brightness", 40.0, gain=1.3),
        toy_entry("blobs", "det", "blobs", 50.0),
        toy_entry("blobs_strict", "det", "blobs", 25.0, threshold=140.0),
        toy_entry("blob_masks", "ins", "blobs", 30.0),
    ]
    return write_zoo(tmp_path / "zoo.yaml", entries)


def write_zoo(file: Path, entries: list[dict[str, Any]]) -> Path:
    """Write a zoo file."""
    file.write_text(yaml.safe_dump({"models": entries}))
    return file


@pytest.fixture
def run_file(tmp_path: Path, data: DataSet, zoo: Path) -> Path:
    """Run file over the small data set: 30 degradations, 2 sources a part, this process."""
    return write_run(tmp_path, data, zoo)


def write_run(folder: Path, data: DataSet, zoo: Path, **changes: Any) -> Path:
    """Write a run file; the class labels serve task cls."""
    fields: dict[str, Any] = {
        "out": "out",
        "seed": 3,
        "source": {"kind": "coco", "images": str(data.images), "annotations": str(data.annotations)},
        "roi": {"kind": "annotations"},
        "degradations": ["darkness_*", "gaussian_noise_?"],
        "zoo": [str(zoo)],
        "sources_per_part": 2,
        "scheduler": "inline",
        "tasks": {
            "cls": {
                "out": "out-cls",
                "roi": {"kind": "saliency"},
                "source": {"kind": "imagenet", "labels": str(data.labels), "annotations": None},
            }
        },
    } | changes
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump(fields))
    return file


@dataclass(frozen=True)
class Outcome:
    """What a command printed and returned."""

    code: int
    out: str
    err: str


@pytest.fixture
def miqd(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a ``miqd`` command in this process, through its real entry point."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["miqd", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        return Outcome(int(stopped.value.code or 0), printed.out, printed.err)

    return run


def part_bytes(folder: Path, table: str = "labels") -> dict[str, bytes]:
    """Content of a table's parts by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted((folder / table).rglob("*.parquet"))}
