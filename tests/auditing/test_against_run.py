"""Two runs compared: paired differences by value, and what can't be compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import miqd_builder as mb
from miqd_builder.auditing import task_rows
from miqd_builder.auditing.audit import audit_run
from miqd_builder.store.folder import RunFolder
from tests.auditing.conftest import write_labels
from tests.auditing.expected_labels import COLUMNS, read_table
from tests.auditing.expected_scores import model_figures
from tests.auditing.toy_runs import make_runs
from tests.conftest import Outcome

Miqd = Callable[..., Outcome]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs of classifiers: the second has four of the five images, another seed, and one distortion less."""
    folders = [tmp_path_factory.mktemp(name) for name in ("here", "there")]
    here = make_runs(folders[0], ("cls",))["cls"]
    there = make_runs(folders[1], ("cls",), seed=8, limit=4, degradations=["darkness_*", "gaussian_noise_*"])["cls"]
    return here, there


def test_differences_are_those_of_shared_images(pair: tuple[Path, Path]) -> None:
    against = mb.audit(pair[0], against=pair[1], resamples=30).document.against
    assert against is not None
    found = against.tasks["cls"]
    one, other = (read_table(run, "labels", "cls") for run in pair)
    joint = one.merge(other, on=["source_id", "degradation"], suffixes=("", "_there"))
    assert (found.rows, found.sources, found.only_here, found.only_there) == (len(joint), 4, len(one) - len(joint), 0)
    for label, column in COLUMNS.items():
        joint[label] = joint[column] - joint[f"{column}_there"]
    uniform = joint[joint["region"] == "uniform"]
    for name, rows, by, column in (
        ("overall_difference", joint, None, None),
        ("distortion_difference", uniform, "distortion", "distortion"),
        ("region_difference", joint, "region", "region"),
        ("severity_difference", uniform, "severity", "roi_severity"),
    ):
        for record in found.statistics[name].records:
            own = rows if column is None else rows[rows[column] == getattr(record, str(by))]
            if record.distortion:
                own = own[own["distortion"] == record.distortion]
            assert record.value == pytest.approx(own[record.label].mean(), abs=1e-9) and record.n == own[record.label].count()
    draws = np.random.default_rng(0).multinomial(4, np.full(4, 0.25), size=30)
    sums = joint.groupby("source_id")["consistency"].agg(["sum", "count"]).to_numpy()
    drawn = (draws @ sums)[:, 0] / (draws @ sums)[:, 1]
    overall = next(r for r in found.statistics["overall_difference"].records if r.label == "consistency")
    assert [overall.low, overall.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=1e-9)


def test_blocks_of_one_part_give_the_same(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The last part of the first run has no shared image."""
    documents = []
    for rows in (task_rows.ROWS_AT_ONCE, 1):
        monkeypatch.setattr(task_rows, "ROWS_AT_ONCE", rows)
        documents.append(audit_run(RunFolder(str(pair[0])), against=RunFolder(str(pair[1])), resamples=10))
    one, other = (document.model_dump(mode="json", exclude_none=True) for document in documents)
    assert one.keys() == other.keys() and values_of(one) == pytest.approx(values_of(other), abs=1e-12)


def values_of(content: object) -> list[float]:
    """All numbers of a document, in its order."""
    if isinstance(content, dict | list):
        parts = content.values() if isinstance(content, dict) else content
        return [value for part in parts for value in values_of(part)]
    return [float(content)] if isinstance(content, int | float) else []


def test_models_of_one_run_against_itself_differ_by_nothing(pair: tuple[Path, Path]) -> None:
    against = mb.audit(pair[0], against=pair[0], resamples=5).document.against
    assert against is not None
    records = against.tasks["cls"].statistics["models_difference"].records
    assert {record.model for record in records} == set(model_figures(pair[0], "cls")["P"])
    assert {(record.value, record.excludes_zero) for record in records} == {(0.0, False)}


def test_command_prints_intervals(pair: tuple[Path, Path], miqd: Miqd) -> None:
    result = miqd("audit", "--out", pair[0], "--against", pair[1], "--resamples", 10)
    assert result.code == 0 and "this run less 'out-cls'" in result.out and "* excludes 0" in result.out


def test_runs_with_nothing_in_common(tmp_path: Path, miqd: Miqd) -> None:
    write_labels(tmp_path / "a", "det", 3, ["darkness_1"])
    write_labels(tmp_path / "b", "ins", 3, ["darkness_1"])
    write_labels(tmp_path / "c", "det", 3, ["fog_1"])
    result = miqd("audit", "--out", tmp_path / "a", "--against", tmp_path / "b")
    assert result.code == 1 and "nothing to compare" in result.err and "Traceback" not in result.err
    against = mb.audit(tmp_path / "a", against=tmp_path / "c", resamples=5).document.against
    assert against is not None and against.absent == {"det": "the runs share no degraded image of this task"}
