"""``explore``: the command that writes one HTML file to look at labels, pictures and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from miqd_builder.errors import ConfigError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from miqd_builder.tasks import Task, check_task
from pipelines.api.fields import Settings, command, run_folder

PAGE = "report/explore.html"
"""Where the page goes in the run folder, if nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Explored:
    """What ``explore`` wrote.

    Attributes:
        page: path or url of the HTML file.
        size: of the file, in bytes.
        tasks: tasks in it.
        rows: label rows in it: all that there are of these tasks.
        sources: source images with labels.
        pictured: ids of those of which it has pictures and predictions, sorted.
        notes: what a reader should know, a line each; they are in the page too.
    """

    page: str
    size: int
    tasks: tuple[Task, ...]
    rows: int
    sources: int
    pictured: tuple[str, ...]
    notes: tuple[str, ...]


@command
def explore(
    out: str | Path | None = None,
    *,
    to: str | Path | None = None,
    task: str | None = None,
    sources: int = 12,
    seed: int = 0,
    run: str | Path | None = None,
    settings: Settings = None,
) -> Explored:
    """Write one HTML file to look at a run in a browser: it opens from disk and asks no network for anything.

    All label rows are in it, and pictures and predictions of a sample of the sources; docs/explorer.md says what it shows. The
    same run gives the same bytes.

    Args:
        out: run folder, a path or a url; by default that of the run file.
        to: the HTML file; ``report/explore.html`` in the run folder by default.
        task: ``cls``, ``det``, ``ins`` or ``seg``; by default all that have labels.
        sources: how many sources get pictures, as far as 30 MB have room for them; 0 for none.
        seed: of their choice.
        run: run file (YAML).
        settings: fields of the run file as ``key=value``.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: there is no run, the task is unknown, ``sources`` is negative, ``to`` is a folder, or the labels alone take
            more than 30 MB.
        StoreError: there are no labels, or the file can't be written.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> fields = {"degradations": "darkness_?", "limit": 2, "models": "demo_resnet10t", "scheduler": "inline"}
        >>> made = mb.label(task="cls", run="pipelines/demo.yaml", out=tempfile.mkdtemp() + "/run", **fields)
        >>> explored = mb.explore(made.outs[0], sources=1)
        >>> explored.rows, explored.sources, len(explored.pictured), explored.page.removeprefix(made.outs[0])
        (10, 2, 1, '/report/explore.html')
    """
    from miqd_builder.exploring.explorer import build_explorer

    if sources < 0:
        raise ConfigError(f"sources = {sources}: give the number of sources that get pictures, 0 for none.")
    folder = RunFolder(run_folder(out, run=run, task=task, settings=settings))
    target, name = _target(folder, to)
    record = RunRecord.load(folder)
    assert record is not None
    chosen = None if task is None else check_task(task)
    built = build_explorer(folder, record, task=chosen, sources=sources, seed=seed)
    target.write(name, built.page)
    url = f"{target.url.rstrip('/')}/{name}"
    return Explored(url, len(built.page), built.tasks, built.rows, built.sources, built.pictured, built.notes)


def _target(folder: RunFolder, to: str | Path | None) -> tuple[RunFolder, str]:
    """The folder that the file goes into, and its name there."""
    if to is None:
        return folder, PAGE
    parent, _, name = str(to).rpartition("/")
    if not name or (not parent.partition("://")[1] and Path(to).is_dir()):
        raise ConfigError(f"'{to}' is a folder: name the file, such as '{str(to).rstrip('/')}/explore.html'.")
    return RunFolder(parent or ("/" if str(to).startswith("/") else ".")), name
