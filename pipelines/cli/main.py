"""The ``miqd`` command line. Commands import what they need when they run, so that ``miqd --help`` answers at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli import assess as assess_cli
from pipelines.cli import audit as audit_cli
from pipelines.cli import benchmark as benchmark_cli
from pipelines.cli import explore as explore_cli
from pipelines.cli import formats as formats_cli
from pipelines.cli import publish as publish_cli
from pipelines.cli import quality as quality_cli
from pipelines.cli import zoo as zoo_cli
from pipelines.cli.options import (
    COMPLETE,
    INTERRUPTED,
    QUARANTINED,
    WRONG_USE,
    DryRun,
    Images,
    Limit,
    Out,
    Plugins,
    Run,
    SchedulerName,
    Settings,
    TaskOptions,
    Workers,
)
from pipelines.progress.interruption import Interruption

if TYPE_CHECKING:
    from pipelines.api import Made

app = typer.Typer(
    name="miqd",
    help="Build databases of degraded images labelled by what they do to vision models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(zoo_cli.app, name="zoo")
app.add_typer(formats_cli.app)
app.add_typer(audit_cli.app)
app.add_typer(publish_cli.app)
app.add_typer(benchmark_cli.app)
app.add_typer(explore_cli.app)
app.add_typer(quality_cli.app)
app.add_typer(assess_cli.app)


@app.command()
def degrade(
    run: Run = None,
    task: Annotated[str | None, typer.Option("--task", help="Take this task's section of the run file.")] = None,
    out: Out = None,
    settings: Settings = None,
    limit: Limit = None,
    images: Images = None,
    scheduler: SchedulerName = None,
    workers: Workers = None,
    plugin: Plugins = None,
    dry_run: DryRun = False,
    contact_sheet: Annotated[
        Path | None,
        typer.Option("--contact-sheet", metavar="PNG", help="Only draw the first image in all severities, as a picture."),
    ] = None,
    published: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="A published data set: render its images again and compare every hash."),
    ] = None,
) -> None:
    """Render the degraded images and the variants table."""
    from pipelines import api
    from pipelines.cli import console

    made = api.degrade(
        run=run,
        task=task,
        settings=settings or [],
        dry_run=dry_run,
        contact_sheet=contact_sheet,
        published=published,
        show_progress=True,
        on_plan=console.show_plan,
        out=out,
        limit=limit,
        images=images,
        scheduler=scheduler,
        workers=workers,
        plugins=plugin,
    )
    if contact_sheet is not None:
        console.hint(f"Contact sheet: {contact_sheet}")
    elif not dry_run:
        console.show_stages(made.stages)
        if made.regenerated is not None:
            console.show_regenerated(made.regenerated)
        console.hint(
            f"Degraded images and variants are in {made.outs[0]}. "
            "Next: miqd label --task det|cls|ins|seg with the same run file."
        )
        _exit(made)


@app.command()
def label(
    task: TaskOptions = None,
    run: Run = None,
    out: Out = None,
    settings: Settings = None,
    limit: Limit = None,
    images: Images = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="Rules that turn responses into labels: a name, or a YAML file.")
    ] = None,
    scheduler: SchedulerName = None,
    workers: Workers = None,
    plugin: Plugins = None,
    dry_run: DryRun = False,
) -> None:
    """Run the models on the degraded images and write responses, scores and labels."""
    from pipelines import api
    from pipelines.cli import console

    made = api.label(
        task=task or [],
        run=run,
        settings=settings or [],
        dry_run=dry_run,
        show_progress=True,
        on_plan=console.show_plan,
        on_stages=console.show_labelled,
        out=out,
        limit=limit,
        images=images,
        recipe=recipe,
        scheduler=scheduler,
        workers=workers,
        plugins=plugin,
    )
    _exit(made)


@app.command()
def measure(
    measures: Annotated[
        list[str] | None, typer.Option("--measures", metavar="NAME,...", help="Names of measures: psnr,ssim,vsi; repeatable.")
    ] = None,
    run: Run = None,
    task: Annotated[str | None, typer.Option("--task", help="Take this task's section of the run file.")] = None,
    out: Out = None,
    settings: Settings = None,
    own_weights: Annotated[
        list[Path] | None,
        typer.Option("--own-weights", metavar="FILE", help="List of own weights (YAML); repeatable."),
    ] = None,
    limit: Limit = None,
    scheduler: SchedulerName = None,
    workers: Workers = None,
    dry_run: DryRun = False,
) -> None:
    """Compute image quality measures of a run's degraded images; needs nothing but --out and --measures."""
    from pipelines import api
    from pipelines.cli import console

    made = api.measure(
        measures=measures or [],
        run=run,
        task=task,
        settings=settings or [],
        own_weights=own_weights or [],
        dry_run=dry_run,
        show_progress=True,
        on_plan=console.show_plan,
        out=out,
        limit=limit,
        scheduler=scheduler,
        workers=workers,
    )
    if not dry_run:
        console.show_stages(made.stages)
        console.hint(f"Measures are in {made.outs[0]}/measures.")
        _exit(made)


@app.command()
def status(
    run: Run = None,
    out: Out = None,
    settings: Settings = None,
    failed: Annotated[bool, typer.Option("--failed", help="List what failed, with its error.")] = False,
) -> None:
    """Show what is done, missing and quarantined."""
    from pipelines import api
    from pipelines.cli.show_status import show_failures, show_status

    found = api.status(out, run=run, settings=settings or [])
    show_status(found)
    show_failures(found, full=failed)
    if found.failures:
        raise typer.Exit(QUARANTINED)


@app.command()
def verify(
    run: Run = None,
    out: Out = None,
    settings: Settings = None,
    recompute: Annotated[
        float | None,
        typer.Option("--recompute", metavar="FRACTION", help="Also compute this share of the parts again and compare: 0.01."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Chooses the parts for --recompute.")] = 0,
) -> None:
    """Read every part and image again and name what is damaged."""
    from pipelines import api
    from pipelines.cli.console import VerificationLines

    lines = VerificationLines()
    try:
        found = api.verify(
            out, run=run, settings=settings or [], recompute=recompute, seed=seed, show_progress=True, on_file=lines.show
        )
    finally:
        lines.end()
    if found.problems:
        raise typer.Exit(QUARANTINED)


def _exit(made: Made) -> None:
    if made.failures:
        raise typer.Exit(QUARANTINED)


UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""Of whichever click this typer brings along."""


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit code 1."""
    from miqd_builder.errors import MiqdError

    with Interruption() as interruption:
        try:
            code = app(standalone_mode=False)
        except MiqdError as error:
            _fail(f"Error: {error}", WRONG_USE)
        except UsageError as error:
            error.show()  # type: ignore[attr-defined]
            sys.exit(WRONG_USE)
        except (typer.Abort, KeyboardInterrupt):
            code = INTERRUPTED
    if interruption.code is not None:
        _fail("Interrupted. Finished parts are kept: run the same command again to go on.", interruption.code)
    sys.exit(code if isinstance(code, int) else COMPLETE)


def _fail(message: str, code: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
