"""The ``miqd zoo`` commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import QUARANTINED, WRONG_USE, TaskOption, ZooFiles

if TYPE_CHECKING:
    from miqd_builder.zoo.catalog import Catalog
    from miqd_builder.zoo.entry import ModelEntry
    from miqd_builder.zoo.weights.fetch import RemoteFile

app = typer.Typer(help="List the models, fetch their weights and check them.", no_args_is_help=True)

Pattern = Annotated[str, typer.Argument(help="Names, with * and ?.")]
Family = Annotated[str | None, typer.Option("--family", help="Only models of this family, with * and ?.")]
License = Annotated[str | None, typer.Option("--license", help="Only models of this license, with * and ?.")]


@app.command("list")
def zoo_list(
    pattern: Pattern = "*",
    task: TaskOption = None,
    family: Family = None,
    license: License = None,
    zoo: ZooFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the entries as JSON.")] = False,
) -> None:
    """List the models."""
    from pipelines.cli import show_zoo as zoo_console

    zoo_console.show_models(_entries(pattern, task, zoo, family=family, license=license), as_json=as_json)


@app.command("show")
def zoo_show(name: str, zoo: ZooFiles = None) -> None:
    """Print one entry."""
    import yaml

    entry = _catalog(zoo)[name]
    typer.echo(yaml.safe_dump(entry.model_dump(mode="json", exclude_defaults=True), sort_keys=False), nl=False)


@app.command("fetch")
def zoo_fetch(
    pattern: Pattern = "*",
    task: TaskOption = None,
    family: Family = None,
    license: License = None,
    zoo: ZooFiles = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=32, help="Downloads at a time.")] = 4,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be downloaded where, and stop.")] = False,
) -> None:
    """Download checkpoints into the cache folder (MIQD_CACHE), resuming interrupted downloads.

    roi_dino is the name of the weights that roi.kind dino needs; u2net, isnet-general-use and birefnet are networks of
    roi.kind salient (model_zoo_configs/roi.yaml). The name of a measure, such as lpips_alex or niqe, stands for its weights.
    """
    from miqd_builder.zoo.weights.fetch import fetch, remote_files
    from pipelines.cli import show_zoo as zoo_console

    others = _files_of_others(pattern)
    if others is not None and (task or family or license or zoo):
        from miqd_builder.errors import ConfigError

        raise ConfigError(
            f"'{pattern}' is no model: --task, --family, --license and --zoo choose among models, leave them out."
        )
    entries = [] if others is not None else _entries(pattern, task, zoo, family=family, license=license)
    files = remote_files(entries) if others is None else others
    if dry_run:
        zoo_console.show_fetch_plan(files)
        return
    zoo_console.show_own_files(entries)
    with zoo_console.fetch_progress() as report:
        failed = zoo_console.show_fetched(files, fetch(files, jobs=jobs, report=report))
    if failed:
        raise typer.Exit(QUARANTINED)


@app.command("verify")
def zoo_verify(
    pattern: Pattern = "*",
    task: TaskOption = None,
    family: Family = None,
    license: License = None,
    zoo: ZooFiles = None,
    random_weights: Annotated[
        bool,
        typer.Option("--random-weights", help="Don't load checkpoints; measure each model in a process of its own, resumably."),
    ] = False,
    results: Annotated[
        Path | None, typer.Option("--results", help="Where measurements are kept; default zoo-sweep.jsonl in MIQD_CACHE.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Measure again what was measured before.")] = False,
    table: Annotated[Path | None, typer.Option("--table", help="Write the measurements as a Markdown table.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the measurements as CSV.")] = None,
) -> None:
    """Build each model, load its checkpoint if it is on disk, run it and check that it keeps the contract of adapters."""
    from pipelines.cli import zoo_checks

    entries = _entries(pattern, task, zoo, family=family, license=license)
    if random_weights:
        failed = zoo_checks.measure_models(entries, results, again=again, table=table, csv=csv)
    elif results or again or table or csv:
        from miqd_builder.errors import ConfigError

        raise ConfigError("--results, --again, --table and --csv belong to --random-weights, which measures the models.")
    else:
        failed = zoo_checks.verify_models(entries)
    if failed:
        raise typer.Exit(WRONG_USE)


def _files_of_others(name: str) -> list[RemoteFile] | None:
    """The files of a network for ROI masks or of a measure; None if the name is of neither."""
    from miqd_builder.measures import MEASURES, list_measures
    from miqd_builder.measures.weights import remote_weights, verified_weights, weight_files
    from miqd_builder.roi import DINO
    from miqd_builder.roi.salient_models import shipped_networks
    from miqd_builder.zoo.weights.cache import WithCheckpoint
    from miqd_builder.zoo.weights.fetch import remote_files

    networks: dict[str, WithCheckpoint] = {DINO.name: DINO, **shipped_networks()}
    if name in networks:
        return remote_files([networks[name]])
    if name not in (*list_measures(), *weight_files()):
        return None
    weights = MEASURES[name].weights if name in list_measures() else (name,)
    files = remote_weights(weights)
    for weight in set(weights) - {one for file in files for one in file.names}:
        verified_weights(weight)  # it is on disk, or the error says where to get it
    return files


def _catalog(zoo: list[Path] | None) -> Catalog:
    from miqd_builder.zoo.catalog import load_zoo, shipped_zoo

    return load_zoo(zoo or shipped_zoo())


def _entries(
    pattern: str, task: str | None, zoo: list[Path] | None, *, family: str | None = None, license: str | None = None
) -> list[ModelEntry]:
    from miqd_builder.tasks import check_task

    return _catalog(zoo).find(pattern, task=check_task(task) if task else None, family=family, license=license)
