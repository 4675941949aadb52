"""The ``miqd`` command line. Commands import what they need when they run, so that ``miqd --help`` answers at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from miqd_builder.config import RunConfig

app = typer.Typer(
    name="miqd",
    help="Build databases of degraded images labelled by what they do to vision models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
zoo_app = typer.Typer(help="Look at the models and check them.", no_args_is_help=True)
app.add_typer(zoo_app, name="zoo")

COMPLETE, WRONG_USE, QUARANTINED, INTERRUPTED = 0, 1, 2, 130

Run = Annotated[Path | None, typer.Option("--run", help="Run file (YAML).")]
Out = Annotated[str | None, typer.Option("--out", help="Run folder: a path or a url such as s3://bucket/run.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a field of the run file; repeatable.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Take the first N source images.")]
Images = Annotated[str | None, typer.Option("--images", help="png keeps the degraded images, none renders them in memory.")]
SchedulerName = Annotated[
    str | None, typer.Option("--scheduler", help="inline, dask, or tcp://host:8786 of a running Dask scheduler.")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Worker processes; default one a GPU, else one a core.")]
Plugins = Annotated[list[str] | None, typer.Option("--plugin", help="Module that registers further distortions; repeatable.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")]
TaskOption = Annotated[str | None, typer.Option("--task", help="cls, det or ins.")]
ZooFiles = Annotated[list[Path] | None, typer.Option("--zoo", help="Zoo file; repeatable; default the models that ship.")]


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
    from pipelines import console
    from pipelines.degrade import write_contact_sheet
    from pipelines.run import plan_degrade, run_degrade

    options = {"limit": limit, "images": images, "scheduler": scheduler, "workers": workers, "plugins": plugin}
    config = _load(run, task, out, settings, **options)
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
        f"Degraded images and variants are in {config.out}. Next: miqd label --task det|cls|ins with the same run file."
    )
    _exit(stages)


@app.command()
def label(
    task: TaskOption = None,
    run: Run = None,
    out: Out = None,
    settings: Settings = None,
    limit: Limit = None,
    images: Images = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="Rules that turn responses into labels.")] = None,
    scheduler: SchedulerName = None,
    workers: Workers = None,
    plugin: Plugins = None,
    dry_run: DryRun = False,
) -> None:
    """Let the models look at the degraded images and write responses, scores and labels."""
    from pipelines import console
    from pipelines.run import plan_label, run_label

    task = _required_task(task)
    options = {
        "limit": limit,
        "images": images,
        "recipe": recipe,
        "scheduler": scheduler,
        "workers": workers,
        "plugins": plugin,
    }
    config = _load(run, task, out, settings, **options)
    plan = plan_label(config, task)
    console.show_plan(plan)
    if dry_run:
        return
    stages = run_label(plan, task)
    console.show_stages(stages)
    console.show_labels(config.out, task)
    console.hint(f"Labels are in {config.out}/labels/task={task}. Next: miqd audit --out {config.out}")
    _exit(stages)


@app.command()
def audit(
    run: Run = None,
    task: TaskOption = None,
    out: Out = None,
    settings: Settings = None,
) -> None:
    """Summarise how each distortion hurts, and write report/index.html."""
    from miqd_builder.audit.report import write_report
    from miqd_builder.store.folder import RunFolder
    from pipelines import console

    url = _folder(run, out, settings, task)
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
    from pipelines import console

    folder = RunFolder(_folder(run, out, settings, None))
    console.show_status(folder)
    if console.show_failures(folder, full=failed):
        raise typer.Exit(QUARANTINED)


@app.command()
def verify(run: Run = None, out: Out = None, settings: Settings = None) -> None:
    """Read every part and image again and name what is damaged."""
    from miqd_builder.store.folder import RunFolder
    from miqd_builder.store.verification import verify_folder
    from pipelines import console

    folder = RunFolder(_folder(run, out, settings, None))
    problems = console.show_verification(verify_folder(folder))
    if problems:
        raise typer.Exit(QUARANTINED)


@zoo_app.command("list")
def zoo_list(
    pattern: Annotated[str, typer.Argument(help="Names, with * and ?.")] = "*",
    task: TaskOption = None,
    zoo: ZooFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the entries as JSON.")] = False,
) -> None:
    """List the models."""
    from pipelines import console

    console.show_zoo(_entries(pattern, task, zoo), as_json=as_json)


@zoo_app.command("show")
def zoo_show(name: str, zoo: ZooFiles = None) -> None:
    """Print one entry."""
    import yaml

    entry = _catalog(zoo)[name]
    typer.echo(yaml.safe_dump(entry.model_dump(mode="json", exclude_defaults=True), sort_keys=False), nl=False)


@zoo_app.command("verify")
def zoo_verify(
    pattern: Annotated[str, typer.Argument(help="Names, with * and ?.")] = "*",
    task: TaskOption = None,
    zoo: ZooFiles = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Don't load checkpoints: check the build alone.")
    ] = False,
) -> None:
    """Build each model, load its checkpoint, run it and check that it keeps the contract of adapters."""
    from miqd_builder.zoo.verification import verify_model
    from pipelines import console

    checked = ((entry, verify_model(entry, random_weights=random_weights)) for entry in _entries(pattern, task, zoo))
    if console.show_zoo_verification(checked):
        raise typer.Exit(WRONG_USE)


def _load(run: Path | None, task: str | None, out: str | None, settings: list[str] | None, **options: Any) -> RunConfig:
    from miqd_builder.config import check_task, load_run

    if task is not None:
        check_task(task)
    return load_run(run, task=task, settings=settings or [], out=out, **options)


def _required_task(task: str | None) -> str:
    from miqd_builder.config import TASKS, check_task
    from miqd_builder.errors import ConfigError

    if task is None:
        raise ConfigError(f"Which task? Give --task {'|'.join(TASKS)}.")
    return check_task(task)


def _folder(run: Path | None, out: str | None, settings: list[str] | None, task: str | None) -> str:
    """The run folder, from --out alone or from the run file."""
    from miqd_builder.config import check_task
    from miqd_builder.errors import ConfigError
    from miqd_builder.store.folder import RunFolder
    from miqd_builder.store.record import NAME

    if task is not None:
        check_task(task)
    url = out if out is not None and run is None else _load(run, task, out, settings).out
    if not RunFolder(url).exists(NAME):
        raise ConfigError(f"'{url}' holds no run: run 'miqd degrade' or 'miqd label' first, or correct --out.")
    return url


def _catalog(zoo: list[Path] | None) -> Any:
    from miqd_builder.zoo.catalog import load_zoo
    from pipelines.context import shipped_zoo

    return load_zoo(zoo or shipped_zoo())


def _entries(pattern: str, task: str | None, zoo: list[Path] | None) -> Any:
    from miqd_builder.config import TASKS, check_task
    from miqd_builder.errors import ConfigError

    catalog = _catalog(zoo)
    tasks = [check_task(task)] if task else [t for t in TASKS if any(e.task == t for e in catalog)]
    entries = []
    for name in tasks:
        try:
            entries += catalog.select([pattern], name)
        except ConfigError:
            if task or (name == tasks[-1] and not entries):
                raise
    return entries


def _exit(stages: Any) -> None:
    if any(stage.failures for stage in stages):
        raise typer.Exit(QUARANTINED)


UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""Of whichever click this typer brings along."""


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit code 1."""
    from miqd_builder.errors import MiqdError

    try:
        code = app(standalone_mode=False)
    except MiqdError as error:
        _fail(f"Error: {error}", WRONG_USE)
    except UsageError as error:
        error.show()  # type: ignore[attr-defined]
        sys.exit(WRONG_USE)
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    if code == INTERRUPTED:
        _fail("Interrupted. Finished parts are kept: run the same command again to go on.", INTERRUPTED)
    sys.exit(code if isinstance(code, int) else COMPLETE)


def _fail(message: str, code: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
