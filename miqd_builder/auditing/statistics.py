"""Statistics of labels and scores, straight from the Parquet parts by DuckDB."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_part
from miqd_builder.tables.queries import stored_labels
from miqd_builder.tables.schema import ORIGINAL

Rows = list[dict[str, Any]]


def severity_table(folder: RunFolder, task: str) -> Rows:
    """Mean labels of each distortion at each uniform severity.

    Columns: distortion, category, severity, consistency, accuracy, composite, psnr (median), n.
    """
    return _query(
        stored_labels(folder, task),
        """
        select distortion, category, roi_severity as severity, avg(consistency_weighted) as consistency,
               avg(accuracy_weighted) as accuracy, avg(composite) as composite, median(psnr) as psnr, count(*) as n
        from labels where region = 'uniform' group by all order by category, distortion, severity
        """,
    )


def region_table(folder: RunFolder, task: str) -> Rows:
    """Mean labels of each distortion and region: distortion, region, consistency, accuracy, composite, n."""
    return _query(
        stored_labels(folder, task),
        """
        select distortion, region, avg(consistency_weighted) as consistency, avg(accuracy_weighted) as accuracy,
               avg(composite) as composite, count(*) as n
        from labels group by all order by distortion, region
        """,
    )


def model_table(folder: RunFolder, task: str) -> Rows:
    """Mean score of each model under each distortion: model, distortion, consistency, accuracy, clean_accuracy.

    Empty for imported labels, which come without scores.
    """
    tables = []
    for name in folder.list(f"scores/task={task}/*/*.parquet"):
        table = read_part(folder, name, ["degradation", "consistency", "accuracy"])
        model = name.split("/")[2].removeprefix("model=")
        tables.append(table.append_column("model", pa.array([model] * table.num_rows)))
    if not tables:
        return []
    scores = pa.concat_tables(tables)
    kinds = (
        stored_labels(folder, task).select(["degradation", "distortion"]).group_by(["degradation", "distortion"]).aggregate([])
    )
    import duckdb

    with duckdb.connect() as database:
        database.register("scores", scores)
        database.register("kinds", kinds)
        return _rows(
            database.execute(
                """
                with clean as (
                    select model, avg(accuracy) as clean_accuracy from scores where degradation = ? group by model
                )
                select s.model, k.distortion, avg(s.consistency) as consistency, avg(s.accuracy) as accuracy,
                       any_value(c.clean_accuracy) as clean_accuracy
                from scores s join kinds k using (degradation) left join clean c on c.model = s.model
                group by all order by s.model, k.distortion
                """,
                [ORIGINAL],
            )
        )


def point_statistics(folder: RunFolder, task: str) -> dict[str, float]:
    """Return the label statistics without intervals, for the report and the terminal.

    Standard deviations of accuracy, consistency and composite over the degraded images, the correlation of the first two,
    and Spearman's rank correlation of PSNR with the composite. NaN where there is no accuracy.
    """
    labels = stored_labels(folder, task)
    columns = {name: labels[name].to_numpy() for name in ("accuracy_weighted", "consistency_weighted", "composite", "psnr")}
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


def _query(labels: pa.Table, sql: str) -> Rows:
    import duckdb

    with duckdb.connect() as database:
        database.register("labels", labels)
        return _rows(database.execute(sql))


def _rows(result: Any) -> Rows:
    columns = [column[0] for column in result.description]
    return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
