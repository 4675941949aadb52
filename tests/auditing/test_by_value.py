"""Every statistic of audit.json against an independent computation from the Parquet files, to 1e-9."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import miqd_builder as mb
from tests.auditing import expected_detections, expected_labels, expected_scores
from tests.auditing.expected_labels import Expected, key
from tests.auditing.toy_runs import BASELINE, make_runs

NO_KEYS = {"value", "low", "high", "n", "sources", "excludes_zero"}
OTHERWISE_TESTED = {"noise_ceiling"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Run folder and annotations by task: 5 images, 3 distortions, 75 degradations an image."""
    folder = tmp_path_factory.mktemp("audit")
    found = make_runs(folder)
    for task, out in found.items():
        mb.audit(out, task=task, baseline=BASELINE[task], resamples=50)
        (folder / f"{task}.json").write_bytes((out / "report/audit.json").read_bytes())
    return {task: (out, folder / "data/annotations.json") for task, out in found.items()}


def document_of(run: Path, task: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run.parent / f"{task}.json").read_text())
    return content["tasks"][task]


def expected_values(run: Path, task: str, found: Mapping[str, Any], annotations: Path, baseline: str) -> Expected:
    weights = {model["name"]: model["weight"] for model in found["models"]}
    labels = expected_labels.with_originals(run, task, weights, found["consistency_share"])
    expected = expected_labels.label_values(labels) | expected_labels.extreme_values(labels)
    expected |= expected_scores.model_values(run, task, baseline) | expected_scores.machine_values(run, task)
    expected |= expected_scores.agreement_values(run, task)
    if task == "cls":
        return expected | expected_scores.calibration_values(run)
    return expected | expected_detections.detection_values(run, task, annotations)


@pytest.mark.parametrize("task", ["cls", "det", "ins"])
def test_every_value_is_that_of_an_independent_computation(runs: dict[str, tuple[Path, Path]], task: str) -> None:
    run, annotations = runs[task]
    found = document_of(run, task)
    compare(found, expected_values(run, task, found, annotations, BASELINE[task]))


def compare(found: Mapping[str, Any], expected: Expected) -> None:
    """Same keys on both sides, values to 1e-9; what can't be computed is on neither."""
    records = {
        key(name, **{k: v for k, v in record.items() if k not in NO_KEYS}): record["value"]
        for name, statistic in found["statistics"].items()
        if name not in OTHERWISE_TESTED
        for record in statistic["records"]
    }
    defined = {k: v for k, v in expected.items() if np.isfinite(v)}
    assert set(records) == set(defined)
    wrong = {k: (v, defined[k]) for k, v in records.items() if abs(v - defined[k]) > 1e-9 * max(1, abs(defined[k]))}
    assert not wrong
