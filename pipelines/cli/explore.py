"""``miqd explore``: one HTML file to look at a run in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.options import Out, Run, Settings, TaskOption

app = typer.Typer()


@app.command("explore")
def explore(
    run: Run = None,
    task: TaskOption = None,
    out: Out = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="FILE", help="The HTML file; default RUN/report/explore.html."),
    ] = None,
    sources: Annotated[int, typer.Option("--sources", min=0, help="How many sources get pictures, up to 30 MB.")] = 12,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the choice of these sources.")] = 0,
    settings: Settings = None,
) -> None:
    """Write one HTML file to look at labels, pictures and predictions; it opens without a network."""
    from pipelines import api
    from pipelines.cli import console

    found = api.explore(out, to=to, task=task, sources=sources, seed=seed, run=run, settings=settings or [])
    console.show_notes(found.notes)
    pictured = f"{len(found.pictured)} of {found.sources} sources have pictures"
    console.hint(f"Explorer: {found.page} ({found.size / 1e6:.1f} MB, {found.rows} label rows, {pictured})")
