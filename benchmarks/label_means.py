"""Mean labels per severity and region, and the label statistics, of finished runs: the tables of docs/real-run.md.

    python benchmarks/label_means.py [cls=runs/real-imagenet det=runs/real-coco ins=runs/real-coco]

Prints Markdown; ``--means FILE`` and ``--statistics FILE`` write CSV.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from miqd_builder.auditing.statistics import point_statistics
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import stored_labels

REAL_RUNS = ("cls=runs/real-imagenet", "det=runs/real-coco", "ins=runs/real-coco")
REGIONS = {"roi": "ROI stronger", "background": "background stronger"}
LABELS = ("consistency", "accuracy", "composite")
MEANS = "avg(consistency_weighted) consistency, avg(accuracy_weighted) accuracy, avg(composite) composite"
SEVERITY = "case when region = 'uniform' then roi_severity end"

Row = dict[str, Any]


def main() -> None:
    """Print one section a run, in Markdown, and write the files that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="TASK=FOLDER", help="default: those of `make real`, where they are")
    parser.add_argument("--means", type=Path, help="CSV of the mean labels of all runs")
    parser.add_argument("--statistics", type=Path, help="CSV of the label statistics of all runs")
    arguments = parser.parse_args()
    means: list[Row] = []
    statistics: list[Row] = []
    for run in arguments.runs or REAL_RUNS:
        task, _, url = run.partition("=")
        if not arguments.runs and not Path(url).is_dir():
            print(f"Skipped: there is no run in '{url}'; `make real` makes it.")
            continue
        folder = RunFolder(url)
        rows, numbers = mean_labels(folder, task), label_statistics(folder, task)
        print("\n".join(section(rows, numbers)))
        means += rows
        statistics.append(numbers)
    for file, lines in ((arguments.means, means), (arguments.statistics, statistics)):
        if file is not None and lines:
            write_csv(file, lines)


def mean_labels(folder: RunFolder, task: str) -> list[Row]:
    """Return the mean labels of a run: a row a severity of the whole image, then one a region that is stronger."""
    query = f"""
        select '{task}' task, region, {SEVERITY} severity, {MEANS}
        from labels group by region, {SEVERITY} order by region <> 'uniform', region = 'background', severity
    """
    return _query(folder, task, query)


def label_statistics(folder: RunFolder, task: str) -> Row:
    """Return how much was labelled, and how the labels spread and go together."""
    counts = "count(distinct source_id) photographs, min(n_models) models_min, max(n_models) models_max, count(*) variants"
    (row,) = _query(folder, task, f"select '{task}' task, {counts} from labels")
    return row | {name: value for name, value in point_statistics(folder, task).items() if name != "n"}


def section(rows: Sequence[Row], statistics: Row) -> list[str]:
    """Return the lines of one task's section."""
    fewest, most = statistics["models_min"], statistics["models_max"]
    models = str(most) if fewest == most else f"{fewest} to {most}"
    return [
        f"### {statistics['task']}",
        "",
        f"{statistics['photographs']} photographs, {models} models, {statistics['variants']:,} degraded images.",
        "",
        "| | consistency | accuracy | composite |",
        "|---|---|---|---|",
        *(f"| {_title(row)} | {' | '.join(_number(row[label]) for label in LABELS)} |" for row in rows),
        "",
        f"Standard deviations: accuracy {statistics['std_accuracy']:.3f}, consistency {statistics['std_consistency']:.3f}, "
        f"composite {statistics['std_composite']:.3f}; correlation of accuracy and consistency "
        f"{statistics['corr_accuracy_consistency']:.3f}; SRCC of PSNR and composite {statistics['srcc_psnr_composite']:.3f}.",
        "",
    ]


def write_csv(file: Path, rows: Sequence[Row]) -> None:
    """Write rows of equal keys; figures have three decimals, as in the Markdown, and one that doesn't exist is empty."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: _cell(value) for key, value in row.items()})


def _query(folder: RunFolder, task: str, query: str) -> list[Row]:
    with duckdb.connect() as database:
        database.register("labels", stored_labels(folder, task))
        rows: list[Row] = database.sql(query).to_arrow_table().to_pylist()
    return rows


def _title(row: Row) -> str:
    return f"whole image, severity {row['severity']}" if row["region"] == "uniform" else REGIONS[row["region"]]


def _cell(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.3f}"


def _number(mean: float | None) -> str:
    return "-" if mean is None else f"{mean:.3f}"


if __name__ == "__main__":
    main()
