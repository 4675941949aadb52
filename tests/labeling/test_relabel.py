"""A finished run labelled again by another recipe or other weights: from stored responses, without any model."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from miqd_builder.labeling.recipes import get_recipe
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer
from tests.conftest import DataSet, part_bytes, toy_entry, write_run, write_zoo


def labels(folder: Path, task: str) -> list[dict]:
    parts = sorted((folder / f"labels/task={task}").glob("*"))
    return [row for part in parts for row in pq.ParquetFile(part).read().to_pylist()]


def test_another_recipe_needs_neither_model_nor_checkpoint(miqd, data: DataSet, tmp_path: Path) -> None:
    checkpoint, log = tmp_path / "w.pth", tmp_path / "calls.log"
    checkpoint.write_bytes(b"weights")
    entry = toy_entry("counting", "cls", "counting", log=str(log))
    entry["checkpoint"] = {"path": "w.pth", "sha256": hashlib.sha256(b"weights").hexdigest()}
    run = write_run(tmp_path, data, write_zoo(tmp_path / "zoo.yaml", [entry]))
    assert miqd("label", "--task", "cls", "--run", run).code == 0
    out = tmp_path / "out-cls"
    first = {table: part_bytes(out, table) for table in ("variants", "responses", "scores", "labels")}
    checkpoint.unlink()
    log.unlink()
    soft = miqd("label", "--task", "cls", "--run", run, "--recipe", "soft_v1")
    assert soft.code == 0, soft.err
    assert "0 inferences to run" in soft.out
    assert not log.exists(), "a model was asked"
    assert {row["recipe"] for row in labels(out, "cls")} == {"soft_v1"}
    assert any(0 < row["consistency_mean"] < 1 for row in labels(out, "cls"))
    for table in ("variants", "responses"):
        assert part_bytes(out, table) == first[table]
    back = miqd("label", "--task", "cls", "--run", run)
    assert back.code == 0 and not log.exists()
    assert {table: part_bytes(out, table) for table in first} == first


def test_missing_responses_need_the_checkpoint(miqd, data: DataSet, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"weights")
    entry = toy_entry("bright", "cls", "brightness")
    entry["checkpoint"] = {"path": "w.pth", "sha256": hashlib.sha256(b"weights").hexdigest()}
    run = write_run(tmp_path, data, write_zoo(tmp_path / "zoo.yaml", [entry]))
    assert miqd("label", "--task", "cls", "--run", run).code == 0
    (tmp_path / "w.pth").unlink()
    (tmp_path / "out-cls/responses/task=cls/model=bright/part-00000.parquet").unlink()
    result = miqd("label", "--task", "cls", "--run", run)
    assert result.code == 1 and "w.pth" in result.err


@pytest.mark.parametrize("task", ["det", "ins"])
def test_soft_v1_reads_ap75(miqd, run_file: Path, tmp_path: Path, task: str) -> None:
    assert miqd("label", "--task", task, "--run", run_file, "--recipe", "soft_v1").code == 0
    for row in labels(tmp_path / "out", task):
        assert row["consistency_weighted"] == row["consistency_ap75_weighted"]
        assert row["accuracy_weighted"] == row["accuracy_ap75_weighted"]
    scores = [pq.ParquetFile(p).read().to_pylist() for p in (tmp_path / "out").glob(f"scores/task={task}/*/*")]
    originals = [row for part in scores for row in part if row["degradation"] == "original"]
    assert originals and {row["consistency"] for row in originals} == {1.0}


def test_own_recipe_of_a_file_beside_the_run_file(miqd, run_file: Path, tmp_path: Path) -> None:
    """Its path starts at the run file; with --recipe at the current folder, which is another."""
    recipe = {"name": "mine", "version": 1, "detection_score": "ap50", "composite_consistency": 0.75}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe))
    run_file.write_text(run_file.read_text() + "recipe: mine.yaml\n")
    assert miqd("label", "--task", "det", "--run", run_file).code == 0
    for row in labels(tmp_path / "out", "det"):
        assert row["recipe"] == "mine" and row["consistency_weighted"] == row["consistency_ap50_weighted"]
        if row["accuracy_weighted"] is not None:
            expected = 0.75 * row["consistency_weighted"] + 0.25 * row["accuracy_weighted"]
            assert row["composite"] == pytest.approx(expected, abs=1e-12)
    result = miqd("label", "--task", "det", "--run", run_file, "--recipe", "mine.yaml")
    assert result.code == 1 and "Recipe file" in result.err and "can't be read" in result.err


def test_every_labels_part_holds_the_recipe(miqd, run_file: Path, tmp_path: Path) -> None:
    miqd("label", "--task", "det", "--run", run_file, "--recipe", "soft_v1")
    for part in (tmp_path / "out/labels/task=det").glob("*"):
        footer = read_footer(RunFolder(str(part.parent)), part.name)
        assert footer is not None
        assert footer.lineage.recipe == get_recipe("soft_v1").content_hash()
        assert footer.extra["recipe"] == get_recipe("soft_v1").model_dump()


def test_scores_of_another_recipe_never_get_into_the_labels(
    miqd, run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One part can't be scored by the new recipe: its labels say that the model is missing, not what the old recipe said."""
    import pipelines.stages.score

    assert miqd("label", "--task", "det", "--run", run_file).code == 0
    score = pipelines.stages.score.score_responses

    def fails_once(task, responses, *rest):
        if "scene_2" in responses["source_id"].to_pylist():
            raise RuntimeError("lost")
        return score(task, responses, *rest)

    monkeypatch.setattr(pipelines.stages.score, "score_responses", fails_once)
    assert miqd("label", "--task", "det", "--run", run_file, "--recipe", "soft_v1").code == 2
    rows = labels(tmp_path / "out", "det")
    assert {row["n_models"] for row in rows if row["source_id"] in ("scene_2", "scene_3")} == {0}
    assert {row["n_models"] for row in rows if row["source_id"] in ("scene_0", "scene_1")} == {2}


def test_model_without_metric_or_with_zero_is_refused_before_anything_is_written(miqd, data: DataSet, tmp_path: Path) -> None:
    bare = {key: value for key, value in toy_entry("bare", "cls", "brightness").items() if key != "metric"}
    zoo = write_zoo(tmp_path / "zoo.yaml", [bare, toy_entry("zero", "cls", "brightness", 0.0)])
    run = write_run(tmp_path, data, zoo)
    for model, message in (("bare", "'bare' has no metric"), ("zero", "'zero' has the weight 0.0: expected more than 0")):
        result = miqd("label", "--task", "cls", "--run", run, "--set", f"models=[{model}]")
        assert result.code == 1 and message in result.err
        assert not (tmp_path / "out-cls").exists()
    assert miqd("label", "--task", "cls", "--run", run, "--set", "weights=uniform").code == 0


def test_measured_weight_of_zero_is_refused_and_nothing_is_lost(miqd, data: DataSet, tmp_path: Path) -> None:
    zoo = write_zoo(tmp_path / "zoo.yaml", [toy_entry("wrong", "cls", "brightness", gain=50.0)])
    run = write_run(tmp_path, data, zoo)
    result = miqd("label", "--task", "cls", "--run", run, "--set", "weights=measured")
    assert result.code == 1 and "'wrong' has the weight 0.0" in result.err
    uniform = miqd("label", "--task", "cls", "--run", run, "--set", "weights=uniform")
    assert uniform.code == 0 and "0 inferences to run" in uniform.out


@pytest.mark.parametrize("weights", ["metric", "measured", "uniform"])
def test_broken_model_is_counted_out_with_every_kind_of_weights(miqd, data: DataSet, tmp_path: Path, weights: str) -> None:
    zoo = write_zoo(tmp_path / "zoo.yaml", [toy_entry("broken", "cls", "crashing"), toy_entry("fine", "cls", "brightness")])
    run = write_run(tmp_path, data, zoo)
    assert miqd("label", "--task", "cls", "--run", run, "--set", f"weights={weights}").code == 2
    assert {row["n_models"] for row in labels(tmp_path / "out-cls", "cls")} == {1}
    status = miqd("status", "--out", tmp_path / "out-cls")
    assert "labels task=cls: 120 of 120 rows lack models: broken 120" in status.out


def test_status_lists_models_that_miss_some_images(miqd, data: DataSet, tmp_path: Path) -> None:
    zoo = write_zoo(tmp_path / "zoo.yaml", [toy_entry("flaky", "cls", "flaky"), toy_entry("fine", "cls", "brightness")])
    run = write_run(tmp_path, data, zoo)
    assert miqd("label", "--task", "cls", "--run", run).code == 2
    rows = labels(tmp_path / "out-cls", "cls")
    short = [row for row in rows if row["n_models"] == 1]
    assert 0 < len(short) < len(rows) == 120
    assert (
        f"labels task=cls: {len(short)} of 120 rows lack models: flaky {len(short)}"
        in miqd("status", "--run", run, "--out", tmp_path / "out-cls").out
    )
    fine = {
        (row["source_id"], row["degradation"]): row
        for part in (tmp_path / "out-cls").glob("scores/task=cls/model=fine/*")
        for row in pq.ParquetFile(part).read().to_pylist()
    }
    for row in short:
        assert (
            row["consistency_mean"] == row["consistency_weighted"] == fine[row["source_id"], row["degradation"]]["consistency"]
        )
        assert row["consistency_std"] == 0


def test_complete_labels_leave_nothing_to_say(miqd, run_file: Path) -> None:
    miqd("label", "--task", "det", "--run", run_file)
    assert "lack models" not in miqd("status", "--run", run_file).out
