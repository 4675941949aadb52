"""Commands for labels in a published form: ``miqd export``, ``miqd import``, ``miqd compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import QUARANTINED, Out, Plugins, Run, SchedulerName, Settings, TaskOption, Workers

app = typer.Typer()

FormatName = Annotated[
    str,
    typer.Option(
        "--format", metavar="NAME", help="miqd: the form in which the MIQD-2.5M database is published. Packages may add others."
    ),
]


@app.command("export")
def export(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder that everything goes below.")],
    run: Run = None,
    out: Out = None,
    task: TaskOption = None,
    form: FormatName = "miqd",
    settings: Settings = None,
    val_fraction: Annotated[
        float, typer.Option("--val-fraction", min=0, max=1, help="Share of the source images in the validation split.")
    ] = 0.2,
    split_seed: Annotated[int, typer.Option("--split-seed", min=0, help="Seed of the split.")] = 0,
    scheduler: SchedulerName = None,
    workers: Workers = None,
) -> None:
    """Write labels and images in the form that the published training code reads, or in another format."""
    from pipelines import api
    from pipelines.cli.show_formats import show_export

    summaries = api.export(
        out,
        to=to,
        task=task,
        format=form,
        run=run,
        settings=settings or [],
        val_fraction=val_fraction,
        split_seed=split_seed,
        scheduler=scheduler,
        workers=workers,
        show_progress=True,
        on_task=lambda name, summary: show_export(name, summary, to.resolve(), f"fraction {val_fraction:g}, seed {split_seed}"),
    )
    if any(summary.failed for summary in summaries.values()):
        raise typer.Exit(QUARANTINED)


@app.command("import")
def import_command(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder of the labels; format miqd: that of miqa_cls, miqa_det, miqa_ins."),
    ],
    out: Annotated[str, typer.Option("--out", help="Run folder to write: a path or a url.")],
    task: TaskOption = None,
    form: FormatName = "miqd",
    plugin: Plugins = None,
) -> None:
    """Read published labels into a run folder, to audit them or to compare a rebuild with them."""
    from pipelines import api
    from pipelines.cli import console

    def show(name: str, rows: int) -> None:
        console.hint(f"{name}: {rows} labels imported. Next: miqd audit --out {out}, or miqd compare {out} OTHER")

    api.import_labels(folder, out=out, task=task, format=form, plugins=plugin or [], show_progress=True, on_task=show)


@app.command("compare")
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Run folder.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Run folder.")],
    task: TaskOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there too.")] = None,
) -> None:
    """Compare two sets of labels: rank and linear correlation, error, and the worst disagreements."""
    from pipelines import api
    from pipelines.cli.show_formats import show_comparison, write_comparisons

    results = api.compare(a, b, task=task)
    for result in results:
        show_comparison(result)
    if json_file is not None:
        write_comparisons(results, json_file)
