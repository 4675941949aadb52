"""Statistics of single models with pandas, NumPy and SciPy, from the Parquet files alone. No code of the audit."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from tests.auditing.expected_labels import Expected, key, read_table

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def uniform_scores(run: Path, task: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores under uniform degradations, with the degradation's parts, and those of the originals."""
    scores, labels = read_table(run, "scores", task), read_table(run, "labels", task)
    scores = scores.dropna(subset=["consistency"])
    kinds = labels[["degradation", "distortion", "category", "region", "roi_severity"]].drop_duplicates()
    kinds = kinds[kinds["region"] == "uniform"].rename(columns={"roi_severity": "severity"})
    return scores.merge(kinds, on="degradation"), scores[scores["degradation"] == "original"]


def model_figures(run: Path, task: str) -> dict[str, dict[str, float]]:
    """P, mPC, rPC and mean consistency by figure and model."""
    uniform, clean = uniform_scores(run, task)
    cells = uniform.groupby(["model", "distortion", "severity"])[["consistency", "accuracy"]].mean()
    means = cells.groupby(["model", "distortion"]).mean().groupby("model").mean()
    p = clean.groupby("model")["accuracy"].mean()
    figures = {"P": p, "mPC": means["accuracy"], "rPC": means["accuracy"] / p, "consistency": means["consistency"]}
    return {name: values.to_dict() for name, values in figures.items()}


def model_values(run: Path, task: str, baseline: str) -> Expected:
    """Scores by model and severity, figures of models, their differences, corruption errors, effective robustness."""
    expected: Expected = {}
    uniform, clean = uniform_scores(run, task)
    originals = clean.groupby("model")[["consistency", "accuracy"]].mean()
    columns = ["model", "distortion", "category", "severity"]
    cells = uniform.groupby(columns)[["consistency", "accuracy"]].mean()
    for values, row in cells.iterrows():
        keys = dict(zip(columns, values, strict=True))
        for label in ("consistency", "accuracy"):
            expected[key("model_severity", label=label, **keys)] = row[label]
            decline = 100 * (1 - row[label] / originals.loc[keys["model"], label])
            expected[key("model_severity_decline", label=label, **keys)] = decline
    figures, models = model_figures(run, task), sorted(originals.index)
    for figure, of_figure in figures.items():
        expected |= {key("models", label=figure, model=model): of_figure[model] for model in models}
        for a, b in combinations(models, 2):
            expected[key("model_difference", label=figure, model=a, other=b)] = of_figure[a] - of_figure[b]
    over_models = cells.groupby(["model", "distortion", "category"]).mean().groupby(["distortion", "category"]).mean()
    for (distortion, category), row in over_models.iterrows():
        for label in ("consistency", "accuracy"):
            expected[key("distortion_models", label=label, distortion=distortion, category=category)] = row[label]
    if len(models) > 2 and np.ptp([figures["P"][m] for m in models]) > 0:
        x, y = (np.array([figures[f][m] for m in models]) for f in ("P", "mPC"))
        slope, intercept = np.polyfit(x, y, 1)
        expected |= {
            key("effective_robustness", label="residual", model=m): y[i] - slope * x[i] - intercept
            for i, m in enumerate(models)
        }
    if baseline in models:
        expected |= _corruption_errors(1 - cells["accuracy"], 1 - originals["accuracy"], baseline)
    return expected


def _corruption_errors(errors: pd.Series, clean: pd.Series, baseline: str) -> Expected:
    expected: Expected = {}
    sums = errors.groupby(["model", "distortion", "category"]).sum().unstack("model")
    counts = errors.groupby(["model", "distortion", "category"]).size().unstack("model")
    increases = sums - counts * clean[sums.columns]
    for label, table in (("mCE", sums), ("relative_mCE", increases)):
        relative = 100 * table.div(table[baseline].where(table[baseline] > 0), axis=0)
        for model in relative.columns:
            if label == "mCE":
                for (distortion, category), value in relative[model].items():
                    expected[key("mce", label="CE", model=model, distortion=distortion, category=category)] = value
            expected[key("mce", label=label, model=model)] = relative[model].mean(skipna=False)
    return expected


def machine_values(run: Path, task: str) -> Expected:
    """Satisfied machine ratios and machine JNDs."""
    expected: Expected = {}
    uniform, _ = uniform_scores(run, task)
    columns = ["distortion", "category", "severity"]
    for threshold in (1.0,) if task == "cls" else (0.5, 0.75, 0.9):
        satisfied = uniform.assign(satisfied=uniform["consistency"] >= threshold - 1e-9)
        shares = satisfied.groupby([*columns, "source_id"])["satisfied"].mean().groupby(columns).mean()
        for values, share in shares.items():
            expected[key("smr", label="smr", threshold=threshold, **dict(zip(columns, values, strict=True)))] = share
        jnd = _jnds(satisfied)
        if not len(jnd):
            continue
        for (distortion, category), values in jnd.groupby(["distortion", "category"]):
            keys = {"distortion": distortion, "category": category, "threshold": threshold, "label": "jnd"}
            expected[key("jnd", **keys)] = values.mean()
            for quantile in QUANTILES:
                expected[key("jnd", quantile=quantile, **keys)] = np.quantile(values, quantile, method="inverted_cdf")
        for model, values in jnd.groupby("model"):
            expected[key("jnd_models", label="jnd", model=model, threshold=threshold)] = values.mean()
    return expected


def _jnds(satisfied: pd.DataFrame) -> pd.Series:
    """Severities that a model takes one after the other, where it has a score at every one from 1 on."""
    index = ["source_id", "model", "distortion", "category"]
    found = {}
    for keys, group in satisfied.groupby(index):
        order = group.sort_values("severity")
        every = satisfied.loc[satisfied["distortion"] == keys[2], "severity"].unique()
        if sorted(every) == list(range(1, len(every) + 1)) and len(order) == len(every):
            found[keys] = int(np.cumprod(order["satisfied"].to_numpy(int)).sum())
    return pd.Series(found, dtype=float).rename_axis(index) if found else pd.Series(dtype=float)


def agreement_values(run: Path, task: str) -> Expected:
    """Rank correlations of models' scores; kappa of their being right, of classifiers."""
    expected: Expected = {}
    scores = read_table(run, "scores", task)
    scores = scores[scores["degradation"] != "original"]
    models = sorted(scores["model"].unique())
    for label in ("consistency", "accuracy"):
        wide = scores.pivot(index=["source_id", "degradation"], columns="model", values=label).dropna()
        varied = [m for m in models if len(wide) and wide[m].nunique() > 1]
        pairs = {(a, b): stats.spearmanr(wide[a], wide[b]).statistic for a, b in combinations(varied, 2)}
        expected |= {key("agreement", label=label, model=a, other=b): value for (a, b), value in pairs.items()}
        if pairs:
            expected[key("agreement", label=label)] = float(np.mean(list(pairs.values())))
    if task == "cls":
        expected |= _kappas(uniform_scores(run, task)[0], models)
    return expected


def _kappas(uniform: pd.DataFrame, models: list[str]) -> Expected:
    wide = uniform.pivot(index=["source_id", "degradation"], columns="model", values="accuracy")
    found: dict[tuple[str, str], float] = {}
    for a, b in combinations(models, 2):
        both = wide[[a, b]].dropna()
        if not len(both):
            continue
        table = pd.crosstab(both[a], both[b], normalize=True).reindex(index=[0.0, 1.0], columns=[0.0, 1.0], fill_value=0)
        observed, chance = np.trace(table), float(table.sum(axis=1).to_numpy() @ table.sum(axis=0).to_numpy())
        if chance < 1:
            found[a, b] = (observed - chance) / (1 - chance)
    expected = {key("error_consistency", label="kappa", model=a, other=b): value for (a, b), value in found.items()}
    return expected | ({key("error_consistency", label="kappa"): float(np.mean(list(found.values())))} if found else {})


def calibration_values(run: Path) -> Expected:
    """Expected calibration errors of classifiers with 15 bins."""
    responses, scores = read_table(run, "responses", "cls"), read_table(run, "scores", "cls")
    keys = ["model", "source_id", "degradation"]
    joined = responses.merge(scores, on=keys).dropna(subset=["accuracy"])
    uniform, _ = uniform_scores(run, "cls")
    severity: dict[str, Any] = uniform.drop_duplicates("degradation").set_index("degradation")["severity"].to_dict()
    joined["severity"] = joined["degradation"].map(severity | {"original": 0})
    joined = joined.dropna(subset=["severity"])
    joined["p"] = joined["top_probs"].map(lambda p: float(p[0]))
    joined["bin"] = np.clip(np.ceil(joined["p"] * 15).astype(int) - 1, 0, 14)
    expected: Expected = {}
    for severity_, of_severity in joined.groupby("severity"):
        errors = {}
        for model, rows in of_severity.groupby("model"):
            bins = rows.groupby("bin")
            gap = (bins["accuracy"].mean() - bins["p"].mean()).abs()
            errors[model] = float((gap * bins.size()).sum() / len(rows))
            expected[key("calibration", label="ece", severity=int(severity_), model=model)] = errors[model]
        expected[key("calibration", label="ece", severity=int(severity_))] = float(np.mean(list(errors.values())))
    return expected
