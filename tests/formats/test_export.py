"""The exported tree, read as the published training code reads it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from miqd_builder.sources.png import decode_png
from pipelines.stages.export_part import link_or_copy
from tests.conftest import Outcome
from tests.formats.conftest import PUBLISHED_TASKS, Labelled, label

Miqd = Callable[..., Outcome]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_published(root: Path, task: str, split: str) -> dict[str, tuple[float, Path, Path]]:
    """Composite label, degraded image and original of each sample, by the rules of the published readers.

    Names of the split lead to originals and label files; detection fills names with zeros, joins accuracy and consistency by
    row, and lends its images to instance segmentation.
    """
    found = {}
    for row in rows(root / "dataset_splitting" / f"miqa_{task}_{split}.csv"):
        labels = root / f"miqa_{task}" / "labels"
        if task == "cls":
            images, name = root / "miqa_cls", row["Image Name"]
            original, stem = images / "src_images" / name, Path(name).stem
            samples = [
                (
                    images / "images" / r["dist_images"],
                    0.5 * float(r["weighted_consistency"]) + 0.5 * float(r["weighted_accuracy"]),
                )
                for r in rows(labels / f"{stem}_mmos.csv")
            ]
        else:
            index = row["Image Index"]
            images, stem = root / "miqa_det", str(int(index) if index.isdigit() else index).zfill(12)
            original = images / "src_images" / f"{stem}.jpg"
            accuracy, consistency = (rows(labels / f"{stem}_{m}.csv") for m in ("accuracy", "consistency"))
            samples = [
                (
                    images / "images" / stem / a["filename"],
                    0.5 * float(a["AP_weighted_avg"]) + 0.5 * float(c["AP_weighted_avg"]),
                )
                for a, c in zip(accuracy, consistency, strict=True)
            ]
        found |= {path.name: (value, path, original) for path, value in samples}
    return found


@pytest.mark.parametrize("task", PUBLISHED_TASKS)
def test_published_reader_gets_every_composite_label(labelled: Labelled, exported: Path, task: str) -> None:
    train, val = (read_published(exported, task, split) for split in ("train", "val"))
    assert train and val and not set(train) & set(val)
    expected = {
        Path(r["file_name"]).name: r["composite"] for r in labelled.labels(task).to_pylist() if r["composite"] is not None
    }
    assert {name: value for name, (value, _, _) in {**train, **val}.items()} == expected
    for name, (_, degraded, original) in {**train, **val}.items():
        kept = labelled.out(task) / "images" / name.rsplit("_darkness", 1)[0].rsplit("_gaussian", 1)[0] / name
        assert np.array_equal(np.asarray(Image.open(degraded)), decode_png(kept.read_bytes()))
        assert Image.open(original).size == Image.open(degraded).size


@pytest.mark.parametrize("task", ["det", "ins"])
def test_both_files_have_the_same_rows_and_every_model(exported: Path, task: str) -> None:
    labels = exported / f"miqa_{task}" / "labels"
    models = {"det": ["blobs_a", "blobs_b", "blobs_c"], "ins": ["masks_a", "masks_b"]}[task]
    columns = ["filename", "AP_weighted_avg", "AP50_weighted_avg", "AP75_weighted_avg", *(f"AP_{m}" for m in models)]
    for accuracy in sorted(labels.glob("*_accuracy.csv")):
        consistency = accuracy.with_name(accuracy.name.replace("accuracy", "consistency"))
        assert [r["filename"] for r in rows(accuracy)] == [r["filename"] for r in rows(consistency)]
        assert list(rows(accuracy)[0]) == list(rows(consistency)[0]) == columns
        assert len(accuracy.name.removesuffix("_accuracy.csv")) == 12
    assert len(list(labels.iterdir())) == 8


def test_detection_tree_has_the_annotations_its_reader_opens(labelled: Labelled, exported: Path) -> None:
    content = json.loads((exported / "miqa_det/additional_info/instances_val2017.json").read_text())
    assert content == json.loads((labelled.folder / "data/annotations.json").read_text())


def test_image_without_ground_truth_is_in_no_split_but_keeps_its_consistency(exported: Path) -> None:
    listed = [r["Image Index"] for s in ("train", "val") for r in rows(exported / f"dataset_splitting/miqa_det_{s}.csv")]
    assert sorted(listed) == ["00000scene_0", "00000scene_1", "00000scene_2"]
    labels = exported / "miqa_det/labels"
    assert {r["AP_weighted_avg"] for r in rows(labels / "00000scene_3_accuracy.csv")} == {""}
    assert "" not in {r["AP_weighted_avg"] for r in rows(labels / "00000scene_3_consistency.csv")}


def test_second_export_writes_only_what_is_missing_or_wrong(miqd: Miqd, labelled: Labelled, tmp_path: Path) -> None:
    command = ("export", "--out", labelled.out("det"), "--task", "det", "--to", tmp_path)
    first = miqd(*command)
    assert first.code == 0 and "(120 new)" in first.out
    wrong, gone = (tmp_path / f"miqa_det/labels/00000scene_{i}_accuracy.csv" for i in (0, 1))
    image = tmp_path / "miqa_det/images/00000scene_1/scene_1_darkness_2.png"
    right = {path: path.read_bytes() for path in (wrong, gone, image)}
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "miqa_det").rglob("*") if p.suffix in (".png", ".csv", ".jpg")}
    wrong.write_bytes(right[wrong][:-9])
    gone.unlink()
    image.unlink()
    assert "(1 new)" in miqd(*command).out
    assert {path: path.read_bytes() for path in right} == right
    assert all(path.stat().st_mtime_ns == time for path, time in times.items() if path not in (wrong, gone))
    assert not list(tmp_path.rglob("*.tmp"))


def test_run_without_kept_images_gives_the_same_tree(miqd: Miqd, labelled: Labelled, exported: Path, tmp_path: Path) -> None:
    out, to = tmp_path / "memory", tmp_path / "to"
    label(labelled.run, ("det",), out=str(out), images="none")
    command = ("export", "--out", out, "--task", "det", "--to", to, "--val-fraction", "0.25")
    assert "(120 new)" in miqd(*command).out
    wanted = {p.relative_to(exported): p for p in (exported / "miqa_det").rglob("*") if p.is_file() and p.name != "export.json"}
    assert {p.relative_to(to) for p in (to / "miqa_det").rglob("*") if p.is_file() and p.name != "export.json"} == set(wanted)
    assert all((to / name).read_bytes() == path.read_bytes() for name, path in wanted.items())
    damaged = to / "miqa_det/images/00000scene_2/scene_2_darkness_4.png"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    assert "(1 new)" in miqd(*command).out
    assert damaged.read_bytes() == wanted[damaged.relative_to(to)].read_bytes()


def test_labels_of_another_run_are_not_put_beside_its_images(miqd: Miqd, labelled: Labelled, tmp_path: Path) -> None:
    label(labelled.run, ("ins",), out=str(tmp_path / "run"), seed=4, limit=1)
    assert miqd("export", "--out", labelled.out("det"), "--task", "det", "--to", tmp_path / "to").code == 0
    refused = miqd("export", "--out", tmp_path / "run", "--to", tmp_path / "to")
    assert refused.code == 1 and "another run" in refused.err and refused.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "voc"), "Unknown format 'voc'"),
        (("--task", "seg"), "no task 'seg'"),
        (("--task", "cls"), "no labels for task cls"),
        (("--set", "source.images=/nowhere"), "doesn't exist"),
    ],
)
def test_wrong_use_is_one_line(miqd: Miqd, labelled: Labelled, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    result = miqd("export", "--out", labelled.out("det"), "--to", tmp_path / "to", *options)
    assert result.code == 1 and message in result.err and result.err.count("\n") == 1
    assert not (tmp_path / "to").exists()


def test_missing_stored_image_is_named(miqd: Miqd, labelled: Labelled, tmp_path: Path) -> None:
    label(labelled.run, ("ins",), out=str(tmp_path / "run"), limit=1)
    (tmp_path / "run/images/scene_0/scene_0_darkness_3.png").unlink()
    result = miqd("export", "--out", tmp_path / "run", "--to", tmp_path / "to")
    assert result.code == 1 and "scene_0_darkness_3.png" in result.err


def test_files_are_copied_to_another_file_system(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system at /dev/shm")
    source, target = tmp_path / "image.png", other / f"miqd-{tmp_path.name}" / "image.png"
    source.write_bytes(b"pixels")
    try:
        assert link_or_copy(source, target)
        assert target.read_bytes() == b"pixels" and not link_or_copy(source, target)
        source.write_bytes(b"other pixels")
        assert link_or_copy(source, target) and target.read_bytes() == b"other pixels"
    finally:
        target.unlink(missing_ok=True)
        target.parent.rmdir()
