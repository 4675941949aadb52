"""Mean labels per severity and region, and the label statistics, of finished runs: the tables of docs/real-run.md.

python benchmarks/label_means.py cls=runs/real-imagenet det=runs/real-coco ins=runs/real-coco
"""

from __future__ import annotations

import argparse

import duckdb

from miqd_builder.auditing.statistics import fingerprint
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import labels_table

REGIONS = {"roi": "ROI stronger", "background": "background stronger"}
MEANS = "avg(consistency_weighted), avg(accuracy_weighted), avg(composite)"


def main() -> None:
    """Print one section a run, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="TASK=FOLDER")
    for run in parser.parse_args().runs:
        task, _, url = run.partition("=")
        print("\n".join(section(RunFolder(url), task)))


def section(folder: RunFolder, task: str) -> list[str]:
    """Return the lines of one task's section."""
    labels = labels_table(folder, task)
    with duckdb.connect() as database:
        database.register("labels", labels)
        severities = database.execute(
            f"select roi_severity, {MEANS} from labels where region = 'uniform' group by 1 order by 1"
        ).fetchall()
        regions = {
            region: means
            for region, *means in database.execute(
                f"select region, {MEANS} from labels where region <> 'uniform' group by 1"
            ).fetchall()
        }
        (counts,) = database.execute("select count(distinct source_id), max(n_models), min(n_models) from labels").fetchall()
    rows = [(f"whole image, severity {severity}", means) for severity, *means in severities]
    rows += [(title, regions[region]) for region, title in REGIONS.items() if region in regions]
    numbers = fingerprint(folder, task)
    models = str(counts[1]) if counts[1] == counts[2] else f"{counts[2]} to {counts[1]}"
    return [
        f"### {task}",
        "",
        f"{counts[0]} photographs, {models} models, {labels.num_rows:,} degraded images.",
        "",
        "| | consistency | accuracy | composite |",
        "|---|---|---|---|",
        *(f"| {title} | " + " | ".join(_number(mean) for mean in means) + " |" for title, means in rows),
        "",
        f"Standard deviations: accuracy {numbers['std_accuracy']:.3f}, consistency {numbers['std_consistency']:.3f}, "
        f"composite {numbers['std_composite']:.3f}; correlation of accuracy and consistency "
        f"{numbers['corr_accuracy_consistency']:.3f}; SRCC of PSNR and composite {numbers['srcc_psnr_composite']:.3f}.",
        "",
    ]


def _number(mean: float | None) -> str:
    return "-" if mean is None else f"{mean:.3f}"


if __name__ == "__main__":
    main()
