"""Damage of every kind is found, and the file is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from miqd_builder.roi.stored import encode_mask
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer, read_part, write_part
from miqd_builder.store.verification import verify_folder
from tests.conftest import DataSet, toy_entry, write_run, write_zoo

LABELS = "labels/task=cls/part-00000.parquet"
FILES = {
    "run.json": "run.json",
    "variants": "variants/part-00000.parquet",
    "responses": "responses/task=cls/model=flaky/part-00000.parquet",
    "scores": "scores/task=cls/model=fine/part-00001.parquet",
    "labels": LABELS,
    "quarantine": "quarantine/respond-cls-flaky-part-00000.parquet",
    "ROI mask": "roi/scene_1.png",
    "image": "images/scene_0/scene_0_darkness_2.png",
}


@pytest.fixture
def out(miqd, data: DataSet, tmp_path: Path) -> Path:
    """A run folder with two models, one of which fails on some images."""
    zoo = write_zoo(tmp_path / "zoo.yaml", [toy_entry("flaky", "cls", "flaky"), toy_entry("fine", "cls", "brightness")])
    run = write_run(tmp_path, data, zoo, degradations=["darkness_[25]", "contrast_3"])
    assert miqd("label", "--task", "cls", "--run", run).code == 2
    return tmp_path / "out-cls"


def problems(out: Path) -> dict[str, str]:
    return {name: problem for name, problem in verify_folder(RunFolder(str(out))) if problem is not None}


@pytest.mark.parametrize("kind", FILES)
def test_a_changed_byte_is_found_wherever_it_is(out: Path, kind: str) -> None:
    path = out / FILES[kind]
    content = path.read_bytes()
    assert problems(out) == {}
    rng = np.random.default_rng(11)
    places = {0, 3, 5, len(content) - 1, len(content) - 6, *rng.integers(0, len(content), 12).tolist()}
    for place in sorted(places):
        changed = bytearray(content)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        found = problems(out)
        assert FILES[kind] in found, f"byte {place} of {len(content)}"
        assert all("was not made from" in what for name, what in found.items() if name != FILES[kind])


def test_masks_of_nobody(out: Path) -> None:
    (out / "roi/scene_9.png").write_bytes((out / "roi/scene_1.png").read_bytes())
    (out / "roi/scene_1.png").write_bytes(encode_mask(np.zeros((9, 9), np.uint8), ""))
    assert problems(out) == {
        "roi/scene_9.png": "is no mask of an image of this run: delete it",
        "roi/scene_1.png": "doesn't say what it was made from: delete it",
    }
    for name in ("scene_1", "scene_9"):
        (out / f"roi/{name}.png").unlink()
    assert problems(out) == {}, "masks that aren't there are computed when they are needed"


def test_verify_prints_what_is_wrong(miqd, out: Path) -> None:
    path = out / LABELS
    path.write_bytes(path.read_bytes()[:-20])
    result = miqd("verify", "--out", out)
    assert result.code == 2
    assert f"{LABELS} is damaged" in result.out and "1 with problems" in result.out


def test_a_damaged_part_is_not_read(out: Path, miqd) -> None:
    path = out / LABELS
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    result = miqd("audit", "--out", out)
    assert result.code == 1 and "can't be read" in result.err and "Traceback" not in result.err


def test_a_part_in_another_part_s_place(out: Path) -> None:
    shutil.copy(out / FILES["variants"], out / "variants/part-00001.parquet")
    assert "which run.json doesn't put into this part" in problems(out)["variants/part-00001.parquet"]


def test_a_missing_row(out: Path) -> None:
    folder, name = RunFolder(str(out)), FILES["variants"]
    footer = read_footer(folder, name)
    assert footer is not None
    write_part(folder, name, read_part(folder, name)[1:], footer.lineage, extra=footer.extra)
    assert "has 5 rows, its 2 images ask for 6" in problems(out)[name]


def test_a_part_made_from_another_state(out: Path) -> None:
    folder, name = RunFolder(str(out)), "responses/task=cls/model=fine/part-00000.parquet"
    footer = read_footer(folder, name)
    assert footer is not None
    write_part(folder, name, read_part(folder, name)[1:], footer.lineage, complete=False)
    score = "scores/task=cls/model=fine/part-00000.parquet"
    assert problems(out) == {score: f"was not made from the '{name}' that is there: run 'miqd label' again"}


def test_other_files_among_the_parts(out: Path) -> None:
    (out / "labels/task=cls/notes.parquet").write_text("x")
    assert problems(out) == {"labels/task=cls/notes.parquet": "is no part of this project: delete it"}


def test_images_that_are_missing(out: Path) -> None:
    (out / FILES["image"]).unlink()
    assert list(problems(out)) == [FILES["image"]]


def test_run_json_that_was_edited(out: Path) -> None:
    record = json.loads((out / "run.json").read_text())
    record["seed"] += 1
    (out / "run.json").write_text(json.dumps(record, indent=1))
    assert "checksum" in problems(out)["run.json"]
