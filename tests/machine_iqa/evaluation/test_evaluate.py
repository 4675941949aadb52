"""``miqd evaluate`` on the demo's scenes with a tiny trained model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

import miqd_builder as mb
from machine_iqa.evaluation.learned import learned
from machine_iqa.evaluation.pooled import pooled_tasks
from machine_iqa.model import MIQAModel
from machine_iqa.networks.registry import NETWORKS
from machine_iqa.opening import shipped_file
from machine_iqa.training.config import load_config
from machine_iqa.training.files import source_key
from machine_iqa.training.run import best_file, plan_training, run_training
from miqd_builder.errors import ConfigError
from pipelines import api
from tests.conftest import part_bytes
from tests.machine_iqa.labelled_demo import CLS, DET, TinyNetwork, training_fields

OPTIONS = {"scheduler": "inline", "resamples": 50}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS._shipped, "tiny", TinyNetwork)


@pytest.fixture(scope="module")
def trained(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a model that was trained on labels of half of the models."""
    NETWORKS._shipped["tiny"] = TinyNetwork
    out = tmp_path_factory.mktemp("trainings")
    fields = training_fields(demo, out, epochs=1, tasks=["cls"], runs=[str(demo / CLS)], label_models="half_a")
    run_training(plan_training(load_config(fields=fields)))
    return best_file(out / "tiny")


@pytest.fixture
def runs(demo: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Copies of both run folders, which get measures."""
    for name in (CLS, DET):
        shutil.copytree(demo / name, tmp_path / name)
    return tmp_path / CLS, tmp_path / DET


def test_scores_are_measures_and_are_kept(runs: tuple[Path, Path], trained: Path, tmp_path: Path) -> None:
    found = api.evaluate(trained, runs, to=tmp_path / "report", **OPTIONS)
    names = [f"tiny_cls_{label}" for label in ("consistency", "accuracy", "composite")]
    assert [stage.computed for stage in found.stages] == [240, 240] and all(not stage.failures for stage in found.stages)
    run, model = mb.open_run(runs[0]), MIQAModel(str(trained), device="cpu")
    table = run.measures(names)
    for row in table.to_pylist()[::13]:
        scores = model.assess_all(run.image(row["source_id"], row["degradation"]), channels="RGB")["cls"]
        assert [row[name] for name in names] == pytest.approx([scores[name.split("_")[-1]] for name in names], abs=1e-5)
    before = part_bytes(runs[0], "measures")
    assert len(before) == 12
    again = api.evaluate(trained, runs, to=tmp_path / "report", **OPTIONS)
    assert [stage.computed for stage in again.stages] == [0, 0] and part_bytes(runs[0], "measures") == before


def test_figures_are_of_sources_that_nobody_has_seen(runs: tuple[Path, Path], trained: Path, tmp_path: Path) -> None:
    mb.measure(measures="gmsd", out=runs[0], scheduler="inline")
    found = api.evaluate(trained, runs, to=tmp_path / "report", **OPTIONS).evaluation
    test = mb.open_run(runs[0]).split("test")
    cls, det = found.tasks
    assert (cls.task, cls.sources, cls.images, det.task) == ("cls", len(test), 20, "det")
    by_measure = {record.measure: record for record in cls.overall("accuracy")}
    assert {"psnr", "gmsd", "tiny_cls_accuracy", "degradation_mean"} <= set(by_measure)
    measures, labels = (t.to_pylist() for t in (mb.open_run(runs[0]).measures(), mb.open_run(runs[0]).labels("cls")))
    rows = [(m, y) for m, y in zip(measures, labels, strict=True) if y["source_id"] in test]
    assert all(m["degradation"] == y["degradation"] for m, y in rows)
    expected = spearmanr([m["tiny_cls_accuracy"] for m, _ in rows], [y["accuracy_weighted"] for _, y in rows]).statistic
    assert by_measure["tiny_cls_accuracy"].srcc == pytest.approx(expected)
    pairs = {(one.label, one.train_task, one.test_task) for one in found.transfer}
    assert pairs == {(label, "cls", task) for label in cls.labels for task in ("cls", "det")}
    content = json.loads((tmp_path / "report/evaluation.json").read_text())
    assert set(content) == {"records", "filtering", "transfer", "held_out", "twins"} and all(content.values())
    page = (tmp_path / "report/evaluation.md").read_text()
    assert "sources that no model has learned from" in page and "## Twins" in page and "## Across tasks" in page
    assert r"tiny\_cls\_composite & " in (tmp_path / "report/evaluation.tex").read_text()


def test_held_out_models_are_those_that_did_not_label(runs: tuple[Path, Path], trained: Path, tmp_path: Path) -> None:
    found = api.evaluate(trained, runs[0], to=tmp_path / "report", **OPTIONS).evaluation
    halves = {one.half: one.models for one in found.held_out}
    learned_from = MIQAModel(str(trained)).name and _labelled_by(trained)
    assert list(halves["a"]) == learned_from and sorted(halves["a"] + halves["b"]) == mb.open_run(runs[0]).models("cls")
    between = [one for one in found.held_out if one.measure == "labels of half a"]
    assert {one.half for one in between} == {"b"} and len(between) == 3


def _labelled_by(trained: Path) -> list[str]:
    from machine_iqa.weights import read_record

    record = read_record(trained)
    assert record is not None
    return list(record.training["labelled_by"]["cls"])


def test_twins_are_ordered_by_their_labels(runs: tuple[Path, Path]) -> None:
    from machine_iqa.evaluation.twins import twin_pairs, twin_records

    [pooled] = pooled_tasks([str(runs[0])], None, (), None, 0)
    table = pooled.table
    pairs = twin_pairs(table)
    assert len(pairs) == 8
    for first, second in pairs:
        one, other = table.rows.slice(first, 1).to_pylist()[0], table.rows.slice(second, 1).to_pylist()[0]
        assert one["source_id"] == other["source_id"] and one["roi_severity"] == other["bg_severity"] > one["bg_severity"]
    label = np.zeros(table.rows.num_rows)
    label[pairs[:, 0]] = [0.0, 0.1, 0.2, 0.5, 0.5, 0.5, 0.5, 0.5]
    label[pairs[:, 1]] = [0.5, 0.0, 0.0, 0.1, 0.1, 0.1, 0.1, 0.1]
    perfect, half = label.copy(), label.copy()
    half[pairs[:4]] = 0.3
    measured = {"perfect": perfect, "reversed": -perfect, "blind": np.zeros_like(label), "half": half}
    found = type(table)(table.task, table.rows, {"composite": label}, measured, {"composite": label})
    shares = {one.measure: (one.n, one.share) for one in twin_records(found, resamples=50)}
    assert shares["perfect"] == (6, 1.0) and shares["reversed"] == (6, 0.0) and shares["blind"] == (6, 0.5)
    assert shares["half"] == (6, pytest.approx((0.5 * 2 + 4) / 6))


def test_runs_are_pooled_and_compared_once(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run = str(runs[0])
    keys = {source_key(source_id) for source_id in mb.open_run(run).source_ids[:3]}
    [left] = pooled_tasks([run], ["psnr"], keys, None, 0)
    assert len(left.table.rows["source_id"].unique()) == 5 and list(left.table.measures) == ["psnr"]
    with pytest.raises(ConfigError, match="Two runs have labels of source 'scene_00_ball' for task cls"):
        pooled_tasks([run, run], None, (), None, 0)
    with pytest.raises(ConfigError, match="No run has measure 'ssim'"):
        pooled_tasks([run], ["ssim"], (), None, 0)
    with pytest.raises(ConfigError, match="No source with labels of task cls is left"):
        pooled_tasks([run], None, {source_key(source_id) for source_id in mb.open_run(run).source_ids}, None, 0)
    [whole] = pooled_tasks([run], None, (), None, 0)
    expected = whole.labels_of(sorted(whole.weights))["composite"]
    assert expected.tolist() == pytest.approx(whole.table.labels["composite"].tolist())


def test_measures_alone_are_compared_over_several_runs(runs: tuple[Path, Path], tmp_path: Path) -> None:
    found = api.evaluate([], runs, to=tmp_path / "report", **OPTIONS)
    assert [task.task for task in found.evaluation.tasks] == ["cls", "det"] and found.stages == ()
    for task, run in zip(found.evaluation.tasks, runs, strict=True):
        [psnr] = [r for r in task.records if (r.measure, r.label, r.subset) == ("psnr", "composite", "all")]
        rows = mb.open_run(run).labels(task.task).to_pandas().dropna(subset="composite")
        assert psnr.n == len(rows) and psnr.srcc == pytest.approx(spearmanr(rows["psnr"], rows["composite"])[0], abs=1e-9)
    with pytest.raises(ConfigError, match="Evaluate on what"):
        api.evaluate([], [], to=tmp_path / "report", **OPTIONS)


def test_bad_input_is_one_line(runs: tuple[Path, Path], trained: Path, tmp_path: Path) -> None:
    def refused(models: object, outs: object, **options: object) -> str:
        with pytest.raises(ConfigError) as error:
            api.evaluate(models, outs, to=tmp_path / "report", **OPTIONS | options)  # type: ignore[arg-type]
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "Unknown network 'tinny'" in refused("tinny", runs[0])
    assert "holds no run" in refused(trained, tmp_path / "nothing")
    assert "Two models are called 'tiny'" in refused([trained, trained], runs[0])
    assert "Unknown split 'tset'" in refused(trained, runs[0], split="tset")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(trained.read_bytes()[:-100])
    assert "damaged" in refused(broken, runs[0])


def test_the_model_that_ships_knows_what_it_has_seen() -> None:
    """By its name as by its file: else its training photographs would count in its figures."""
    by_name, by_file = learned("miqa-small"), learned(str(shipped_file("miqa-small")))
    assert len(by_name.training["seen"]) > 100 and by_name.training == by_file.training
