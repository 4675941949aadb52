"""What ``miqd export``, ``miqd compare`` and ``miqd audit --label-statistics`` show."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from miqd_builder.auditing.comparison import ALL, Comparison
from miqd_builder.auditing.label_statistics import LabelStatistics
from miqd_builder.errors import StoreError
from pipelines.cli.console import hint
from pipelines.cli.terminal import out
from pipelines.stages.export import ExportSummary

_TITLES = {
    "std_accuracy": "std accuracy",
    "std_consistency": "std consistency",
    "std_composite": "std composite",
    "corr_accuracy_consistency": "corr(accuracy, consistency)",
    "srcc_psnr_composite": "SRCC(PSNR, composite)",
    "srcc_ssim_composite": "SRCC(SSIM, composite)",
}


def show_export(task: str, summary: ExportSummary, to: Path, split: str) -> None:
    """Print what an export wrote and what failed."""
    left_out = f", {summary.left_out} without ground truth in neither" if summary.left_out else ""
    hint(
        f"{task}: {summary.sources} sources, {summary.images} images ({summary.new} new) in {to}; "
        f"{summary.train} train, {summary.val} val ({split}){left_out}."
    )
    for failure in summary.failed:
        out.print(f"Failed: {failure}. The same command tries it again.", style="red")


def show_comparison(result: Comparison) -> None:
    """Print the agreement by measure and distortion, and the worst disagreements."""
    out.print(f"{result.task}: {result.joint} degraded images in both, {result.only_a} only in A, {result.only_b} only in B")
    for measure in dict.fromkeys(agreement.measure for agreement in result.agreements):
        rows = [agreement for agreement in result.agreements if agreement.measure == measure]
        if not rows[0].n:
            out.print(f"{result.task}: no {measure} on both sides.", style="yellow")
            continue
        table = _table(f"{result.task}: {measure} of A against B", ("distortion", "n", "SRCC", "PLCC", "KRCC", "RMSE"))
        for row in rows:
            table.add_row(
                row.distortion,
                str(row.n),
                *map(_number, (row.srcc, row.plcc, row.krcc, row.rmse)),
                end_section=row.distortion == ALL,
            )
        out.print(table)
    if not result.worst:
        out.print(f"{result.task}: no differences.")
        return
    table = _table(
        f"{result.task}: worst disagreements, {result.worst[0].measure}", ("image", "degradation", "A", "B", "A - B")
    )
    for worst in result.worst:
        table.add_row(worst.source_id, worst.degradation, *map(_number, (worst.a, worst.b, worst.a - worst.b)))
    out.print(table)


def write_comparisons(results: Sequence[Comparison], file: Path) -> None:
    """Write comparisons as JSON; figures that don't exist are null.

    Raises:
        StoreError: the file can't be written.
    """
    try:
        file.write_text(json.dumps([_plain(asdict(result)) for result in results], indent=1), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"Can't write '{file}' ({error.strerror}): choose another file.") from None


def show_label_statistics(result: LabelStatistics) -> None:
    """Print a run's statistics beside the paper's, and why they may not be compared."""
    title = f"{result.task}: {result.rows} degraded images of {result.sources} sources"
    table = _table(title, ("statistic", "here", "95 % interval", "paper"))
    for e in result.estimates:
        interval = "-" if math.isnan(e.low) else f"{e.low:.3f} .. {e.high:.3f}"
        table.add_row(_TITLES[e.name], _number(e.value), interval, "-" if e.paper is None else f"{e.paper:.4f}")
    out.print(table)
    if any(e.name == "srcc_ssim_composite" and math.isnan(e.value) for e in result.estimates) and result.rows:
        out.print("No SSIM: run 'miqd measure --measures ssim' to have it.", markup=False)
    for obstacle in result.obstacles:
        out.print(f"Not comparable: {obstacle}", style="yellow")
    if not result.obstacles:
        out.print("Comparable with the paper's validation split: same degradations, recipe and about as many models.")


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    for column in columns:
        text = column in ("distortion", "image", "degradation", "statistic")
        table.add_column(column, justify="left" if text else "right")
    return table


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
