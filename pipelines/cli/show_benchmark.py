"""What ``miqd benchmark`` shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.measure import Measurement
from rich.table import Table

from miqd_builder.benchmarking.filtering import Filtering
from miqd_builder.benchmarking.filtering_report import curve_table
from miqd_builder.benchmarking.published import NOT_COMPARABLE, paper_value
from miqd_builder.benchmarking.records import BenchmarkRecord
from miqd_builder.benchmarking.report import TaskBenchmark, interval, number, to_json
from miqd_builder.errors import StoreError
from pipelines.cli.terminal import out

COLUMNS = ("measure", "n", "left out", "SRCC", "95 % interval", "of ceiling", "PLCC", "KRCC", "RMSE", "paper's SRCC")


def show_benchmark(found: TaskBenchmark) -> None:
    """Print a table a label over all images of a task, and what to know about it; the report has the subsets."""
    out.print(f"{found.task}: {found.images} degraded images of {found.sources} sources; {found.basis}")
    for label in found.labels:
        table = Table(title=f"{found.task}: {label}", title_justify="left", box=None)
        for column in COLUMNS:
            table.add_column(column, justify="left" if column == "measure" else "right")
        for record in found.overall(label):
            table.add_row(*_cells(record))
        _print(table)
    for note in found.notes:
        out.print(f"Note         {note}", style="yellow", markup=False)
    if any(_paper(record) == _paper(record) for record in found.records):
        for sentence in (*found.obstacles, *NOT_COMPARABLE):
            out.print(f"Not comparable with the paper: {sentence}", style="yellow", markup=False)


def show_filtering(found: Sequence[Filtering], figures: Sequence[str]) -> None:
    """Print what the models reach on average when the lowest-scored images are left out, and where the figures are."""
    if not found:
        out.print("No filtering curves: there are no scores of models, as for imported labels.", style="yellow")
        return
    for task, label in dict.fromkeys((one.task, one.label) for one in found):
        curves = [one for one in found if (one.task, one.label) == (task, label)]
        means = curve_table(curves)
        table = Table(title=f"{task}: mean of the models, {label}, by share left out", title_justify="left", box=None)
        for column in means.head:
            table.add_column(column, justify="left" if column == "measure" else "right")
        for row in means.rows:
            table.add_row(*row)
        _print(table)
    for figure in figures:
        out.print(f"Figure       {figure}", markup=False)


def write_records(records: Sequence[BenchmarkRecord], file: Path) -> None:
    """Write records as JSON; figures that don't exist are null.

    Raises:
        StoreError: the file can't be written.
    """
    try:
        file.write_text(to_json(records), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"Can't write '{file}' ({error.strerror}): choose another file.") from None


def _print(table: Table) -> None:
    """Print a table in its own width: figures are never shortened, even where the terminal is narrower or there is none."""
    table.width = Measurement.get(out, out.options.update(max_width=1000), table).maximum
    out.print(table, markup=False)


def _cells(record: BenchmarkRecord) -> Sequence[str]:
    return (
        record.measure,
        str(record.n),
        str(record.dropped),
        number(record.srcc, 4),
        interval(record.srcc_low, record.srcc_high) or "-",
        number(record.of_ceiling, 2),
        *(number(value, 4) for value in (record.plcc, record.krcc, record.rmse)),
        number(_paper(record), 4),
    )


def _paper(record: BenchmarkRecord) -> float:
    return paper_value(record.measure, record.task, record.label, "srcc")
