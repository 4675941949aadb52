"""``export`` and ``import``: labels in the forms in which they are published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import degradations
from miqd_builder import consent
from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError
from miqd_builder.formats import importing
from miqd_builder.formats.contract import Format
from miqd_builder.formats.registry import format_of, reader_of, writer_of
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import labelled_tasks
from miqd_builder.tasks import Task
from pipelines.api.fields import Settings, command, resolve, run_folder
from pipelines.progress.bar import progress, shown
from pipelines.stages.export import ExportSummary, Split, export_run, recorded_config


@command
def export(
    out: str | Path | None = None,
    *,
    to: str | Path,
    task: str | None = None,
    format: str = "miqd",
    run: str | Path | None = None,
    settings: Settings = None,
    val_fraction: float = 0.2,
    split_seed: int = 0,
    scheduler: str | None = None,
    workers: int | None = None,
    show_progress: bool = False,
    on_task: Callable[[Task, ExportSummary], None] | None = None,
) -> dict[Task, ExportSummary]:
    """Write labels and images of a run in the form that the published training code reads, or in another format.

    What is there already is kept.

    Args:
        out: run folder, a path or a url; by default that of the run file.
        to: folder that everything goes below.
        task: ``cls``, ``det``, ``ins`` or ``seg``; by default every labelled task that the format has.
        format: ``miqd``, or one of another package.
        run: run file (YAML); by default the one that ``label`` recorded in the run folder.
        settings: fields of the run file as ``key=value``.
        val_fraction: share of the source images in the validation split, 0 to 1.
        split_seed: of the split.
        scheduler: ``inline``, ``dask`` or ``tcp://host:port``; by default this process for a run that keeps its images, which
            are linked, and the run file's for one whose images have to be rendered.
        workers: worker processes.
        show_progress: show progress on standard error.
        on_task: called with what was written of each task.

    Returns:
        what was written, by task; ``failed`` of a summary names parts that the same call tries again.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: the format, the task or the run folder is wrong.
        StoreError: something of the run is missing.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> folder = tempfile.mkdtemp()
        >>> fields = {"degradations": "darkness_1", "limit": 1, "models": "demo_resnet10t", "scheduler": "inline"}
        >>> made = mb.label(task="cls", run="pipelines/demo.yaml", out=folder + "/run", **fields)
        >>> written = mb.export(folder + "/run", to=folder + "/published")
        >>> written["cls"].images
        1
    """
    chosen = format_of(format)
    writer_of(chosen)
    tasks = [chosen.task(task)] if task is not None else None
    url = run_folder(out, run=run, task=task, settings=settings)
    options: dict[str, Any] = {"scheduler": scheduler, "workers": workers}
    summaries: dict[Task, ExportSummary] = {}
    for name in tasks or _labelled(url, chosen):
        config: RunConfig = (
            resolve(run, name, settings, {"out": out, "scheduler": scheduler, "workers": workers})
            if run
            else recorded_config(url, name, list(settings or []), **options)
        )
        if scheduler is None and config.images == "png":
            # Links are quicker made than workers.
            config = config.model_copy(update={"scheduler": "inline"})
        with shown(show_progress):
            summaries[name] = export_run(config, name, Path(to).resolve(), Split(val_fraction, split_seed), chosen)
        if on_task is not None:
            on_task(name, summaries[name])
    return summaries


@command
def import_labels(
    folder: str | Path,
    *,
    out: str | Path,
    task: str | None = None,
    format: str = "miqd",
    plugins: Sequence[str] = (),
    show_progress: bool = False,
    on_task: Callable[[Task, int], None] | None = None,
) -> dict[Task, int]:
    """Read published labels into a run folder, to audit them or to compare a rebuild with them.

    Args:
        folder: of the labels; format miqd: that of miqa_cls, miqa_det, miqa_ins.
        out: run folder to write, a path or a url.
        task: ``cls``, ``det``, ``ins`` or ``seg``; by default all that are there.
        format: ``miqd``, or one of another package.
        plugins: modules that register further distortions.
        show_progress: show progress on standard error.
        on_task: called with the number of labels of each task.

    Returns:
        number of labels, by task.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: there are no labels, the run folder holds another run, or a file is malformed.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> folder = tempfile.mkdtemp()
        >>> fields = {"degradations": "darkness_1", "limit": 2, "models": "demo_resnet10t", "scheduler": "inline"}
        >>> made = mb.label(task="cls", run="pipelines/demo.yaml", out=folder + "/run", **fields)
        >>> written = mb.export(folder + "/run", to=folder + "/published")
        >>> mb.import_labels(folder + "/published", out=folder + "/imported")
        {'cls': 2}
        >>> mb.open_run(folder + "/imported").labels("cls", columns=["source_id"])["source_id"].to_pylist()
        ['scene_00_ball', 'scene_01_box']
    """
    chosen = format_of(format)
    reader_of(chosen)
    try:
        for module in plugins:
            consent.check_module(module, "The import")
            degradations.load_plugin(module)
    except degradations.PluginError as error:
        raise ConfigError(str(error)) from None
    source, rows = Path(folder), dict[Task, int]()
    for name in importing.tasks_in(chosen, source) if task is None else [chosen.task(task)]:
        with shown(show_progress):
            rows[name] = importing.import_labels(chosen, source, RunFolder(str(out)), name, progress=progress)
        if on_task is not None:
            on_task(name, rows[name])
    return rows


def _labelled(url: str, form: Format) -> list[Task]:
    """Labelled tasks of a run folder that a format has."""
    labelled = labelled_tasks(RunFolder(url))
    tasks = [task for task in form.tasks if task in labelled]
    if not tasks:
        raise ConfigError(f"'{url}' has no labels for {', '.join(form.tasks)}: run 'miqd label' first.")
    return tasks
