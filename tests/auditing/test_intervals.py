"""Intervals of the audit against resamples that are written out row by row, and noise ceilings against SciPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import miqd_builder as mb
from miqd_builder.auditing.document import AuditDocument, Record
from tests.auditing.expected_labels import read_table, with_originals
from tests.auditing.expected_scores import uniform_scores
from tests.auditing.toy_runs import make_runs

RESAMPLES = 40


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AuditDocument]:
    """A run of three classifiers and what the audit says of it."""
    run = make_runs(tmp_path_factory.mktemp("intervals"), ("cls",))["cls"]
    return run, mb.audit(run, baseline="bright", resamples=RESAMPLES, seed=3).document


def find(document: AuditDocument, name: str, **keys: Any) -> Record:
    """The record of a statistic with these keys, and without others that would tell it apart."""
    records = document.tasks["cls"].statistics[name].records
    optional = ("distortion", "category", "region", "model", "other", "severity", "quantile", "threshold")
    wanted = {**dict.fromkeys(optional), **keys}
    (found,) = [r for r in records if all(getattr(r, k) == v for k, v in wanted.items())]
    return found


def bounds(rows: pd.DataFrame, statistic: Callable[[pd.DataFrame], float], seed: int = 3) -> list[float]:
    """Percentile interval of a statistic of rows, over draws of whole sources that are written out."""
    ids = sorted(rows["source_id"].unique())
    draws = np.random.default_rng(seed).multinomial(len(ids), np.full(len(ids), 1 / len(ids)), size=RESAMPLES)
    by_source = dict(iter(rows.groupby("source_id")))
    values = []
    for draw in draws:
        drawn = [by_source[source] for source, copies in zip(ids, draw, strict=True) for _ in range(copies)]
        values.append(statistic(pd.concat(drawn)))
    return [float(bound) for bound in np.quantile(np.array(values)[~np.isnan(values)], [0.025, 0.975])]


def assert_interval(record: Record, expected: list[float]) -> None:
    assert [record.low, record.high] == pytest.approx(expected, abs=1e-9)


def test_labels_and_declines(audited: tuple[Path, AuditDocument]) -> None:
    run, document = audited
    weights = {model.name: float(model.weight or 0) for model in document.tasks["cls"].models}
    labels = with_originals(run, "cls", weights, 0.5)
    cell = labels[labels["degradation"] == "darkness_4"]
    keys = {"distortion": "darkness", "category": "environment", "severity": 4}
    found = find(document, "severity", label="composite", **keys)
    assert_interval(found, bounds(cell, lambda rows: rows["composite"].mean()))
    assert (found.n, found.sources, found.excludes_zero) == (5, 5, None)

    def decline(rows: pd.DataFrame) -> float:
        return 100 * (1 - rows["accuracy_weighted"].mean() / rows["original_accuracy"].mean())

    found = find(document, "severity_decline", label="accuracy", **keys)
    assert_interval(found, bounds(cell, decline))
    assert found.excludes_zero is (found.low is not None and found.high is not None and (found.low > 0 or found.high < 0))


def test_differences_are_paired(audited: tuple[Path, AuditDocument]) -> None:
    run, document = audited
    uniform, _ = uniform_scores(run, "cls")

    def difference(rows: pd.DataFrame) -> float:
        cells = rows.groupby(["model", "distortion", "severity"])["consistency"].mean()
        means = cells.groupby(["model", "distortion"]).mean().groupby("model").mean()
        return float(means["bright"] - means["bright2"])

    found = find(document, "model_difference", label="consistency", model="bright", other="bright2")
    assert_interval(found, bounds(uniform, difference))
    kappa = find(document, "error_consistency", label="kappa", model="bright", other="bright3")

    def of_draw(rows: pd.DataFrame) -> float:
        # Copies of a source have equal keys: place them side by side by their order.
        order = rows.assign(copy=rows.groupby(["model", "source_id", "degradation"]).cumcount())
        wide = order.pivot(index=["source_id", "degradation", "copy"], columns="model", values="accuracy")
        a, b = wide["bright"].to_numpy(), wide["bright3"].to_numpy()
        chance = a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean())
        return float(((a == b).mean() - chance) / (1 - chance)) if chance < 1 else np.nan

    assert_interval(kappa, bounds(uniform, of_draw))


def test_two_way_intervals_draw_models_too(audited: tuple[Path, AuditDocument]) -> None:
    run, document = audited
    uniform, _ = uniform_scores(run, "cls")
    cell = uniform[uniform["distortion"] == "darkness"]
    wide = cell.pivot_table(index="source_id", columns="model", values="accuracy", aggfunc="mean")
    sources = np.random.default_rng(3).multinomial(5, np.full(5, 1 / 5), size=RESAMPLES)
    models = np.random.default_rng([3, 1]).multinomial(3, np.full(3, 1 / 3), size=RESAMPLES)
    values = [
        float(np.mean(np.repeat(np.repeat(wide.to_numpy(), s, axis=0), m, axis=1)))
        for s, m in zip(sources, models, strict=True)
    ]
    found = find(document, "distortion_models", label="accuracy", distortion="darkness", category="environment")
    assert_interval(found, [float(bound) for bound in np.quantile(values, [0.025, 0.975])])


def test_noise_ceiling_is_the_corrected_correlation_of_halves(audited: tuple[Path, AuditDocument]) -> None:
    run, document = audited
    scores = read_table(run, "scores", "cls")
    scores = scores[scores["degradation"] != "original"]
    weights = {model.name: float(model.weight or 0) for model in document.tasks["cls"].models}
    wide = scores.pivot(index=["source_id", "degradation"], columns="model", values="accuracy")
    rng, names, found = np.random.default_rng(3), sorted(weights), []
    for _ in range(50):
        order = rng.permutation(3)
        halves = [[names[i] for i in order[:1]], [names[i] for i in order[1:]]]
        sides = [(wide[h] * [weights[m] for m in h]).sum(axis=1) / sum(weights[m] for m in h) for h in halves]
        r = stats.spearmanr(sides[0], sides[1]).statistic
        found.append(2 * r / (1 + r))
    record = find(document, "noise_ceiling", label="accuracy")
    assert record.value == pytest.approx(np.mean(found), abs=1e-9)
    assert record.low is not None and record.high is not None and record.low <= record.value <= record.high


def test_same_run_same_bytes_and_no_interval_of_one_source(audited: tuple[Path, AuditDocument], tmp_path: Path) -> None:
    run, document = audited
    before = (run / "report/audit.json").read_bytes()
    assert mb.audit(run, baseline="bright", resamples=RESAMPLES, seed=3).document == document
    assert (run / "report/audit.json").read_bytes() == before
    assert mb.audit(run, baseline="bright", resamples=RESAMPLES, seed=4).document != document
    alone = make_runs(tmp_path, ("cls",), limit=1, degradations=["darkness_?"])["cls"]
    statistics = mb.audit(alone, resamples=20).document.tasks["cls"].statistics
    assert all(record.low is None for statistic in statistics.values() for record in statistic.records)
