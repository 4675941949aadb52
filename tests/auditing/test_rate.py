"""Rate curves of codecs: by value, BD-rate against the package bjontegaard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bjontegaard
import numpy as np
import pandas as pd
import pytest
from scipy import interpolate

import miqd_builder as mb
from miqd_builder.auditing.audit import audit_run
from miqd_builder.auditing.document import TaskDocument
from miqd_builder.auditing.rate_curves import RateCurve, bd_rate
from miqd_builder.store.folder import RunFolder
from tests.auditing.expected_labels import read_table
from tests.auditing.expected_scores import uniform_scores
from tests.auditing.toy_runs import make_runs

CODECS = ("codec_jpeg", "codec_webp")


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TaskDocument]:
    """Two codecs and a distortion, seen by three detectors."""
    patterns = [*(f"{codec}_?" for codec in CODECS), "darkness_1"]
    run = make_runs(tmp_path_factory.mktemp("rate"), ("det",), degradations=patterns)["det"]
    return run, audit_run(RunFolder(str(run)), resamples=20).tasks["det"]


def risen(values: np.ndarray) -> np.ndarray:
    """Pool adjacent violators, one pair after the other."""
    blocks: list[list[float]] = []
    for value in values:
        blocks.append([value])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    return np.array([np.mean(block) for block in blocks for _ in block])


def points(rates: pd.Series, qualities: pd.Series) -> tuple[list[float], list[float]]:
    """Rates and risen qualities, the cheapest of equal ones."""
    order = np.argsort(rates.to_numpy())
    rate, quality = rates.to_numpy()[order], risen(qualities.to_numpy()[order])
    kept = [i for i in range(len(rate)) if i == 0 or quality[i] > quality[i - 1] + 1e-12]
    return list(rate[kept]), list(quality[kept])


def test_values_are_those_of_the_tables(coded: tuple[Path, TaskDocument]) -> None:
    run, found = coded
    labels = read_table(run, "labels", "det")
    variants = pd.concat([pd.read_parquet(file) for file in sorted((run / "variants").glob("*.parquet"))])
    assert variants[variants["distortion"] == "darkness"]["bytes"].isna().all()
    bits = variants[["source_id", "degradation", "bits_per_pixel"]].dropna()
    joined = labels.merge(bits, on=["source_id", "degradation"])
    columns = {"bits_per_pixel": "bits_per_pixel", "consistency": "consistency_weighted", "accuracy": "accuracy_weighted"}
    records = found.statistics["rate"].records
    assert len(records) == 2 * 8 * 3
    for record in records:
        own = joined[(joined["distortion"] == record.distortion) & (joined["roi_severity"] == record.severity)]
        assert record.value == pytest.approx(own[columns[record.label]].mean(), abs=1e-9) and record.n == 5 - (
            record.label == "accuracy"
        )
    table = joined.groupby(["distortion", "roi_severity"])[list(columns.values())].mean()
    bd: list[Any] = list(found.statistics["bd_rate"].records) if "bd_rate" in found.statistics else []
    for record in bd:
        sides = [
            points(table.loc[c, "bits_per_pixel"], table.loc[c, columns[record.label]])
            for c in (record.other, record.distortion)
        ]
        expected = bjontegaard.bd_rate(*sides[0], *sides[1], method="pchip", require_matching_points=False, min_overlap=0)
        assert record.value == pytest.approx(expected, rel=1e-9)
    assert bd, found.absent
    uniform, _ = uniform_scores(run, "det")
    for record in found.statistics["rate_at_smr"].records:
        own = uniform[uniform["distortion"] == record.distortion]
        satisfied = own.assign(ok=own["consistency"] >= float(record.threshold or 0) - 1e-9).groupby("severity")["ok"].mean()
        rate, share = points(table.loc[record.distortion, "bits_per_pixel"], satisfied)
        expected = np.exp(interpolate.PchipInterpolator(share, np.log(rate))(record.quantile))
        assert record.value == pytest.approx(float(expected), rel=1e-9)


def test_bd_rate_is_that_of_the_package() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        sides = [
            (np.sort(rng.uniform(0.1, 3, 6)), np.sort(rng.uniform(0.2 + 0.3 * n, 0.7 + 0.3 * n, 6))) for n in rng.random(2)
        ]
        curves = [RateCurve.fit(*side) for side in sides]
        expected = bjontegaard.bd_rate(*sides[1], *sides[0], method="pchip", require_matching_points=False, min_overlap=0)
        assert bd_rate(*curves) == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_curves_without_common_quality_are_not_compared() -> None:
    low, high = (RateCurve(np.array(quality), np.log([1.0, 2.0])) for quality in ((0.1, 0.2), (0.5, 0.6)))
    assert np.isnan(bd_rate(low, high)) and np.isnan(bd_rate(None, high)) and np.isnan(low.rate_at(0.5))
    assert RateCurve.fit(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.5, 0.5])) is None
    assert RateCurve.fit(np.array([1.0, np.nan]), np.array([0.5, 0.6])) is None


def test_a_run_of_codecs_alone_has_what_it_can(tmp_path: Path) -> None:
    run = make_runs(tmp_path, ("cls",), degradations=["codec_webp_[1-4]"])["cls"]
    audited = audit_run(RunFolder(str(run)), resamples=5).tasks["cls"]
    assert audited.absent["bd_rate"] == "the run has one codec" and len(audited.statistics["rate"].records) == 12
    assert mb.verify(run).problems == ()
