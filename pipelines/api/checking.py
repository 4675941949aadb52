"""``status`` and ``verify``: the commands that look at a run folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from miqd_builder.errors import ConfigError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.verification import verify_folder
from miqd_builder.wording import COMMAND_LINE, PYTHON
from pipelines.api.fields import Settings, command, run_folder
from pipelines.progress.bar import shown

if TYPE_CHECKING:
    from pipelines.progress.status import RunStatus


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """What ``verify`` found of one file.

    Attributes:
        name: path inside the run folder.
        problem: what is wrong and what to do; None where nothing is.
        recomputed: whether it was computed again, not only read.
    """

    name: str
    problem: str | None
    recomputed: bool = False


@dataclass(frozen=True, slots=True)
class Verification:
    """What ``verify`` found in a run folder.

    Attributes:
        read: number of files that were read.
        recomputed: number of parts that were computed again and compared.
        problems: what is wrong.
    """

    read: int
    recomputed: int
    problems: tuple[VerifiedFile, ...]


@command
def status(
    out: str | Path | None = None,
    *,
    run: str | Path | None = None,
    settings: Settings = None,
) -> RunStatus:
    """Return what is done, running, missing and quarantined in a run folder.

    Args:
        out: run folder, a path or a url; by default that of the run file.
        run: run file (YAML).
        settings: fields of the run file as ``key=value``.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: there is no run.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> fields = {"degradations": "darkness_1", "limit": 1, "scheduler": "inline"}
        >>> made = mb.degrade(run="pipelines/demo.yaml", out=tempfile.mkdtemp() + "/run", **fields)
        >>> [(table.name, table.done, table.rows) for table in mb.status(made.outs[0]).tables]
        [('candidates', 1, 12), ('variants', 1, 1)]
    """
    from pipelines.progress.status import run_status

    return run_status(RunFolder(run_folder(out, run=run, settings=settings)))


@command
def verify(
    out: str | Path | None = None,
    *,
    run: str | Path | None = None,
    settings: Settings = None,
    recompute: float | None = None,
    seed: int = 0,
    show_progress: bool = False,
    on_file: Callable[[VerifiedFile], None] | None = None,
) -> Verification:
    """Read every part, ROI mask and image of a run folder again and say what is damaged.

    Args:
        out: run folder, a path or a url; by default that of the run file.
        run: run file (YAML).
        settings: fields of the run file as ``key=value``.
        recompute: also compute this share of the parts again, above 0 and at most 1, and compare.
        seed: chooses the parts that are computed again.
        show_progress: show progress on standard error.
        on_file: called with each file as it is checked; first those that are read, then those that are computed again.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: there is no run, or ``recompute`` is no share.
        StoreError: the run can't be computed again.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> fields = {"degradations": "darkness_1", "limit": 1, "scheduler": "inline"}
        >>> made = mb.degrade(run="pipelines/demo.yaml", out=tempfile.mkdtemp() + "/run", **fields)
        >>> mb.verify(made.outs[0], recompute=1.0)
        Verification(read=5, recomputed=2, problems=())
    """
    if recompute is not None and not 0 < recompute <= 1:
        words = PYTHON if settings is None else COMMAND_LINE
        raise ConfigError(f"{words.option('recompute')} {recompute:g}: expected a share of the parts, above 0 and at most 1.")
    folder = RunFolder(run_folder(out, run=run, settings=settings))
    counts = {False: 0, True: 0}
    problems: list[VerifiedFile] = []

    def note(file: VerifiedFile) -> None:
        counts[file.recomputed] += 1
        if file.problem is not None:
            problems.append(file)
        if on_file is not None:
            on_file(file)

    with shown(show_progress):
        for name, problem in verify_folder(folder):
            note(VerifiedFile(name, problem))
        if recompute is not None:
            from pipelines.stages.recompute import recompute as compute_again

            for name, problem in compute_again(folder, recompute, seed):
                note(VerifiedFile(name, problem, recomputed=True))
    return Verification(counts[False], counts[True], tuple(problems))
