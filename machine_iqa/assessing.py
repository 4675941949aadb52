"""Assess many files: images in batches and videos, on all cores, with a table that a second start goes on with."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine_iqa.images import rgb
from machine_iqa.listing import is_video
from machine_iqa.model import MIQAModel, one_thread
from machine_iqa.networks.base import Views
from machine_iqa.rows import Row, RowFile
from machine_iqa.video import FRAMES, VideoMIQA
from miqd_builder.errors import ConfigError, MiqdError

CHUNK = 8
"""Images that a thread reads and assesses together."""

Done = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """What to do with videos.

    Attributes:
        frames: to assess, evenly spaced.
        curves: folder for a picture (PNG) and a record (JSON) of each video's scores over time; None for neither.
        annotate: whether to write the video with its score and the growing curve there too.
    """

    frames: int = FRAMES
    curves: Path | None = None
    annotate: bool = False


def columns(model: MIQAModel) -> list[str]:
    """Return the columns of a table of scores: file, the model's score, all its scores by task and label, error."""
    labels = [f"{task}_{label}" for task, of_task in _by_task(model).items() for label in of_task]
    return ["path", "kind", "model", "score", *labels, "error"]


def model_name(model: MIQAModel) -> str:
    """Return what the column ``model`` says: name, task, label and the beginning of the weights' sha256."""
    return f"{model.name} {model.task} {model.label} {model.sha256[:8]}"


def assess_files(
    model: MIQAModel,
    files: Sequence[Path],
    *,
    table: RowFile | None = None,
    videos: VideoOptions | None = None,
    workers: int | None = None,
    on_done: Done = lambda count: None,
) -> list[Row]:
    """Assess images and videos; what can't be read is a row with its error.

    Args:
        model: that scores.
        files: see :func:`machine_iqa.listing.find_files`.
        table: that the rows are appended to as they come, in the order of the files; files that it has are not assessed again.
        videos: what to do with videos.
        workers: threads; one a core by default.
        on_done: called with the number of files just done.

    Returns:
        the rows of these files, those of an earlier start among them.

    Raises:
        ConfigError: the table's rows are of another model, or ``workers`` is not above 0.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be 1 or more, got {workers}.")
    known = _known(model, table)
    todo = [file for file in files if str(file) not in known]
    on_done(len(files) - len(todo))
    found = dict(known)
    names = _names([file for file in files if is_video(file)])
    with _threads(workers or cores()) as pool:
        futures: list[Future[list[Row]]] = []
        for some in _chunks(todo):
            if is_video(some[0]):
                futures.append(pool.submit(_assess_video, model, some[0], videos or VideoOptions(), names[some[0]]))
            else:
                futures.append(pool.submit(_assess_images, model, some))
        for future in futures:
            rows = future.result()
            if table is not None:
                table.append(rows)
            found.update({row["path"]: row for row in rows})
            on_done(len(rows))
    return [found[str(file)] for file in files]


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool whose threads compute on one core each; work that has not begun is dropped on the way out of an error."""
    with one_thread():
        pool = ThreadPoolExecutor(count, thread_name_prefix="assess")
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def _known(model: MIQAModel, table: RowFile | None) -> dict[str, Row]:
    """Return the rows that the table has already, by path."""
    rows = [] if table is None else table.rows
    for row in rows:
        if row["model"] != model_name(model):
            assert table is not None
            raise ConfigError(
                f"'{table.file}' holds scores of '{row['model']}', not of '{model_name(model)}': name another file."
            )
    return {row["path"]: row for row in rows}


def _chunks(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield a few images, or one video, at a time, in order."""
    some: list[Path] = []
    for file in files:
        if some and (is_video(file) or len(some) == CHUNK):
            yield some
            some = []
        if is_video(file):
            yield [file]
        else:
            some.append(file)
    if some:
        yield some


def _assess_images(model: MIQAModel, files: Sequence[Path]) -> list[Row]:
    views: list[Views] = []
    rows: list[Row] = []
    for file in files:
        row = _row(model, file, "image")
        try:
            views.append(model.network.views(rgb(file)))
        except Exception as error:  # whatever a decoder raises concerns this file only
            row["error"] = _told(error)
        rows.append(row)
    readable = [row for row in rows if row["error"] is None]
    for row, scores in zip(readable, model.scores_of_views(views), strict=True):
        by_task = model.by_label(scores)
        row["score"] = by_task[model.task][model.label]
        row |= {f"{task}_{label}": score for task, labels in by_task.items() for label, score in labels.items()}
    return rows


def _assess_video(model: MIQAModel, file: Path, options: VideoOptions, name: str) -> list[Row]:
    row = _row(model, file, "video")
    try:
        found = VideoMIQA(model, frames=options.frames).assess_video(file)
        if options.curves is not None:
            _show_video(file, found, options.curves / name, annotate=options.annotate)
        row |= {"score": found["mean_score"], f"{model.task}_{model.label}": found["mean_score"]}
    except Exception as error:  # as above
        row["error"] = _told(error)
    return [row]


def _show_video(file: Path, found: dict[str, Any], stem: Path, *, annotate: bool) -> None:
    from machine_iqa.annotate import annotate_video, draw_curve

    stem.with_name(f"{stem.name}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    draw_curve(found, stem.with_name(f"{stem.name}.png"))
    if annotate:
        annotate_video(file, found, stem.with_name(f"{stem.name}.mp4"))


def _names(videos: Sequence[Path]) -> dict[Path, str]:
    """Return a file name for what is written of each video: its own, with some digits where several have the same."""
    stems = Counter(video.stem for video in videos)
    digits = {video: hashlib.sha256(str(video).encode()).hexdigest()[:8] for video in videos}
    return {video: video.stem if stems[video.stem] == 1 else f"{video.stem}-{digits[video]}" for video in videos}


def _row(model: MIQAModel, file: Path, kind: str) -> Row:
    return dict.fromkeys(columns(model)) | {"path": str(file), "kind": kind, "model": model_name(model)}


def _told(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, MiqdError) else f"{type(error).__name__}: {text}"


def _by_task(model: MIQAModel) -> dict[str, dict[str, float]]:
    import numpy as np

    return model.by_label(np.zeros(len(model.network.outputs), np.float32))
