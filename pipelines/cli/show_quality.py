"""What ``miqd train`` and ``miqd evaluate`` show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from miqd_builder.benchmarking.report import interval, number
from pipelines.cli.terminal import out

if TYPE_CHECKING:
    from machine_iqa.training.figures import Figure
    from pipelines.api.evaluating import Evaluated


def show_figures(figures: Sequence[Figure]) -> None:
    """Print the figures of the test split over all images."""
    table = Table("task", "label", "images", "SRCC", "95 % interval", "PLCC", "mean abs. error", box=None)
    for one in figures:
        if one.subset == "all":
            bounds = interval(one.srcc_low, one.srcc_high) or "-"
            table.add_row(one.task, one.label, str(one.n), number(one.srcc), bounds, number(one.plcc), number(one.mae))
    out.print(table, markup=False)


def show_evaluation(found: Evaluated) -> None:
    """Print the SRCC of every measure with every label over all images; the report has the rest."""
    for task in found.evaluation.tasks:
        out.print(f"{task.task}: {task.images} degraded images of {task.sources} sources; {task.basis}", markup=False)
        table = Table("measure", *(f"SRCC {label}" for label in task.labels), box=None)
        by_label = [{record.measure: record for record in task.overall(label)} for label in task.labels]
        for measure in by_label[0]:
            cells = [(one[measure].srcc, interval(one[measure].srcc_low, one[measure].srcc_high)) for one in by_label]
            table.add_row(measure, *(f"{number(value)} {bounds}".rstrip() for value, bounds in cells))
        out.print(table, markup=False)
