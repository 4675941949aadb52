"""Statistics of labels and scores, straight from the Parquet parts by DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import part_names
from miqd_builder.tables.schema import ORIGINAL
from miqd_builder.tables.views import files_sql, open_database

Rows = list[dict[str, Any]]


def severity_table(folder: RunFolder, task: str) -> Rows:
    """Mean labels of each distortion at each uniform severity.

    Columns: distortion, category, severity, consistency, accuracy, composite, psnr (median), n.
    """
    return _query(
        folder,
        task,
        """
        select distortion, category, roi_severity as severity, avg(consistency_weighted) as consistency,
               avg(accuracy_weighted) as accuracy, avg(composite) as composite, median(psnr) as psnr, count(*) as n
        from {labels} where region = 'uniform' group by all order by category, distortion, severity
        """,
    )


def region_table(folder: RunFolder, task: str) -> Rows:
    """Mean labels of each distortion and region: distortion, region, consistency, accuracy, composite, n."""
    return _query(
        folder,
        task,
        """
        select distortion, region, avg(consistency_weighted) as consistency, avg(accuracy_weighted) as accuracy,
               avg(composite) as composite, count(*) as n
        from {labels} group by all order by distortion, region
        """,
    )


def model_table(folder: RunFolder, task: str) -> Rows:
    """Mean score of each model under each distortion: model, distortion, consistency, accuracy, clean_accuracy.

    Empty for imported labels, which come without scores.
    """
    names = folder.list(f"scores/task={task}/*/*.parquet")
    if not names:
        return []
    return _query(
        folder,
        task,
        f"""
        with sums as (
            select regexp_extract(filename, '/model=([^/]*)/[^/]*$', 1) as model, degradation, sum(consistency) as consistency,
                   count(consistency) as consistent, sum(accuracy) as accuracy, count(accuracy) as accurate
            from {files_sql(folder, names, "filename=true")} group by all
        ), kinds as (select distinct degradation, distortion from {{labels}}),
        clean as (
            select model, accuracy / accurate as clean_accuracy from sums where degradation = '{ORIGINAL}' and accurate > 0
        )
        select s.model, k.distortion, sum(s.consistency) / nullif(sum(s.consistent), 0) as consistency,
               sum(s.accuracy) / nullif(sum(s.accurate), 0) as accuracy, any_value(c.clean_accuracy) as clean_accuracy
        from sums s join kinds k using (degradation) left join clean c on c.model = s.model
        group by all order by s.model, k.distortion
        """,
    )


def point_statistics(folder: RunFolder, task: str) -> dict[str, float]:
    """Return the label statistics without intervals, for the report and the terminal.

    Standard deviations of accuracy, consistency and composite over the degraded images, the correlation of the first two,
    and Spearman's rank correlation of PSNR with the composite. NaN where there is no accuracy.
    """
    columns = _columns(folder, task, ("accuracy_weighted", "consistency_weighted", "composite", "psnr"))
    known = np.isfinite(columns["composite"]) & np.isfinite(columns["consistency_weighted"])
    accuracy, consistency, composite, psnr = (values[known] for values in columns.values())
    if not known.any():
        accuracy = consistency = composite = psnr = np.array([np.nan, np.nan])
    return {
        "n": float(known.sum()),
        "std_accuracy": float(accuracy.std()),
        "std_consistency": float(consistency.std()),
        "std_composite": float(composite.std()),
        "corr_accuracy_consistency": pearson(accuracy, consistency),
        "srcc_psnr_composite": spearman(psnr, composite),
    }


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation; NaN if either side is constant."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else float("nan")


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation, ties at their mean rank; infinite values rank like any other."""
    from scipy.stats import rankdata

    return pearson(rankdata(a), rankdata(b))


def _columns(folder: RunFolder, task: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of all labels in the order of the parts, float64 with NaN for null."""
    labels = files_sql(folder, part_names(folder, "labels", task=task))
    with open_database(folder) as database:
        found: dict[str, Any] = database.execute(f"select {', '.join(names)} from {labels}").fetchnumpy()
    return {name: np.ma.filled(column.astype(np.float64), np.nan) for name, column in found.items()}


def _query(folder: RunFolder, task: str, sql: str) -> Rows:
    labels = files_sql(folder, part_names(folder, "labels", task=task))
    with open_database(folder) as database:
        result = database.execute(sql.format(labels=labels))
        columns = [column[0] for column in result.description]
        return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
