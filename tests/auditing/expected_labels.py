"""Statistics of labels with pandas, from the Parquet files alone: what the audit is compared with. No code of the audit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Expected = dict[tuple[str, frozenset[tuple[str, Any]]], float]
COLUMNS = {"consistency": "consistency_weighted", "accuracy": "accuracy_weighted", "composite": "composite"}


def key(name: str, **keys: Any) -> tuple[str, frozenset[tuple[str, Any]]]:
    """Key of an expected value: the statistic's name and what its record is of."""
    return name, frozenset((k, v.item() if isinstance(v, np.generic) else v) for k, v in keys.items() if v is not None)


def read_table(run: Path, table: str, task: str) -> pd.DataFrame:
    """All parts of a table of a task, with the model of the path."""
    frames = []
    for file in sorted((run / table / f"task={task}").rglob("*.parquet")):
        frame = pd.read_parquet(file, partitioning=None)
        if file.parent.name.startswith("model="):
            frame["model"] = file.parent.name.removeprefix("model=")
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def with_originals(run: Path, task: str, weights: dict[str, float], share: float) -> pd.DataFrame:
    """Labels beside those of their originals, ``original_*``."""
    labels, scores = read_table(run, "labels", task), read_table(run, "scores", task)
    clean = scores[scores["degradation"] == "original"].dropna(subset=["consistency", "accuracy"]).copy()
    clean["w"] = clean["model"].map(weights)
    clean["wa"] = clean["w"] * clean["accuracy"]
    sums = clean.groupby("source_id")[["w", "wa"]].sum()
    labels["original_accuracy"] = labels["source_id"].map(sums["wa"] / sums["w"])
    labels["original_consistency"] = 1.0
    labels["original_composite"] = share + (1 - share) * labels["original_accuracy"]
    return labels


def label_values(labels: pd.DataFrame) -> Expected:
    """Means and declines of all groups, and differences between regions and distortions."""
    expected: Expected = {}
    uniform = labels[labels["region"] == "uniform"]
    for name, rows, columns in (
        ("severity", uniform, {"distortion": "distortion", "category": "category", "severity": "roi_severity"}),
        ("grid", labels, {c: c for c in ("distortion", "category", "roi_severity", "bg_severity")}),
        ("region", labels, {"region": "region"}),
        ("region", labels, {c: c for c in ("distortion", "category", "region")}),
        ("category", uniform, {"category": "category"}),
        ("distortion", uniform, {"distortion": "distortion", "category": "category"}),
    ):
        for values, group in rows.groupby(list(columns.values())):
            keys = dict(zip(columns, values, strict=True))
            for label, column in COLUMNS.items():
                expected[key(name, label=label, **keys)] = group[column].mean()
                both = group[[column, f"original_{label}"]].dropna()
                decline = 100 * (1 - both[column].mean() / both[f"original_{label}"].mean())
                expected[key(f"{name}_decline", label=label, **keys)] = decline
    for values, group in uniform.groupby(["distortion", "category", "roi_severity"]):
        keys = dict(zip(("distortion", "category", "severity"), values, strict=True))
        expected[key("psnr", label="psnr", **keys)] = group["psnr"].median()
    expected |= dict(_differences(labels, uniform))
    expected |= dict(_violations(uniform))
    return expected


def _differences(labels: pd.DataFrame, uniform: pd.DataFrame) -> Iterator[tuple[Any, float]]:
    roi, background = (labels[labels["region"] == region] for region in ("roi", "background"))
    names = sorted(set(roi["distortion"]) & set(background["distortion"]))
    category = dict(zip(labels["distortion"], labels["category"], strict=True))
    for label, column in COLUMNS.items():
        for name in [None, *names]:
            sides = [side if name is None else side[side["distortion"] == name] for side in (roi, background)]
            keys = {} if name is None else {"distortion": name, "category": category[name]}
            yield key("region_difference", label=label, **keys), sides[0][column].mean() - sides[1][column].mean()
        means = uniform.groupby("distortion")[column].mean()
        order = list(dict.fromkeys(uniform.sort_values(["category", "distortion"])["distortion"]))
        for a, b in combinations(order, 2):
            keys = {"distortion": a, "category": category[a], "other": b}
            yield key("distortion_difference", label=label, **keys), means[a] - means[b]


def _violations(uniform: pd.DataFrame) -> Iterator[tuple[Any, float]]:
    wide = uniform.pivot(index=["source_id", "distortion", "category"], columns="roi_severity", values="composite")
    steps = wide.diff(axis=1).iloc[:, 1:]
    for name, rows in [(None, steps), *steps.groupby("distortion")]:
        known = rows.notna().to_numpy()
        if known.any():
            keys = {} if name is None else {"distortion": name, "category": rows.index[0][2]}
            yield key("violations", label="composite", **keys), float((rows.to_numpy()[known] > 0.1 + 1e-9).mean())


def extreme_values(labels: pd.DataFrame) -> Expected:
    """The worst and the least affected image of each distortion."""
    rows = labels.assign(value=labels["composite"].fillna(labels["consistency_weighted"])).dropna(subset=["value"])
    found: Expected = {}
    columns = ["distortion", "category", "source_id", "degradation", "roi_severity", "bg_severity"]
    for _, group in rows.groupby("distortion"):
        by = ["value", "psnr", "source_id", "degradation"]
        worst = group.sort_values(by, ascending=[True, False, True, True]).iloc[0]
        best = group.sort_values(by, ascending=[False, True, False, False]).iloc[0]
        for label, row in (("worst", worst), ("unaffected", best)):
            found[key("extremes", label=label, **{column: row[column] for column in columns})] = row["value"]
    return found
