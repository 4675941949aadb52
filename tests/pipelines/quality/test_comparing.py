"""Networks and measures on the sources that no network has seen."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from scipy.stats import spearmanr

import miqd_builder as mb
from machine_iqa.model import MIQAModel
from machine_iqa.networks.registry import NETWORKS
from machine_iqa.training.config import load_config
from machine_iqa.training.run import best_file, plan_training, run_training
from miqd_builder.measures import create_measure
from pipelines.quality.comparing import compare
from tests.machine_iqa.labelled_demo import CLS, DET, TinyNetwork, demo, training_fields

__all__ = ["demo"]


def test_the_unseen_are_scored_once_by_all(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS._shipped, "tiny", TinyNetwork)
    runs = [demo / CLS, demo / DET]
    run_training(plan := plan_training(load_config(fields=training_fields(demo, tmp_path, epochs=1))))
    page = compare([tmp_path / "tiny"], runs, ["gmsd"], tmp_path / "comparison", workers=1)
    unseen = {source.source_id for source in plan.parts["test"].sources}

    run, gmsd = mb.open_run(runs[0]), create_measure("gmsd")
    found = pq.read_table(tmp_path / "comparison" / f"{CLS}-measures.parquet").to_pylist()
    assert {row["source_id"] for row in found} == unseen and len(found) == len(unseen) * 10
    for row in found[::7]:
        pixels, reference = (run.image(row["source_id"], name) for name in (row["degradation"], "original"))
        assert row["gmsd"] == pytest.approx(gmsd(pixels[None], reference)[0], abs=1e-9)

    records = json.loads((page.parent / "evaluation.json").read_text())["records"]
    whole = {(r["task"], r["measure"], r["label"]): r for r in records if r["subset"] == "all"}
    assert {name for task, name, _ in whole if task == "det"} >= {"psnr", "gmsd", "tiny_det_composite", "degradation_mean"}
    model = MIQAModel(str(best_file(tmp_path / "tiny")), device="cpu")
    labels = [row for row in run.labels("cls").to_pylist() if row["source_id"] in unseen]
    scores = [model.assess_all(run.image(r["source_id"], r["degradation"]), channels="RGB")["cls"]["composite"] for r in labels]
    one = whole["cls", "tiny_cls_composite", "composite"]
    assert one["n"] == len(labels)
    assert one["srcc"] == pytest.approx(spearmanr(scores, [row["composite"] for row in labels]).statistic, abs=1e-6)

    before = {file.name: file.stat().st_mtime_ns for file in page.parent.glob("*.parquet")}
    text = page.read_text()
    assert compare([tmp_path / "tiny"], runs, ["gmsd"], tmp_path / "comparison", workers=1).read_text() == text
    assert before == {file.name: file.stat().st_mtime_ns for file in page.parent.glob("*.parquet")} and len(before) == 2

    file = tmp_path / "comparison" / f"{CLS}-measures.parquet"
    whole_table = pq.ParquetFile(file).read()
    pq.write_table(whole_table.filter(pc.not_equal(whole_table["source_id"], min(unseen))), file)  # as of another split
    assert compare([tmp_path / "tiny"], runs, ["gmsd"], tmp_path / "comparison", workers=1).read_text() == text
    assert pq.ParquetFile(file).read().equals(whole_table)
