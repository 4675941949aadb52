"""The paper's tables, which are printed beside a run's figures."""

from __future__ import annotations

import csv
import functools
from importlib.resources import files

METHODS = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "vsi": "VSI",
    "lpips_alex": "LPIPS",
    "lpips_vgg": "LPIPS",
    "lpips_squeeze": "LPIPS",
    "dists": "DISTS",
    "hyperiqa": "HyperIQA",
    "maniqa": "MANIQA",
}
"""The paper's name of a measure. It doesn't say which network its LPIPS has."""

NOT_COMPARABLE = (
    "Its figures are of 1,000 validation sources of ImageNet or COCO, all 250 degradations, and 40, 20 or 15 models.",
    "Its networks (ResNet-18 to RA-MIQA) were trained on labels of the same database; measures of a run were not.",
    "It states no intervals, and not which network its LPIPS has.",
)
"""What holds for every run; what differs in one run, :func:`miqd_builder.auditing.label_statistics.obstacles` says."""


@functools.cache
def paper_values() -> dict[tuple[str, str, str, str], float]:
    """Return the published figures by (method, task, label, metric); metrics are srcc, plcc, krcc and rmse.

    >>> paper_values()["PSNR", "cls", "composite", "srcc"]
    0.2388
    """
    text = (files("miqd_builder.benchmarking") / "paper_tables.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {(row["method"], row["task"], row["label"], row["metric"]): float(row["value"]) for row in rows}


def paper_methods() -> list[str]:
    """Return the paper's methods in its order."""
    return list(dict.fromkeys(method for method, *_ in paper_values()))


def paper_value(measure: str, task: str, label: str, metric: str) -> float:
    """Return the paper's figure for a measure of this project; NaN where it has none."""
    return paper_values().get((METHODS.get(measure, ""), task, label, metric), float("nan"))
