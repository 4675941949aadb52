"""Two sets of labels compared, against scipy on the same pairs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import miqd_builder as mb
from miqd_builder.auditing.comparison import MEASURES, compare
from miqd_builder.store.folder import RunFolder
from tests.auditing.conftest import write_labels
from tests.conftest import Outcome

Miqd = Callable[..., Outcome]
NAMES = ["fog_1", "fog_2", "fog_5", "snow_1", "snow_4", "darkness_3"]


def test_statistics_are_those_of_scipy_on_the_joint_rows(tmp_path: Path) -> None:
    a = write_labels(tmp_path / "a", "det", 9, NAMES, seed=1)
    b = write_labels(tmp_path / "b", "det", 7, NAMES[1:], seed=2)
    result = compare(RunFolder(str(tmp_path / "a")), RunFolder(str(tmp_path / "b")), "det")
    of_b = {(row["source_id"], row["degradation"]): row for row in b}
    joint = [(row, of_b[key]) for row in a if (key := (row["source_id"], row["degradation"])) in of_b]
    assert (result.joint, result.only_a, result.only_b) == (35, 54 - 35, 0) == (len(joint), len(a) - len(joint), 0)
    assert len(result.agreements) == 3 * (1 + 3)
    for agreement in result.agreements:
        column = MEASURES[agreement.measure]
        pairs = [(x[column], y[column]) for x, y in joint if agreement.distortion in ("all", x["distortion"])]
        x, y = np.array(pairs).T
        assert agreement.n == len(pairs)
        assert agreement.srcc == pytest.approx(stats.spearmanr(x, y)[0])
        assert agreement.plcc == pytest.approx(np.corrcoef(x, y)[0, 1])
        assert agreement.krcc == pytest.approx(stats.kendalltau(x, y)[0])
        assert agreement.rmse == pytest.approx(math.sqrt(np.mean((x - y) ** 2)))


def test_worst_disagreements_come_first(tmp_path: Path) -> None:
    rows = write_labels(tmp_path / "a", "cls", 4, NAMES)
    composite = [row["composite"] for row in rows]
    for index, change in {3: 0.5, 17: -0.7, 8: 0.1}.items():
        composite[index] += change
    write_labels(tmp_path / "b", "cls", 4, NAMES, composite=composite)
    worst = compare(RunFolder(str(tmp_path / "a")), RunFolder(str(tmp_path / "b")), "cls").worst
    keys = [(rows[i]["source_id"], rows[i]["degradation"]) for i in (17, 3, 8)]
    assert [(w.source_id, w.degradation) for w in worst] == keys
    assert worst[0].a - worst[0].b == pytest.approx(0.7)


def test_labels_without_accuracy_are_compared_by_consistency(miqd: Miqd, tmp_path: Path) -> None:
    nothing = {"accuracy_weighted": None, "composite": None}
    write_labels(tmp_path / "a", "ins", 3, NAMES, **nothing)
    write_labels(tmp_path / "b", "ins", 3, NAMES, seed=1, **nothing)
    result = miqd("compare", tmp_path / "a", tmp_path / "b")
    assert result.code == 0 and "ins: no accuracy on both sides" in result.out
    assert "worst disagreements, consistency" in result.out


def test_constant_labels_have_no_correlation(tmp_path: Path) -> None:
    write_labels(tmp_path / "a", "det", 3, NAMES, composite=0.5)
    write_labels(tmp_path / "b", "det", 3, NAMES, seed=1)
    result = compare(RunFolder(str(tmp_path / "a")), RunFolder(str(tmp_path / "b")), "det")
    whole = next(a for a in result.agreements if a.measure == "composite" and a.distortion == "all")
    assert math.isnan(whole.srcc) and math.isnan(whole.krcc) and whole.rmse > 0


def test_json_holds_what_is_printed(miqd: Miqd, tmp_path: Path) -> None:
    write_labels(tmp_path / "a", "det", 3, NAMES)
    write_labels(tmp_path / "b", "det", 3, NAMES, seed=1, composite=0.5)
    result = miqd("compare", tmp_path / "a", tmp_path / "b", "--json", tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())[0]
    assert (figures["task"], figures["joint"], len(figures["worst"])) == ("det", 18, 10)
    srcc = figures["agreements"][0]["srcc"]
    assert f"{srcc:.4f}" in result.out
    assert {a["srcc"] for a in figures["agreements"] if a["measure"] == "composite"} == {None}


@pytest.mark.parametrize(
    ("task_b", "names_b", "options", "message"),
    [
        ("cls", NAMES, (), "No task has labels on both sides"),
        ("det", ["jpeg_compression_1"], (), "share no degraded image"),
        ("det", NAMES, ("--task", "cls"), "no labels for task cls"),
        ("det", NAMES, ("--task", "dett"), "Did you mean 'det'"),
    ],
)
def test_nothing_to_compare_is_one_line(
    miqd: Miqd, tmp_path: Path, task_b: str, names_b: list[str], options: tuple[str, ...], message: str
) -> None:
    write_labels(tmp_path / "a", "det", 2, NAMES)
    write_labels(tmp_path / "b", task_b, 2, names_b)
    result = miqd("compare", tmp_path / "a", tmp_path / "b", *options)
    assert result.code == 1 and message in result.err and result.err.count("\n") == 1


def test_a_report_without_images_that_are_degraded_as_a_whole(tmp_path: Path) -> None:
    write_labels(tmp_path, "det", 3, ["fog_fg_stronger_fg5_bg1", "fog_bg_stronger_fg1_bg5"])
    audited = mb.audit(tmp_path)
    assert audited.tasks["det"].severities == []
    assert "the run has no uniform degradation" in Path(audited.report).read_text()
