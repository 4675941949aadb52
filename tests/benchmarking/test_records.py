"""Records of a labelled toy run, value by value against SciPy and plain Python."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import miqd_builder as mb
from miqd_builder.benchmarking import directions
from miqd_builder.benchmarking.baselines import degradation_mean
from miqd_builder.benchmarking.records import BenchmarkRecord
from miqd_builder.correlation.ceiling import noise_ceiling
from tests.benchmarking.conftest import Key, label_rows, write_measure
from tests.conftest import Outcome

COLUMNS = {"consistency": "consistency_weighted", "accuracy": "accuracy_weighted", "composite": "composite"}
SUBSETS = {
    "all": lambda row: True,
    "region=uniform": lambda row: row["region"] == "uniform",
    "mild": lambda row: max(row["roi_severity"], row["bg_severity"]) <= 2,
    "severe": lambda row: min(row["roi_severity"], row["bg_severity"]) >= 4,
    "category=environment": lambda row: row["category"] == "environment",
    "distortion=darkness": lambda row: row["distortion"] == "darkness",
}


@pytest.fixture(scope="module")
def values(toy_run: Path) -> dict[str, dict[Key, float]]:
    """Measures of the toy run: one with ties, infinities, nulls and NaN; a constant one; one that falls with quality."""
    rng = np.random.default_rng(5)
    keys = list(label_rows(toy_run, "det"))
    odd = {key: float(value) for key, value in zip(keys, rng.integers(0, 9, len(keys)), strict=True)}
    odd |= dict.fromkeys(keys[::7], math.inf) | dict.fromkeys(keys[3::11], math.nan) | dict.fromkeys(keys[5::13], math.nan)
    del odd[keys[8]]
    return {
        "odd": odd,
        "constant": dict.fromkeys(keys, 0.25),
        "falling": dict(zip(keys, rng.normal(size=len(keys)).tolist(), strict=True)),
    }


@pytest.fixture(scope="module")
def records(toy_run: Path, values: dict[str, dict[Key, float]]) -> dict[tuple[str, str, str], BenchmarkRecord]:
    """Records by (label, measure, subset)."""
    originals = {(source, "original"): 99.0 for source, _ in values["odd"]}
    write_measure(toy_run, "odd", values["odd"] | originals, parts=3)
    write_measure(toy_run, "constant", values["constant"])
    write_measure(toy_run, "falling", values["falling"], seed=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("miqd_builder.benchmarking.records.lower_better", lambda measure: measure == "falling")
        found = mb.benchmark(toy_run, task="det", resamples=50).tasks["det"]
    return {(record.label, record.measure, record.subset): record for record in found.records}


def pairs(toy_run: Path, values: dict[Key, float], label: str, subset: str) -> tuple[list[float], list[float], int]:
    """The values on both sides that a record is of, joined by hand, and how many rows lack one."""
    rows = {key: row for key, row in label_rows(toy_run, "det").items() if SUBSETS[subset](row)}
    both = [(values.get(key, math.nan), row[COLUMNS[label]]) for key, row in rows.items()]
    kept = [(x, y) for x, y in both if y is not None and not math.isnan(x)]
    return [x for x, _ in kept], [y for _, y in kept], len(both) - len(kept)


@pytest.mark.parametrize("subset", SUBSETS)
@pytest.mark.parametrize("label", COLUMNS)
@pytest.mark.parametrize("measure", ["odd", "falling", "psnr"])
def test_a_record_is_what_scipy_says_of_the_same_rows(
    toy_run: Path,
    values: dict[str, dict[Key, float]],
    records: dict[tuple[str, str, str], BenchmarkRecord],
    measure: str,
    label: str,
    subset: str,
) -> None:
    psnr = {key: row["psnr"] for key, row in label_rows(toy_run, "det").items()}
    x, y, dropped = pairs(toy_run, psnr if measure == "psnr" else values[measure], label, subset)
    record = records[label, measure, subset]
    sign = -1 if measure == "falling" else 1
    assert (record.n, record.dropped) == (len(x), dropped) and record.n > 5
    assert record.srcc == pytest.approx(sign * stats.spearmanr(x, y)[0], abs=1e-9)
    assert record.krcc == pytest.approx(sign * stats.kendalltau(x, y)[0], abs=1e-9)
    finite = np.array(x)
    finite[np.isposinf(finite)] = finite[np.isfinite(finite)].max()
    assert record.plcc_raw == pytest.approx(sign * stats.pearsonr(finite, y)[0], abs=1e-9)
    assert record.srcc_low <= record.srcc <= record.srcc_high
    assert 0 <= record.rmse <= np.std(y) + 1e-12


def test_a_constant_measure_has_no_correlation(records: dict[tuple[str, str, str], BenchmarkRecord]) -> None:
    record = records["composite", "constant", "all"]
    assert record.n == 100 and all(map(math.isnan, (record.srcc, record.srcc_low, record.krcc, record.plcc_raw)))
    assert record.to_json()["srcc"] is None


def test_the_baseline_is_a_loop_over_the_other_sources(
    toy_run: Path, records: dict[tuple[str, str, str], BenchmarkRecord]
) -> None:
    rows = label_rows(toy_run, "det")
    for label, column in COLUMNS.items():
        x, y = [], []
        for (source, degradation), row in rows.items():
            others = [
                other[column]
                for (one, name), other in rows.items()
                if name == degradation and one != source and other[column] is not None
            ]
            if others and row[column] is not None:
                x.append(round(sum(others) / len(others), 12))
                y.append(row[column])
        record = records[label, "degradation_mean", "all"]
        assert record.n == len(x) and record.srcc == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-9)


def test_the_baseline_of_equal_labels_is_that_label() -> None:
    label, names = np.full(7, 0.1), np.array([0, 1, 0, 1, 0, 1, 0])
    assert set(degradation_mean(label, names)) == {0.1}
    one = np.array([0.2, np.nan, 0.6])
    assert degradation_mean(one, np.zeros(3, np.int64)).tolist() == [0.6, 0.4, 0.2]
    assert np.isnan(degradation_mean(np.array([0.3]), np.array([0]))).all()


def test_the_ceiling_is_that_of_the_scores(toy_run: Path, records: dict[tuple[str, str, str], BenchmarkRecord]) -> None:
    run = mb.open_run(toy_run)
    rows, models = label_rows(toy_run, "det"), run.models("det")
    scores = run.scores("det").to_pylist()
    weights = np.array([50.0 if model == "blobs" else 25.0 for model in models])
    found = {(row["model"], row["source_id"], row["degradation"]): row for row in scores}
    for subset in ("all", "severe"):
        kept = [key for key, row in rows.items() if SUBSETS[subset](row)]
        tables = {
            name: np.array([[found[model, *key][name] for model in models] for key in kept], np.float64)
            for name in ("consistency", "accuracy")
        }
        tables["composite"] = (tables["consistency"] + tables["accuracy"]) / 2
        for label, table in tables.items():
            expected = noise_ceiling(table, weights).value
            assert records[label, "psnr", subset].ceiling == pytest.approx(expected, abs=1e-3, nan_ok=True)
            assert records[label, "odd", subset].ceiling == records[label, "psnr", subset].ceiling
    record = records["consistency", "psnr", "all"]
    assert 0 < record.ceiling <= 1 and record.of_ceiling == record.srcc / record.ceiling


def test_the_report_holds_the_records(
    toy_run: Path, records: dict[tuple[str, str, str], BenchmarkRecord], tmp_path: Path, miqd: Callable[..., Outcome]
) -> None:
    done = miqd("benchmark", "--out", toy_run, "--task", "det", "--resamples", 20, "--json", tmp_path / "b.json")
    assert done.code == 0, done.err
    stored = json.loads((toy_run / "report/benchmark.json").read_text())
    assert stored == json.loads((tmp_path / "b.json").read_text())
    assert {(r["label"], r["measure"], r["subset"]) for r in stored} == set(records)
    row = next(r for r in stored if (r["label"], r["measure"], r["subset"]) == ("composite", "psnr", "all"))
    assert row["srcc"] == records["composite", "psnr", "all"].srcc
    page = (toy_run / "report/benchmark.md").read_text()
    assert f"| psnr | {row['n']} | {row['dropped']} | {row['srcc']:.3f} [" in page and "| 0.3176 |" in page
    assert f"{row['srcc']:.4f}" in done.out and "odd has no record: more is taken as better." in done.out
    shown = (toy_run / "report/benchmark.html").read_text()
    cells = f"<td>psnr</td><td>{row['n']}</td><td>{row['dropped']}</td><td>{row['srcc']:.3f} ["
    assert cells in shown and "<td>RA-MIQA</td>" in shown and "<script" not in shown
    assert miqd("audit", "--out", toy_run, "--task", "det").code == 0
    assert '<a href="benchmark.html">' in (toy_run / "report/index.html").read_text()
    assert "RA-MIQA" in page and "Too small" in page and "Not comparable" in done.out


def test_a_split_leaves_the_other_sources_out(toy_run: Path) -> None:
    found = mb.benchmark(toy_run, task="det", split="train", split_seed=2, measures="psnr", resamples=5).tasks["det"]
    assert found.sources == len(mb.open_run(toy_run).split("train", seed=2)) == 3
    assert [(r.measure, r.n) for r in found.overall("consistency")] == [("psnr", 75), ("degradation_mean", 75)]
    # The baseline knows all other sources, those of other splits too.
    test = mb.benchmark(toy_run, task="det", split="test", measures=["psnr"], resamples=5).tasks["det"]
    assert [(r.measure, r.n) for r in test.overall("consistency")] == [("psnr", 25), ("degradation_mean", 25)]
    assert math.isnan(test.records[0].srcc_low), "one source has no interval"


def test_directions_come_from_records() -> None:
    found = [directions.lower_better(name) for name in ("psnr", "lpips_alex", "niqe", "mine")]
    assert found == [False, True, True, None]
    assert {"psnr", "ssim", "bytes"} <= set(directions.known_measures())
