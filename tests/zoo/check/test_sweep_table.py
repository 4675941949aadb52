"""The zoo's page and its table of results say the same, and nothing is missing from them."""

from __future__ import annotations

import csv

from miqd_builder.zoo.catalog import load_zoo, shipped_zoo
from miqd_builder.zoo.check.sweep_table import COLUMNS
from tests.conftest import ROOT


def page() -> dict[str, list[str]]:
    """Cells of each model's line in docs/model-zoo.md."""
    lines = (ROOT / "docs" / "model-zoo.md").read_text("utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {row[0]: row for row in rows if row[0] != "model"}


def test_the_newest_results_are_those_of_the_page() -> None:
    newest = max((ROOT / "docs" / "results").glob("model-zoo_random-weights_*.csv"), key=lambda file: file.stem[-7:])
    with newest.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    shipped = [file for file in shipped_zoo() if file.name != "demo.yaml"]
    assert {row["model"] for row in rows} == {entry.name for entry in load_zoo(shipped)} == set(page())
    for row in rows:
        size = f"{row['input_height']}x{row['input_width']}"
        costs = [row[column] for column in ("params_millions", "gflops", "peak_mib", "cpu_seconds", "found")]
        metric = f"{row['metric']} {row['metric_percent']}"
        cells = [row["model"], row["family"], size, *costs, metric, row["paper"]]
        assert [cell for cell in cells if cell] == page()[row["model"]]
