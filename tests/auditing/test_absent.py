"""What can't be computed is absent with its reason; what is wrong ends in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import degradations
import miqd_builder as mb
from miqd_builder.auditing.audit import audit_run
from miqd_builder.auditing.document import read_document
from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.store.folder import RunFolder
from tests.auditing.conftest import write_labels
from tests.auditing.toy_runs import make_runs
from tests.conftest import Outcome

Miqd = Callable[..., Outcome]


def documented() -> set[str]:
    """Names of the statistics in docs/audit.md."""
    page = (Path(__file__).parents[2] / "docs/audit.md").read_text()
    table = page[page.index("| statistic | keys") :].split("\n\n", 1)[0]
    return {name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])}


def absent(run: Path, task: str, **options: Any) -> dict[str, str]:
    document = audit_run(RunFolder(str(run)), tasks=[task], resamples=10, **options).tasks[task]
    assert set(document.statistics) | {name.split(".")[0] for name in document.absent} == documented()
    text = json.dumps(document.model_dump(mode="json"))
    assert "NaN" not in text and "Infinity" not in text
    return document.absent


def test_imported_labels_have_no_scores(tmp_path: Path) -> None:
    write_labels(tmp_path, "det", 3, degradations.names(["fog", "darkness"]))
    reasons = absent(tmp_path, "det")
    assert "imported" in reasons["model_severity"] and "imported" in reasons["smr"] and "imported" in reasons["models_ap"]
    assert "without" in reasons["severity_decline.accuracy"]
    assert "severity" not in reasons and "violations" not in reasons


def test_labels_without_accuracy(tmp_path: Path) -> None:
    write_labels(tmp_path, "cls", 3, degradations.names(["fog"]), accuracy_weighted=None, composite=None)
    reasons = absent(tmp_path, "cls")
    for name in ("severity.accuracy", "grid.composite", "severity_decline.accuracy", "violations"):
        assert reasons[name] == "no image has a ground truth of this task"
    assert reasons["distortion_difference"] == "the run has one distortion"
    assert mb.audit(tmp_path, resamples=5).tasks["cls"].severities[0]["accuracy"] is None


def test_one_model_and_no_ground_truth(tmp_path: Path) -> None:
    changes = {"tasks": {"cls": {"out": "out-cls", "models": ["bright"], "source": {"kind": "folder", "annotations": None}}}}
    run = make_runs(tmp_path, ("cls",), roi={"kind": "saliency"}, degradations=["darkness_[24]"], **changes)["cls"]
    reasons = absent(run, "cls", baseline="bright")
    assert (
        reasons["noise_ceiling"] == reasons["agreement"] == reasons["model_difference"] == "the run has the scores of one model"
    )
    assert reasons["error_consistency"] == "the run has the scores of one model"
    assert reasons["mce"] == reasons["calibration"] == reasons["models.mPC"] == "no image has a ground truth of this task"
    assert reasons["jnd"] == "no distortion has every uniform severity from 1 on"
    assert reasons["region_difference"].startswith("no distortion has both")


def test_ground_truth_that_is_gone(tmp_path: Path) -> None:
    run = make_runs(tmp_path, ("det",), degradations=["darkness_?"])["det"]
    (tmp_path / "data/annotations.json").unlink()
    reasons = absent(run, "det")
    assert "can't be read" in reasons["models_ap"] and reasons["error_types"] == reasons["models_ap"]
    assert "use --baseline" in reasons["mce"]


def test_regional_degradations_only(tmp_path: Path) -> None:
    run = make_runs(tmp_path, ("cls",), degradations=["darkness_fg_*"])["cls"]
    reasons = absent(run, "cls")
    assert reasons["severity"] == reasons["distortion"] == "the run has no uniform degradation"
    assert "grid" not in reasons and "agreement" not in reasons


def test_wrong_baseline_names_the_nearest(tmp_path: Path, miqd: Miqd) -> None:
    run = make_runs(tmp_path, ("cls",), degradations=["darkness_?"])["cls"]
    with pytest.raises(ConfigError, match=r"baseline model 'bright4'\. Did you mean 'bright"):
        mb.audit(run, baseline="bright4")
    result = miqd("audit", "--out", run, "--baseline", "nothing")
    assert result.code == 1 and "There are scores of bright, bright2, bright3" in " ".join(result.err.split())
    assert not (run / "report").exists()


def test_a_damaged_part_and_a_report_of_another_version(tmp_path: Path) -> None:
    run = make_runs(tmp_path, ("cls",), degradations=["darkness_?"])["cls"]
    mb.audit(run, resamples=5)
    assert read_document(RunFolder(str(run))).resamples == 5
    (run / "report/audit.json").write_text('{"format": "miqd-audit/0"}')
    with pytest.raises(StoreError, match="another version or damaged"):
        read_document(RunFolder(str(run)))
    part = run / "scores/task=cls/model=bright2/part-00001.parquet"
    part.write_bytes(part.read_bytes()[:200])
    with pytest.raises(StoreError, match="can't be read"):
        mb.audit(run, resamples=5)
    part.unlink()
    found = mb.audit(run, resamples=5).document.tasks["cls"]
    assert min(r.n for r in found.statistics["models"].records) < max(r.n for r in found.statistics["models"].records)


def test_a_report_folder_that_cannot_be_written(tmp_path: Path) -> None:
    write_labels(tmp_path, "cls", 2, ["fog_1"])
    (tmp_path / "report").write_text("a file")
    with pytest.raises(StoreError, match="Can't write"):
        mb.audit(tmp_path, resamples=5)
