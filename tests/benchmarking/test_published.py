"""The paper's tables that ship are those of the reference."""

from __future__ import annotations

import csv

import pytest

from miqd_builder.benchmarking.published import METHODS, paper_methods, paper_value, paper_values
from tests.conftest import SHARED

REFERENCE = SHARED / "reference" / "paper_tables.csv"


def test_the_tables_are_whole() -> None:
    values = paper_values()
    assert len(values) == 354 and set(METHODS.values()) <= set(paper_methods())
    assert all(0 < value < 1 for value in values.values())
    assert paper_value("lpips_vgg", "ins", "consistency", "plcc") == 0.6344
    assert paper_value("gmsd", "det", "composite", "srcc") != paper_value("gmsd", "det", "composite", "srcc")


def test_fitted_rmse_and_plcc_share_one_spread() -> None:
    """RMSE / sqrt(1 - PLCC^2) is the label's standard deviation: one number a column, whatever the method."""
    values = paper_values()
    for task in ("cls", "det", "ins"):
        spreads = [
            value / (1 - values[method, of_task, label, "plcc"] ** 2) ** 0.5
            for (method, of_task, label, metric), value in values.items()
            if (of_task, label, metric) == (task, "composite", "rmse")
        ]
        assert len(spreads) == 13 and max(spreads) - min(spreads) < 0.003


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference tables are not here")
def test_every_figure_is_the_reference_s() -> None:
    with REFERENCE.open(newline="") as file:
        rows = {(r["method"], r["task"], r["label"], r["metric"]): float(r["value"]) for r in csv.DictReader(file)}
    assert rows == paper_values()
