"""``assess``: the command that tells of images, videos and a camera what they are worth to vision models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from miqd_builder.errors import ConfigError
from pipelines.api.fields import command
from pipelines.progress.bar import progress, shown

if TYPE_CHECKING:
    from machine_iqa.camera import Reading
    from machine_iqa.model import MIQAModel


@dataclass(frozen=True, slots=True)
class Assessed:
    """What ``assess`` found.

    Attributes:
        rows: of each file ``path``, ``kind`` (image or video), ``model``, ``score``, the scores of each task and label that the
            model has (``cls_consistency`` ...), and ``error``; None where something isn't known.
        out: the table that holds them, if one was asked for.
        curves: folder of the videos' curves, if there is one.
    """

    rows: tuple[dict[str, Any], ...]
    out: Path | None = None
    curves: Path | None = None

    @property
    def failures(self) -> int:
        """Files that could not be read."""
        return sum(row["error"] is not None for row in self.rows)


@command
def assess(
    paths: str | Path | Sequence[str | Path],
    *,
    model: str = "miqa-small",
    task: str | None = None,
    label: str | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    out: str | Path | None = None,
    frames: int = 120,
    annotate: str | Path | None = None,
    workers: int | None = None,
    show_progress: bool = False,
) -> Assessed:
    """Score images and videos with a quality model; a file that can't be read is a row with its error.

    Args:
        paths: files, folders (with all below them) and patterns.
        model: name of a quality model, or a file that ``miqd train`` wrote.
        task: ``cls``, ``det`` or ``ins``; by default the model's choice.
        label: ``consistency``, ``accuracy`` or ``composite``; by default ``composite``.
        weights: of the model; by default those that ship, or the published ones, which one downloads by hand.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``: a GPU where there is one.
        out: table to write, ``.csv``, ``.json`` or ``.parquet``; rows come into it as they are known, and a second start goes
            on with it. Beside it, in ``NAME_curves``, are the curves of videos (PNG and JSON).
        frames: of each video, evenly spaced.
        annotate: folder for the videos with score and growing curve (H.264), and for their curves.
        workers: threads; one a core by default.
        show_progress: show progress on standard error.

    Returns:
        the rows, in the order of the files.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: there is nothing to assess, the model or its weights are missing, or ``out`` holds something else.

    Examples:
        >>> import miqd_builder as mb
        >>> found = mb.assess("pipelines/demo/images")
        >>> len(found.rows), found.failures, all(0 <= row["score"] <= 1 for row in found.rows)
        (8, 0, True)
    """
    from machine_iqa.assessing import VideoOptions, assess_files, columns
    from machine_iqa.listing import find_files, is_video
    from machine_iqa.rows import RowFile

    if frames < 1:
        raise ConfigError(f"frames must be 1 or more, got {frames}.")
    files = find_files([paths] if isinstance(paths, str | Path) else paths)
    opened = _model(model, task, label, weights, device)
    table = None if out is None else RowFile(Path(out), columns(opened))
    curves = _curves_folder(out, annotate) if any(map(is_video, files)) else None
    videos = VideoOptions(frames, curves, annotate is not None)
    with shown(show_progress), progress("assess", len(files)) as report:
        if table is None:
            rows = assess_files(opened, files, videos=videos, workers=workers, on_done=report)
        else:
            with table:
                rows = assess_files(opened, files, table=table, videos=videos, workers=workers, on_done=report)
    return Assessed(tuple(rows), None if out is None else Path(out), curves)


@command
def assess_camera(
    camera: int = 0,
    *,
    model: str = "miqa-small",
    task: str | None = None,
    label: str | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    seconds: float | None = None,
    on_reading: Callable[[Reading], None] | None = None,
) -> int:
    """Score a camera's newest frame again and again, until it ends or the time is over.

    Args:
        camera: number of the camera.
        model: as for :func:`assess`.
        task: as for :func:`assess`.
        label: as for :func:`assess`.
        weights: as for :func:`assess`.
        device: as for :func:`assess`.
        seconds: to go on for; without end for None.
        on_reading: called with each :class:`machine_iqa.camera.Reading`.

    Returns:
        the number of frames that were scored.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: the model or its weights are missing.
        CameraError: the camera can't be opened, or it stopped sending frames.
    """
    from machine_iqa.camera import RealTimeIQA, open_camera

    count = 0
    with open_camera(camera) as grabber:
        watcher = RealTimeIQA(_model(model, task, label, weights, device))
        for reading in watcher.watch(grabber):
            count += 1
            if on_reading is not None:
                on_reading(reading)
            if seconds is not None and reading.time >= seconds:
                break
    return count


def _model(model: str, task: str | None, label: str | None, weights: str | Path | None, device: str) -> MIQAModel:
    from machine_iqa.model import MIQAModel

    return MIQAModel(model, task=task, label=label, weights=weights, device=device)


def _curves_folder(out: str | Path | None, annotate: str | Path | None) -> Path | None:
    """Make the folder for the curves of videos: the one for the annotated videos, else one beside the table."""
    if annotate is None and out is None:
        return None
    folder = Path(annotate) if annotate is not None else Path(out or "").with_name(f"{Path(out or '').stem}_curves")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"Folder '{folder}' can't be made ({error.strerror}).") from None
    return folder
