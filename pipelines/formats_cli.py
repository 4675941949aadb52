"""Commands for labels in the published form: ``miqd export``, ``miqd import``, ``miqd compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.options import QUARANTINED, Out, Plugins, Run, SchedulerName, Settings, TaskOption, Workers

app = typer.Typer()

Format = Annotated[str, typer.Option("--format", help="miqd: the form in which the MIQD-2.5M database is published.")]


@app.command("export")
def export(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder for miqa_cls, miqa_det, miqa_ins and the splits.")],
    run: Run = None,
    out: Out = None,
    task: TaskOption = None,
    form: Format = "miqd",
    settings: Settings = None,
    val_fraction: Annotated[
        float, typer.Option("--val-fraction", min=0, max=1, help="Share of the source images in the validation split.")
    ] = 0.2,
    split_seed: Annotated[int, typer.Option("--split-seed", min=0, help="Seed of the split.")] = 0,
    scheduler: SchedulerName = None,
    workers: Workers = None,
) -> None:
    """Write labels and images in the form that the published training code reads."""
    from miqd_builder.config import RunConfig
    from miqd_builder.formats.published import check_published_task
    from pipelines import console
    from pipelines.export import Split, export_run, recorded_config
    from pipelines.options import load, run_folder

    _check_format(form)
    if task is not None:
        check_published_task(task)
    url = run_folder(run, out, settings, task)
    failed = False
    for name in [task] if task else _labelled(url):
        options: dict[str, Any] = {"scheduler": scheduler, "workers": workers}
        config: RunConfig = (
            load(run, name, out, settings, **options) if run else recorded_config(url, name, settings or [], **options)
        )
        if scheduler is None and config.images == "png":
            # Links are quicker made than workers.
            config = config.model_copy(update={"scheduler": "inline"})
        summary = export_run(config, name, to.resolve(), Split(val_fraction, split_seed))
        left_out = f", {summary.left_out} without ground truth in neither" if summary.left_out else ""
        console.hint(
            f"{name}: {summary.sources} sources, {summary.images} images ({summary.new} new), labels in {summary.tree}; "
            f"{summary.train} train, {summary.val} val (fraction {val_fraction:g}, seed {split_seed}){left_out}."
        )
        for failure in summary.failed:
            console.out.print(f"Failed: {failure}. The same command tries it again.", style="red")
        failed = failed or bool(summary.failed)
    if failed:
        raise typer.Exit(QUARANTINED)


@app.command("import")
def import_labels(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that holds miqa_cls, miqa_det or miqa_ins.")],
    out: Annotated[str, typer.Option("--out", help="Run folder to write: a path or a url.")],
    task: TaskOption = None,
    form: Format = "miqd",
    plugin: Plugins = None,
) -> None:
    """Read published labels into a run folder, to audit them or to compare a rebuild with them."""
    import degradations
    from miqd_builder.errors import ConfigError
    from miqd_builder.formats import published
    from miqd_builder.formats.importing import import_published
    from miqd_builder.store.folder import RunFolder
    from pipelines import console
    from pipelines.progress import progress

    _check_format(form)
    try:
        for module in plugin or []:
            degradations.load_plugin(module)
    except degradations.PluginError as error:
        raise ConfigError(str(error)) from None
    found = [name for name in published.TASKS if (folder / published.tree(name) / "labels").is_dir()]
    if task is None and not found:
        raise ConfigError(f"'{folder}' holds no {', '.join(map(published.tree, published.TASKS))}: correct it, or give --task.")
    for name in [task] if task else found:
        rows = import_published(folder, RunFolder(out), name, progress=progress)
        console.hint(f"{name}: {rows} labels imported. Next: miqd audit --out {out}, or miqd compare {out} OTHER")


@app.command("compare")
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Run folder.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Run folder.")],
    task: TaskOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there too.")] = None,
) -> None:
    """Say how well two sets of labels agree: rank and linear correlation, error, and the worst disagreements."""
    from miqd_builder.audit import comparison
    from miqd_builder.store.folder import RunFolder
    from miqd_builder.tasks import check_task
    from pipelines.formats_console import show_comparison, write_comparisons
    from pipelines.options import run_folder

    one, other = (RunFolder(run_folder(None, url, None, None)) for url in (a, b))
    tasks = [check_task(task)] if task else comparison.common_tasks(one, other)
    results = [comparison.compare(one, other, name) for name in tasks]
    for result in results:
        show_comparison(result)
    if json_file is not None:
        write_comparisons(results, json_file)


def _check_format(form: str) -> None:
    from miqd_builder.errors import ConfigError

    if form != "miqd":
        raise ConfigError(f"Unknown format '{form}': expected miqd.")


def _labelled(url: str) -> list[str]:
    """Tasks of a run folder that the published form has."""
    from miqd_builder.audit.statistics import labelled_tasks
    from miqd_builder.errors import ConfigError
    from miqd_builder.formats.published import TASKS
    from miqd_builder.store.folder import RunFolder

    tasks = [task for task in labelled_tasks(RunFolder(url)) if task in TASKS]
    if not tasks:
        raise ConfigError(f"'{url}' has no labels for {', '.join(TASKS)}: run 'miqd label' first.")
    return tasks
