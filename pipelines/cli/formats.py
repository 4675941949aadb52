"""Commands for labels in a published form: ``miqd export``, ``miqd import``, ``miqd compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.options import QUARANTINED, Out, Plugins, Run, SchedulerName, Settings, TaskOption, Workers

if TYPE_CHECKING:
    from miqd_builder.formats.contract import Format
    from miqd_builder.tasks import Task

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
    from miqd_builder.config import RunConfig
    from miqd_builder.formats.registry import format_of, writer_of
    from pipelines.cli import console
    from pipelines.cli.options import load, run_folder
    from pipelines.stages.export import Split, export_run, recorded_config

    chosen = format_of(form)
    writer_of(chosen)
    tasks = [chosen.task(task)] if task is not None else None
    url = run_folder(run, out, settings, task)
    failed = False
    for name in tasks or _labelled(url, chosen):
        options: dict[str, Any] = {"scheduler": scheduler, "workers": workers}
        config: RunConfig = (
            load(run, name, out, settings, **options) if run else recorded_config(url, name, settings or [], **options)
        )
        if scheduler is None and config.images == "png":
            # Links are quicker made than workers.
            config = config.model_copy(update={"scheduler": "inline"})
        summary = export_run(config, name, to.resolve(), Split(val_fraction, split_seed), chosen)
        left_out = f", {summary.left_out} without ground truth in neither" if summary.left_out else ""
        console.hint(
            f"{name}: {summary.sources} sources, {summary.images} images ({summary.new} new) in {to.resolve()}; "
            f"{summary.train} train, {summary.val} val (fraction {val_fraction:g}, seed {split_seed}){left_out}."
        )
        for failure in summary.failed:
            console.out.print(f"Failed: {failure}. The same command tries it again.", style="red")
        failed = failed or bool(summary.failed)
    if failed:
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
    import degradations
    from miqd_builder.errors import ConfigError
    from miqd_builder.formats.importing import import_labels, tasks_in
    from miqd_builder.formats.registry import format_of, reader_of
    from miqd_builder.store.folder import RunFolder
    from pipelines.cli import console
    from pipelines.progress.bar import progress

    chosen = format_of(form)
    reader_of(chosen)
    try:
        for module in plugin or []:
            degradations.load_plugin(module)
    except degradations.PluginError as error:
        raise ConfigError(str(error)) from None
    for name in tasks_in(chosen, folder) if task is None else [chosen.task(task)]:
        rows = import_labels(chosen, folder, RunFolder(out), name, progress=progress)
        console.hint(f"{name}: {rows} labels imported. Next: miqd audit --out {out}, or miqd compare {out} OTHER")


@app.command("compare")
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Run folder.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Run folder.")],
    task: TaskOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there too.")] = None,
) -> None:
    """Say how well two sets of labels agree: rank and linear correlation, error, and the worst disagreements."""
    from miqd_builder.auditing import comparison
    from miqd_builder.store.folder import RunFolder
    from miqd_builder.tasks import check_task
    from pipelines.cli.options import run_folder
    from pipelines.cli.show_formats import show_comparison, write_comparisons

    one, other = (RunFolder(run_folder(None, url, None, None)) for url in (a, b))
    tasks = [check_task(task)] if task else comparison.common_tasks(one, other)
    results = [comparison.compare(one, other, name) for name in tasks]
    for result in results:
        show_comparison(result)
    if json_file is not None:
        write_comparisons(results, json_file)


def _labelled(url: str, form: Format) -> list[Task]:
    """Labelled tasks of a run folder that a format has."""
    from miqd_builder.errors import ConfigError
    from miqd_builder.store.folder import RunFolder
    from miqd_builder.tables.queries import labelled_tasks

    labelled = labelled_tasks(RunFolder(url))
    tasks = [task for task in form.tasks if task in labelled]
    if not tasks:
        raise ConfigError(f"'{url}' has no labels for {', '.join(form.tasks)}: run 'miqd label' first.")
    return tasks
