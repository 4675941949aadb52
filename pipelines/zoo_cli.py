"""The ``miqd zoo`` commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.options import WRONG_USE, TaskOption, ZooFiles

app = typer.Typer(help="Look at the models and check them.", no_args_is_help=True)


@app.command("list")
def zoo_list(
    pattern: Annotated[str, typer.Argument(help="Names, with * and ?.")] = "*",
    task: TaskOption = None,
    zoo: ZooFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the entries as JSON.")] = False,
) -> None:
    """List the models."""
    from pipelines import console

    console.show_zoo(_entries(pattern, task, zoo), as_json=as_json)


@app.command("show")
def zoo_show(name: str, zoo: ZooFiles = None) -> None:
    """Print one entry."""
    import yaml

    entry = _catalog(zoo)[name]
    typer.echo(yaml.safe_dump(entry.model_dump(mode="json", exclude_defaults=True), sort_keys=False), nl=False)


@app.command("verify")
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
