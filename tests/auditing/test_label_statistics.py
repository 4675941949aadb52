"""Label statistics: values, intervals and warnings."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import degradations
import miqd_builder as mb
from miqd_builder.auditing.bootstrap import draw_sources, drawn_moments, drawn_spearman
from miqd_builder.auditing.label_statistics import PAPER, STATISTICS, label_statistics
from miqd_builder.store.folder import RunFolder
from tests.auditing.conftest import write_labels
from tests.conftest import Outcome, make_data_set, write_run

Miqd = Callable[..., Outcome]
NAMES = degradations.names()


@pytest.mark.parametrize("digits", [1, 2, 9])
def test_draws_are_those_of_the_rows_written_out(digits: int) -> None:
    """Few digits make ties; copies of a row are ties of their own."""
    rng = np.random.default_rng(digits)
    a, b = np.round(rng.random((2, 60)), digits)
    a[3], b[5] = np.inf, a[7]
    source_of = np.repeat(np.arange(12), 5)
    draws = draw_sources(12, 25, seed=1)
    assert draws.sum(axis=1).tolist() == [12] * 25
    found = drawn_spearman(a, b, source_of, draws)
    spread, correlation = drawn_moments({"b": b, "c": b**2}, source_of, draws)
    for index, draw in enumerate(draws):
        rows = np.repeat(np.arange(60), draw[source_of])
        assert found[index] == pytest.approx(stats.spearmanr(a[rows], b[rows])[0], abs=1e-12)
        assert spread["b"][index] == pytest.approx(b[rows].std(), abs=1e-12)
        assert correlation[index] == pytest.approx(np.corrcoef(b[rows], b[rows] ** 2)[0, 1], abs=1e-12)


def test_constant_side_has_no_correlation() -> None:
    draws = draw_sources(4, 3, seed=0)
    source_of = np.arange(4)
    assert np.isnan(drawn_spearman(np.ones(4), np.arange(4.0), source_of, draws)).all()


def test_point_estimates_are_those_of_numpy_and_scipy(tmp_path: Path) -> None:
    rows = write_labels(tmp_path, "det", 5, NAMES[:40])
    rows += [{**rows[0], "accuracy_weighted": None, "composite": None}]
    result = label_statistics(RunFolder(str(tmp_path)), "det", resamples=50)
    columns = {
        n: np.array([r[n] for r in rows[:-1]]) for n in ("accuracy_weighted", "consistency_weighted", "composite", "psnr")
    }
    accuracy, consistency, composite, psnr = columns.values()
    expected = [accuracy.std(), consistency.std(), composite.std(), np.corrcoef(accuracy, consistency)[0, 1]]
    values = {e.name: e.value for e in result.estimates}
    assert [values[name] for name in STATISTICS[:4]] == pytest.approx(expected)
    assert values["srcc_psnr_composite"] == pytest.approx(stats.spearmanr(psnr, composite)[0])
    assert math.isnan(values["srcc_ssim_composite"])
    assert (result.rows, result.sources) == (200, 5)
    assert {e.name: e.paper for e in result.estimates} == PAPER["det"]


def test_intervals_are_over_sources_not_over_rows(tmp_path: Path) -> None:
    """Rows of a source are alike: the spread of the source means decides, and 30 sources know it badly."""
    write_labels(tmp_path, "det", 30, NAMES[:50])
    first, again = (label_statistics(RunFolder(str(tmp_path)), "det", resamples=300) for _ in range(2))
    assert repr(first) == repr(again)
    other = label_statistics(RunFolder(str(tmp_path)), "det", resamples=300, seed=1)
    for e, f in zip(first.estimates[:5], other.estimates[:5], strict=True):
        assert e.low < e.value < e.high
        assert (e.low, e.high) == pytest.approx((f.low, f.high), abs=0.06) and (e.low, e.high) != (f.low, f.high)
    by_rows = stats.bootstrap((np.random.default_rng(0).random(1500),), np.std, n_resamples=200).confidence_interval
    composite = first.estimates[2]
    assert composite.high - composite.low > 2 * (by_rows.high - by_rows.low)


def test_full_run_is_comparable(tmp_path: Path) -> None:
    write_labels(tmp_path, "cls", 100, NAMES)
    assert label_statistics(RunFolder(str(tmp_path)), "cls", resamples=20).obstacles == ()


@pytest.mark.parametrize(
    ("sources", "names", "columns", "message"),
    [
        (99, NAMES, {}, "Too small: 99 source images"),
        (100, NAMES[:-1], {}, "1 of the 250 are missing, 0 are not among them"),
        (100, [*NAMES, "frost_1"], {}, "0 of the 250 are missing, 1 are not among them"),
        (100, NAMES, {"recipe": "soft_v1"}, "Another recipe: soft_v1"),
        (100, NAMES, {"n_models": 7}, "Other models: 7 of them, the paper has 20"),
        (100, NAMES, {"composite": None, "accuracy_weighted": None}, "No image has an accuracy"),
    ],
)
def test_what_stands_in_the_way_is_said(
    tmp_path: Path, sources: int, names: list[str], columns: dict[str, Any], message: str
) -> None:
    write_labels(tmp_path, "det", sources, names, **columns)
    obstacles = label_statistics(RunFolder(str(tmp_path)), "det", resamples=5).obstacles
    assert len(obstacles) == 1 and message in obstacles[0]


def test_command_prints_the_papers_numbers(miqd: Miqd, tmp_path: Path) -> None:
    write_labels(tmp_path, "ins", 3, NAMES[:10])
    result = miqd("audit", "--label-statistics", "--out", tmp_path, "--resamples", 10)
    assert result.code == 0 and not (tmp_path / "report").exists()
    for value in ("0.2695", "0.3031", "0.2729", "0.8160", "0.3242", "0.4391"):
        assert value in result.out
    assert "miqd measure --measures ssim" in result.out and "Too small" in result.out


def test_ssim_is_joined_where_it_was_measured(miqd: Miqd, zoo: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, make_data_set(tmp_path / "big", count=3, size=(64, 80)), zoo)
    miqd("label", "--task", "det", "--run", run)
    miqd("measure", "--out", tmp_path / "out", "--measures", "ssim")
    result = miqd("audit", "--label-statistics", "--resamples", 10, "--run", run)
    line = next(line for line in result.out.splitlines() if "SRCC(SSIM" in line)
    table = mb.open_run(tmp_path / "out")
    labels, values = table.labels("det").to_pandas(), table.measures(["ssim"]).to_pandas()
    joined = labels.merge(values, on=["source_id", "degradation"])
    expected = stats.spearmanr(joined["ssim"], joined["composite"], nan_policy="omit").statistic
    assert float(line.split()[2]) == pytest.approx(expected, abs=1e-3) and "No SSIM" not in result.out
