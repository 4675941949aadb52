"""``miqd benchmark``: what measures of image quality know about the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import Out, Run, Settings, TaskOption

app = typer.Typer()


@app.command("benchmark")
def benchmark(
    run: Run = None,
    task: TaskOption = None,
    out: Out = None,
    measures: Annotated[
        str | None,
        typer.Option("--measures", metavar="NAMES", help="Separated by commas: psnr,ssim. Default: all that have values."),
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="Only the sources of test, validation or train.")] = None,
    split_seed: Annotated[int, typer.Option("--split-seed", min=0, help="Seed of the split.")] = 0,
    resamples: Annotated[int, typer.Option("--resamples", min=1, help="Bootstrap draws for the intervals.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the draws and of the noise ceiling's halvings.")] = 0,
    filtering: Annotated[
        bool, typer.Option("--filtering", help="Also filtering curves: report/filtering.json, and figures as SVG.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the records there too.")] = None,
    settings: Settings = None,
) -> None:
    """Compare measures with labels, with intervals, and write report/benchmark.html, .md and .json."""
    from pipelines import api
    from pipelines.cli import console
    from pipelines.cli.show_benchmark import show_benchmark, show_filtering, write_records

    found = api.benchmark(
        out,
        task=task,
        measures=None if measures is None else [name.strip() for name in measures.split(",") if name.strip()],
        split=split,
        split_seed=split_seed,
        resamples=resamples,
        seed=seed,
        filtering=filtering,
        run=run,
        settings=settings or [],
    )
    for of_task in found.tasks.values():
        show_benchmark(of_task)
    if filtering:
        show_filtering(found.filtering, found.figures)
    if json_file is not None:
        write_records([record for of_task in found.tasks.values() for record in of_task.records], json_file)
    console.hint(f"Report: {found.report}")
