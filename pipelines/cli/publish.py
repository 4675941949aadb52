"""``miqd publish``: a run as a data set for publication, and the check of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import QUARANTINED, DryRun, SchedulerName, Workers

app = typer.Typer()


@app.command("publish")
def publish(
    out: Annotated[
        list[str] | None,
        typer.Option("--out", help="Run folder, a path or a url; repeatable for runs of different images."),
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="DIR", help="Where to publish: a path or a url.")] = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", metavar="DIR", help="Only check a published data set: limits, hashes, card, Croissant."),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option("--licence", "--license", help="Of labels and predictions: cc-by-4.0 ..., or a licence's address."),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="NAME", help="huggingface, webdataset, pyiqa, miqd, or that of a package.")
    ] = "huggingface",
    images: Annotated[
        str | None, typer.Option("--images", help="Whose pixels are embedded: sample, all, or none (regenerated on demand).")
    ] = None,
    sample: Annotated[int | None, typer.Option("--sample", min=1, help="Source images in a sample; default 4.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="Of the data set.")] = None,
    creator: Annotated[str | None, typer.Option("--creator", help="Who publishes it.")] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option("--origin", metavar="'NAME URL'", help="Data set that the clean images come from; repeatable."),
    ] = None,
    version: Annotated[str | None, typer.Option("--version", metavar="X.Y.Z", help="Default 1.0.0, or the last one.")] = None,
    changelog: Annotated[str | None, typer.Option("--changelog", metavar="TEXT", help="What is new in this version.")] = None,
    split_seed: Annotated[int | None, typer.Option("--split-seed", min=0, help="Of the splits by source image.")] = None,
    allow_incomplete: Annotated[
        bool, typer.Option("--allow-incomplete", help="Publish an unfinished run; the card says what is missing.")
    ] = False,
    may_pass_on_images: Annotated[
        bool,
        typer.Option("--i-may-pass-on-the-images", help="You have the right to pass on images of sources such as ImageNet."),
    ] = False,
    dry_run: DryRun = False,
    scheduler: SchedulerName = None,
    workers: Workers = None,
) -> None:
    """Write a run as a data set that people load in one line: files, card, Croissant, recipe; or check one."""
    from miqd_builder.errors import ConfigError
    from pipelines import api
    from pipelines.cli import show_publish

    if check is not None:
        found = api.check_publication(check)
        show_publish.show_check(found)
        if not found.passes:
            raise typer.Exit(QUARANTINED)
        return
    if not out or to is None:
        raise ConfigError("What to publish, and where? Give --out RUN and --to DIR, or --check DIR.")
    published = api.publish(
        out,
        to=to,
        licence=licence,
        format=form,
        images=images,
        sample=sample,
        title=title,
        creator=creator,
        origins=origin or (),
        version=version,
        changelog=changelog,
        split_seed=split_seed,
        allow_incomplete=allow_incomplete,
        may_pass_on_images=may_pass_on_images,
        dry_run=dry_run,
        scheduler=scheduler,
        workers=workers,
        show_progress=True,
        on_plan=show_publish.show_plan,
    )
    if published.summary is not None:
        show_publish.show_summary(published)
        if published.summary.failed:
            raise typer.Exit(QUARANTINED)
