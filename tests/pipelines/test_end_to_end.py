"""The pipeline on toy models: tables, resume, extension, schedulers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from miqd_builder.sources import SourceImage
from miqd_builder.sources.png import decode_png
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.candidates import read_candidates
from tests.conftest import ROOT, DataSet, Outcome, make_data_set, part_bytes, toy_entry, write_run, write_zoo

TASKS = ("cls", "det", "ins")
IDENTITY = ["source_id", "degradation", "distortion", "category", "region", "roi_severity", "bg_severity", "file_name"]
SPREAD = [f"{measure}_{statistic}" for measure in ("consistency", "accuracy") for statistic in ("mean", "std", "weighted")]
LABEL_COLUMNS = [*IDENTITY, "psnr", "n_models", *SPREAD, "composite"]
AP_COLUMNS = [f"{measure}_ap{threshold}_weighted" for measure in ("consistency", "accuracy") for threshold in (50, 75)]
VARIANT_COLUMNS = [*IDENTITY, "height", "width", "psnr", "candidate_roi", "candidate_bg", "pixel_sha256"]


def read(folder: Path, pattern: str) -> list[dict]:
    return [row for path in sorted(folder.glob(pattern)) for row in pq.ParquetFile(path).read().to_pylist()]


@pytest.mark.parametrize("task", TASKS)
def test_label_writes_every_table_with_the_pinned_columns(miqd, run_file: Path, tmp_path: Path, task: str) -> None:
    assert miqd("label", "--task", task, "--run", run_file).code == 0
    out = tmp_path / ("out-cls" if task == "cls" else "out")
    labels = pq.ParquetFile(out / f"labels/task={task}/part-00000.parquet")
    assert labels.schema_arrow.names == [*LABEL_COLUMNS, *([] if task == "cls" else AP_COLUMNS), "recipe"]
    assert pq.ParquetFile(out / "variants/part-00000.parquet").schema_arrow.names == VARIANT_COLUMNS
    rows = read(out, f"labels/task={task}/*.parquet")
    assert len(rows) == 4 * 30
    assert len({(row["source_id"], row["degradation"]) for row in rows}) == len(rows)
    assert {row["recipe"] for row in rows} == {"miqd_v1"}
    assert {row["n_models"] for row in rows} == {1 if task == "ins" else 2}
    assert (out / "images" / rows[0]["file_name"]).is_file()


@pytest.mark.parametrize("task", TASKS)
def test_original_against_itself_scores_exactly_one(miqd, run_file: Path, tmp_path: Path, task: str) -> None:
    miqd("label", "--task", task, "--run", run_file)
    out = tmp_path / ("out-cls" if task == "cls" else "out")
    scores = [row for row in read(out, f"scores/task={task}/*/*.parquet") if row["degradation"] == "original"]
    assert len(scores) == 4 * (1 if task == "ins" else 2)
    assert all(row["consistency"] == 1.0 for row in scores)


def test_weighted_mean_follows_the_metrics(miqd, run_file: Path, tmp_path: Path) -> None:
    miqd("label", "--task", "det", "--run", run_file)
    scores = {
        model: {
            (r["source_id"], r["degradation"]): r["consistency"]
            for r in read(tmp_path / "out", f"scores/task=det/model={model}/*")
        }
        for model in ("blobs", "blobs_strict")
    }
    for row in read(tmp_path / "out", "labels/task=det/*"):
        key = (row["source_id"], row["degradation"])
        expected = (50 * scores["blobs"][key] + 25 * scores["blobs_strict"][key]) / 75
        assert row["consistency_weighted"] == pytest.approx(expected, abs=1e-12)
        assert row["consistency_std"] == pytest.approx(np.std([scores["blobs"][key], scores["blobs_strict"][key]]), abs=1e-12)
        if row["accuracy_weighted"] is not None:
            assert row["composite"] == pytest.approx((row["consistency_weighted"] + row["accuracy_weighted"]) / 2, abs=1e-12)


def test_image_without_annotations_has_no_accuracy(miqd, run_file: Path, tmp_path: Path) -> None:
    result = miqd("label", "--task", "det", "--run", run_file)
    assert "1 of 4 images have no annotations" in result.out
    rows = read(tmp_path / "out", "labels/task=det/*")
    assert {row["accuracy_mean"] is None for row in rows if row["source_id"] == "scene_3"} == {True}
    assert {row["composite"] is None for row in rows if row["source_id"] == "scene_3"} == {True}
    assert {row["accuracy_mean"] is None for row in rows if row["source_id"] == "scene_0"} == {False}
    assert not any(row["consistency_mean"] is None for row in rows)


def test_second_run_computes_nothing_and_changes_no_byte(miqd, run_file: Path, tmp_path: Path) -> None:
    miqd("label", "--task", "det", "--run", run_file)
    before = {t: part_bytes(tmp_path / "out", t) for t in ("variants", "responses", "scores", "labels")}
    again = miqd("label", "--task", "det", "--run", run_file)
    assert again.code == 0
    assert "0 inferences to run (2 of 2 parts done)" in again.out
    assert before == {t: part_bytes(tmp_path / "out", t) for t in before}


def test_finished_run_reads_each_image_once_and_starts_no_workers(
    miqd, run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("label", "--task", "det", "--run", run_file)
    assert miqd(*command).code == 0
    reads: Counter[str] = Counter()
    sha256 = SourceImage.file_sha256

    def counted(source: SourceImage) -> str:
        reads[source.source_id] += 1
        return sha256(source)

    def refused(*_: object) -> None:
        raise AssertionError("workers were started")

    monkeypatch.setattr(SourceImage, "file_sha256", counted)
    monkeypatch.setattr("pipelines.schedulers.dask.local_cluster", refused)
    assert miqd(*command, "--scheduler", "dask").code == 0
    assert sorted(reads.values()) == [1, 1, 1, 1]


@pytest.mark.parametrize("task", TASKS)
def test_images_in_memory_give_the_same_labels(miqd, run_file: Path, tmp_path: Path, task: str) -> None:
    miqd("label", "--task", task, "--run", run_file, "--out", tmp_path / "kept")
    miqd("label", "--task", task, "--run", run_file, "--out", tmp_path / "memory", "--images", "none")
    assert not (tmp_path / "memory/images").exists()
    labels = read(tmp_path / "kept", f"labels/task={task}/*")
    assert labels == read(tmp_path / "memory", f"labels/task={task}/*")


def test_inline_and_dask_write_the_same_bytes(miqd, run_file: Path, tmp_path: Path) -> None:
    for name, options in {"inline": ["--scheduler", "inline"], "dask": ["--scheduler", "dask", "--workers", "2"]}.items():
        assert miqd("label", "--task", "det", "--run", run_file, "--out", tmp_path / name, *options).code == 0
    for table in ("variants", "responses", "scores", "labels"):
        assert part_bytes(tmp_path / "inline", table) == part_bytes(tmp_path / "dask", table)


def test_new_model_costs_only_itself(miqd, data: DataSet, tmp_path: Path) -> None:
    log = tmp_path / "calls.log"
    zoo = write_zoo(tmp_path / "zoo.yaml", [toy_entry("old", "cls", "counting", log=str(log))])
    run = write_run(tmp_path, data, zoo)
    miqd("label", "--task", "cls", "--run", run)
    seen = sum(map(int, log.read_text().split()))
    assert seen == 4 * 31
    added = write_zoo(tmp_path / "more.yaml", [toy_entry("new", "cls", "brightness", gain=0.5)])
    plan = ("label", "--task", "cls", "--run", run, "--set", f"zoo=['{zoo}', '{added}']")
    dry = miqd(*plan, "--dry-run")
    assert "old (python): 0 inferences to run (2 of 2 parts done)" in dry.out
    assert "new (python): 124 inferences to run (0 of 2 parts done)" in dry.out
    done = miqd(*plan)
    assert done.code == 0
    assert sum(map(int, log.read_text().split())) == seen
    assert {row["n_models"] for row in read(tmp_path / "out-cls", "labels/task=cls/*")} == {2}


def test_new_distortion_and_new_image_cost_only_themselves(miqd, data: DataSet, tmp_path: Path) -> None:
    log = tmp_path / "calls.log"
    run = write_run(tmp_path, data, write_zoo(tmp_path / "zoo.yaml", [toy_entry("counting", "cls", "counting", log=str(log))]))
    miqd("label", "--task", "cls", "--run", run)
    log.unlink()
    more = ("--set", "degradations=['darkness_*', 'gaussian_noise_?', 'contrast_1']")
    assert miqd("label", "--task", "cls", "--run", run, *more).code == 0
    assert sum(map(int, log.read_text().split())) == 4
    log.unlink()
    other = make_data_set(tmp_path / "other", count=5)
    (other.images / "scene_4.png").rename(data.images / "aaa.png")
    result = miqd("label", "--task", "cls", "--run", run, *more)
    assert result.code == 0
    assert sum(map(int, log.read_text().split())) == 32
    record = json.loads((tmp_path / "out-cls/run.json").read_text())
    assert record["parts"] == [["scene_0", "scene_1"], ["scene_2", "scene_3"], ["aaa"]]
    rows = read(tmp_path / "out-cls", "labels/task=cls/*")
    assert len(rows) == 5 * 31
    assert all(row["accuracy_mean"] is None for row in rows if row["source_id"] == "aaa")


def test_limit_takes_the_first_sources_and_the_rest_can_follow(miqd, run_file: Path, tmp_path: Path) -> None:
    miqd("label", "--task", "det", "--run", run_file, "--limit", 1)
    assert {row["source_id"] for row in read(tmp_path / "out", "labels/task=det/*")} == {"scene_0"}
    first = part_bytes(tmp_path / "out")
    miqd("label", "--task", "det", "--run", run_file)
    after = part_bytes(tmp_path / "out")
    assert {row["source_id"] for row in read(tmp_path / "out", "labels/task=det/*")} == {f"scene_{i}" for i in range(4)}
    assert all(after[name] == content for name, content in first.items())


def test_subset_of_degradations_has_the_same_bytes(miqd, run_file: Path, tmp_path: Path) -> None:
    miqd("degrade", "--run", run_file, "--out", tmp_path / "all")
    miqd("degrade", "--run", run_file, "--out", tmp_path / "one", "--set", "degradations=['gaussian_noise_3']", "--limit", 2)
    rows = {(r["source_id"], r["degradation"]): r["pixel_sha256"] for r in read(tmp_path / "all", "variants/*")}
    subset = read(tmp_path / "one", "variants/*")
    assert len(subset) == 2
    assert all(rows[r["source_id"], "gaussian_noise_3"] == r["pixel_sha256"] for r in subset)


def test_candidates_keep_their_psnrs(miqd, run_file: Path, tmp_path: Path) -> None:
    miqd("degrade", "--run", run_file)
    psnrs = read_candidates(RunFolder(str(tmp_path / "out")), 0)
    assert set(psnrs) == {"scene_0", "scene_1"}
    assert {name: len(values) for name, values in psnrs["scene_0"].items()} == {"darkness": 12, "gaussian_noise": 12}
    rows = {(r["source_id"], r["degradation"]): r for r in read(tmp_path / "out", "variants/*")}
    uniform = rows["scene_0", "darkness_3"]
    assert psnrs["scene_0"]["darkness"][uniform["candidate_roi"] - 1] == uniform["psnr"]


def test_a_finished_run_reads_each_footer_once(miqd, run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert miqd("label", "--task", "det", "--run", run_file).code == 0
    shutil.rmtree(tmp_path / "out/index", ignore_errors=True)
    asked: Counter[str] = Counter()
    original = RunFolder.read_tails

    def read_tails(self: RunFolder, names: Sequence[str], last: int) -> dict[str, bytes]:
        asked.update(names)
        return original(self, names, last)

    monkeypatch.setattr(RunFolder, "read_tails", read_tails)
    assert miqd("label", "--task", "det", "--run", run_file).code == 0
    tables = ("variants", "responses", "scores", "labels")
    there = [name for table in tables for name in part_bytes(tmp_path / "out", table)]
    assert asked == dict.fromkeys(there, 1)


def test_plug_in_distortion_joins_labels_and_audit(run_file: Path, tmp_path: Path) -> None:
    """In a process of its own, since a registered distortion stays."""
    options = ["--plugin", "miqd_sensor_banding", "--set", "degradations=['sensor_banding_*']", "--out", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests/plugin_example"), str(ROOT)])}
    for command in (["label", "--task", "det", "--run", str(run_file), *options], ["audit", "--out", str(tmp_path / "out")]):
        result = subprocess.run(
            [sys.executable, "-m", "pipelines.cli.main", *command], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr
    assert "sensor_banding" in result.stdout
    rows = read(tmp_path / "out", "labels/task=det/*")
    assert len(rows) == 4 * 25
    assert {(row["distortion"], row["category"]) for row in rows} == {("sensor_banding", "sensor")}


def test_contact_sheet_is_the_only_thing_written(miqd, run_file: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    assert miqd("degrade", "--run", run_file, "--contact-sheet", sheet).code == 0
    height, width, _ = decode_png(sheet.read_bytes()).shape
    assert height > 10 * 48 and width > 5 * 64
    assert not (tmp_path / "out").exists()


def test_dry_run_writes_nothing(miqd, run_file: Path, tmp_path: Path) -> None:
    result: Outcome = miqd("label", "--task", "det", "--run", run_file, "--dry-run")
    assert result.code == 0
    assert "120 in all, 120 to render" in result.out
    assert not (tmp_path / "out").exists()


def test_measured_and_uniform_weights(miqd, run_file: Path, tmp_path: Path) -> None:
    results = {}
    for weights in ("metric", "measured", "uniform"):
        assert miqd("label", "--task", "det", "--run", run_file, "--set", f"weights={weights}").code == 0
        results[weights] = [row["consistency_weighted"] for row in read(tmp_path / "out", "labels/task=det/*")]
        means = [row["consistency_mean"] for row in read(tmp_path / "out", "labels/task=det/*")]
    assert results["uniform"] == pytest.approx(means)
    assert results["metric"] != results["uniform"]
    scores = {m: read(tmp_path / "out", f"scores/task=det/model={m}/*") for m in ("blobs", "blobs_strict")}
    clean = {
        m: np.mean([r["accuracy"] for r in s if r["degradation"] == "original" and r["accuracy"] is not None])
        for m, s in scores.items()
    }
    both = [
        (a["consistency"], b["consistency"]) for a, b in zip(*scores.values(), strict=True) if a["degradation"] != "original"
    ]
    expected = [(clean["blobs"] * a + clean["blobs_strict"] * b) / sum(clean.values()) for a, b in both]
    assert results["measured"] == pytest.approx(expected)


def test_audit_status_and_verify(miqd, run_file: Path, tmp_path: Path) -> None:
    for task in ("det", "ins"):
        miqd("label", "--task", task, "--run", run_file)
    audit = miqd("audit", "--run", run_file)
    assert audit.code == 0 and "darkness" in audit.out
    page = (tmp_path / "out/report/index.html").read_text()
    assert "Object detection" in page and "Instance segmentation" in page and "://" not in page and "<script" not in page
    status = miqd("status", "--run", run_file)
    assert status.code == 0 and "responses/task=det/model=blobs" in status.out
    assert miqd("verify", "--run", run_file).code == 0


def test_verify_names_a_flipped_byte(miqd, run_file: Path, tmp_path: Path) -> None:
    miqd("label", "--task", "det", "--run", run_file)
    part = tmp_path / "out/responses/task=det/model=blobs/part-00001.parquet"
    content = bytearray(part.read_bytes())
    content[len(content) // 3] ^= 1
    part.write_bytes(content)
    image = next((tmp_path / "out/images/scene_0").glob("*.png"))
    image.write_bytes(image.read_bytes()[:-40])
    result = miqd("verify", "--run", run_file)
    assert result.code == 2
    assert "responses/task=det/model=blobs/part-00001.parquet" in result.out
    assert image.name in result.out
