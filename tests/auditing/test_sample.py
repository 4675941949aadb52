"""Statistics of a large run rest on a stated sample: which, and that it is what they are computed from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from miqd_builder.auditing import agreement, calibration, detection_figures
from miqd_builder.auditing.audit import audit_run
from miqd_builder.auditing.sample import draw_sample
from miqd_builder.auditing.task_rows import task_facts
from miqd_builder.store.folder import RunFolder
from tests.auditing.expected_labels import read_table
from tests.auditing.toy_runs import make_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Five images in three parts, 5 degradations."""
    return make_runs(tmp_path_factory.mktemp("sample"), ("det", "cls"), degradations=["darkness_?"])


def by_hash(texts: list[str], seed: int) -> list[str]:
    return sorted(texts, key=lambda text: hashlib.sha256(f"{seed} {text}".encode()).hexdigest())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sources_are_chosen_by_hash_from_few_parts(runs: dict[str, Path], seed: int) -> None:
    folder = RunFolder(str(runs["cls"]))
    facts = task_facts(folder, "cls")
    found = draw_sample(folder, facts, most_sources=2, seed=seed)
    ids: list[str] = []
    taken = 0
    for name in by_hash(list(facts.parts), seed):
        ids += pd.read_parquet(runs["cls"] / name)["source_id"].unique().tolist()
        taken += 1
        if len(ids) >= 2:
            break
    assert list(found.source_ids) == sorted(by_hash(ids, seed)[:2]) and len(found.parts) == taken
    assert found.text == f"2 of 5 source images, of {taken} of 3 parts, by a hash with seed {seed}"
    assert draw_sample(folder, facts, most_sources=5, seed=seed).text is None


def test_values_are_those_of_the_sample(runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "MOST_ROWS", 10)
    monkeypatch.setattr(calibration, "MOST_RESPONSES", 36)
    monkeypatch.setattr(detection_figures, "MOST_RESPONSES", 36)
    folder = RunFolder(str(runs["cls"]))
    chosen = draw_sample(folder, task_facts(folder, "cls"), most_sources=2, seed=0).source_ids
    found = audit_run(folder, tasks=["cls"], resamples=10).tasks["cls"].statistics
    scores = read_table(runs["cls"], "scores", "cls")
    scores = scores[scores["source_id"].isin(chosen) & (scores["degradation"] != "original")]
    wide = scores.pivot(index=["source_id", "degradation"], columns="model", values="consistency")
    for record in found["agreement"].records:
        if record.label == "consistency" and record.other:
            assert record.value == pytest.approx(stats.spearmanr(wide[record.model], wide[record.other]).statistic, abs=1e-9)
            assert (record.n, record.sources) == (10, 2)
    for name in ("agreement", "noise_ceiling", "calibration"):
        assert found[name].sample is not None and found[name].sample.startswith("2 of 5 source images")
    assert sum(r.n for r in found["calibration"].records if r.model is None) == 2 * 6 * 3
    detections = audit_run(RunFolder(str(runs["det"])), tasks=["det"], resamples=10).tasks["det"].statistics
    assert detections["models_ap"].sample is not None and max(r.sources for r in detections["models_ap"].records) <= 2
