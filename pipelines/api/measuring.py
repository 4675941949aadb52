"""``measure``: the command that computes image quality measures of a run's images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.lock import refuse_if_held
from miqd_builder.store.record import RunRecord
from miqd_builder.tasks import check_task
from miqd_builder.wording import COMMAND_LINE, PYTHON
from pipelines.api.fields import RunFields, Settings, command, resolve, run_folder
from pipelines.api.making import Made
from pipelines.progress.bar import shown

if TYPE_CHECKING:
    from pipelines.planning import Plan


@command
def measure(
    *,
    measures: str | Sequence[str],
    run: str | Path | None = None,
    task: str | None = None,
    settings: Settings = None,
    own_weights: str | Path | Sequence[str | Path] = (),
    dry_run: bool = False,
    show_progress: bool = False,
    on_plan: Callable[[Plan], None] | None = None,
    **fields: Unpack[RunFields],
) -> Made:
    """Compute image quality measures of the degraded images of a run and write its table ``measures``.

    The images are those of the run folder, read from there or rendered again; each is made once for all measures, and nothing
    else is computed. What is there already and up to date is kept, so the same call goes on with an interrupted run.

    Args:
        measures: names, in a list or with commas between them; see :func:`miqd_builder.measures.list_measures`.
        run: run file (YAML); without one, and without ``source``, the run folder ``out`` knows its own.
        task: take this task's section of the run file, or what the run folder's labels of this task were made with.
        settings: further fields as ``key=value``, see ``miqd measure --set``; they have the last word.
        own_weights: lists of weights of learned measures (YAML), beside those that ship.
        dry_run: plan, and write nothing.
        show_progress: show progress on standard error.
        on_plan: called with the plan before anything is written.
        fields: the run file's fields, see :class:`pipelines.api.fields.RunFields`.

    Returns:
        the plan and what its stage did.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: a measure is unknown (names the nearest) or its weights are missing (says where to get and put them), or
            the run file, a field, the source or the run folder is wrong; nothing was written.
        StoreError: the run folder can't be written, or another run is writing there.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> fields = {"degradations": "darkness_?", "limit": 1, "scheduler": "inline"}
        >>> made = mb.degrade(run="pipelines/demo.yaml", out=tempfile.mkdtemp() + "/run", **fields)
        >>> measured = mb.measure(measures="psnr,gmsd", out=made.outs[0])
        >>> measured.computed, measured.failures
        (10, 0)
        >>> mb.open_run(made.outs[0]).measures(["psnr", "gmsd"]).column_names
        ['source_id', 'degradation', 'psnr', 'gmsd']
    """
    from pipelines.plan_measure import plan_measure
    from pipelines.run_measure import run_measure

    names = _names(measures, settings)
    config = recorded_config(run, task, settings, fields)
    if not dry_run:
        refuse_if_held(RunFolder(config.out))
    lists = [own_weights] if isinstance(own_weights, str | Path) else own_weights
    plan = plan_measure(config, names, [Path(file) for file in lists])
    if on_plan is not None:
        on_plan(plan)
    if dry_run:
        return Made((plan,), ())
    with shown(show_progress):
        return Made((plan,), tuple(run_measure(plan)))


def _names(measures: str | Sequence[str], settings: Settings) -> list[str]:
    """Names of the measures, each once."""
    from miqd_builder.measures import find_measure, list_measures

    texts = [measures] if isinstance(measures, str) else measures
    names = list(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))
    if not names:
        option = (PYTHON if settings is None else COMMAND_LINE).option("measures")
        raise ConfigError(f"Which measures? Give {option} one or several of {', '.join(list_measures())}.")
    for name in names:
        find_measure(name)
    return names


def recorded_config(run: str | Path | None, task: str | None, settings: Settings, fields: RunFields) -> RunConfig:
    """Return the run that is measured: as given, or as the run folder's ``run.json`` has it, with what was given over it.

    Raises:
        ConfigError: there is no run, none that made images, or something given is wrong.
    """
    if run is not None or fields.get("source") is not None or fields.get("out") is None:
        return resolve(run, task, settings, fields)
    folder = RunFolder(run_folder(fields["out"]))
    record = RunRecord.load(folder)
    wanted = None if task is None else check_task(task)
    commands = record.commands if record is not None else []
    made = [one for one in commands if one.command in ("degrade", "label") and wanted in (None, one.task)]
    if not made:
        what = "no images: its labels were imported" if wanted is None else f"nothing that was made for task {wanted}"
        raise ConfigError(f"'{folder.url}' holds {what}. Run 'miqd degrade' first, or give the run file.")
    # The folder may have been moved, and what it holds is measured, whatever its last command was limited to.
    stored: dict[str, Any] = made[0].run_file(folder).model_dump(mode="json") | {"limit": None}
    given = {name: value for name, value in fields.items() if value is not None}
    return resolve(None, None, settings, cast("RunFields", stored | given))
