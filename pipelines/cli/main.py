"""The ``miqd`` command line. Commands import what they need when they run, so that ``miqd --help`` answers at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.cli import formats as formats_cli
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
    TaskOption,
    TaskOptions,
    Workers,
    load,
    load_tasks,
    run_folder,
)
from pipelines.progress.interruption import Interruption

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
) -> None:
    """Render the degraded images and the variants table."""
    from miqd_builder.store.folder import RunFolder
    from miqd_builder.store.lock import refuse_if_held
    from pipelines.cli import console
    from pipelines.planning import plan_degrade
    from pipelines.run import run_degrade
    from pipelines.stages.degrade import write_contact_sheet

    options = {"limit": limit, "images": images, "scheduler": scheduler, "workers": workers, "plugins": plugin}
    config = load(run, task, out, settings, **options)
    if not dry_run and contact_sheet is None:
        refuse_if_held(RunFolder(config.out))
    plan = plan_degrade(config)
    if contact_sheet is not None:
        write_contact_sheet(plan.context, contact_sheet)
        console.hint(f"Contact sheet: {contact_sheet}")
        return
    console.show_plan(plan)
    if dry_run:
        return
    stages = run_degrade(plan)
    console.show_stages(stages)
    console.hint(
        f"Degraded images and variants are in {config.out}. Next: miqd label --task det|cls|ins|seg with the same run file."
    )
    _exit(stages)


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
    """Let the models look at the degraded images and write responses, scores and labels."""
    from miqd_builder.store.folder import RunFolder
    from miqd_builder.store.lock import refuse_if_held
    from pipelines.cli import console
    from pipelines.planning import plan_label, sharing_images
    from pipelines.run import run_label
    from pipelines.schedulers.shared import OpenSchedulers

    options = {
        "limit": limit,
        "images": images,
        "recipe": recipe,
        "scheduler": scheduler,
        "workers": workers,
        "plugins": plugin,
    }
    configs = load_tasks(run, task, out, settings, **options)
    if not dry_run:
        for url in dict.fromkeys(config.out for config in configs.values()):
            refuse_if_held(RunFolder(url))
    plans = [plan_label(config, known) for known, config in configs.items()]
    for plan in plans:
        console.show_plan(plan)
    if dry_run:
        return
    stages = []
    with OpenSchedulers() as schedulers:
        for number, group in enumerate(sharing_images(plans)):
            # What was made in the same folder before doesn't have to be made again.
            now = [plan_label(plan.context.config, plan.task) for plan in group] if number else group
            done = run_label(now, schedulers)
            stages += done
            console.show_stages(done)
            for plan in group:
                url = plan.context.config.out
                console.show_labels(url, plan.task)
                console.hint(f"Labels are in {url}/labels/task={plan.task}. Next: miqd audit --out {url}")
    _exit(stages)


@app.command()
def audit(
    run: Run = None,
    task: TaskOption = None,
    out: Out = None,
    settings: Settings = None,
    fingerprint: Annotated[
        bool, typer.Option("--fingerprint", help="Only print the statistics of the labels beside the paper's, with intervals.")
    ] = False,
    resamples: Annotated[int, typer.Option("--resamples", min=1, help="Bootstrap draws for the intervals.")] = 1000,
) -> None:
    """Summarise how each distortion hurts, and write report/index.html."""
    from miqd_builder.auditing.report import write_report
    from miqd_builder.store.folder import RunFolder
    from pipelines.cli import console

    url = run_folder(run, out, settings, task)
    if fingerprint:
        from pipelines.cli.show_formats import show_fingerprints

        show_fingerprints(url, [task] if task else None, resamples)
        return
    for name in write_report(RunFolder(url), tasks=[task] if task else None):
        console.show_audit(url, name)
    console.hint(f"Report: {url}/report/index.html")


@app.command()
def status(
    run: Run = None,
    out: Out = None,
    settings: Settings = None,
    failed: Annotated[bool, typer.Option("--failed", help="List what failed, with its error.")] = False,
) -> None:
    """Say what is done, missing and quarantined."""
    from miqd_builder.store.folder import RunFolder
    from pipelines.progress.status import show_failures, show_status

    folder = RunFolder(run_folder(run, out, settings, None))
    show_status(folder)
    if show_failures(folder, full=failed):
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
    from miqd_builder.errors import ConfigError
    from miqd_builder.store.folder import RunFolder
    from miqd_builder.store.verification import verify_folder
    from pipelines.cli import console

    if recompute is not None and not 0 < recompute <= 1:
        raise ConfigError(f"--recompute {recompute:g}: expected a share of the parts, above 0 and at most 1.")
    folder = RunFolder(run_folder(run, out, settings, None))
    problems = console.show_verification(verify_folder(folder))
    if recompute is not None:
        from pipelines.stages.recompute import recompute as compute_again

        problems += console.show_verification(compute_again(folder, recompute, seed), done="Computed again and compared")
    if problems:
        raise typer.Exit(QUARANTINED)


def _exit(stages: Any) -> None:
    if any(stage.failures for stage in stages):
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
