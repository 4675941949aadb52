"""Assess a video: scores of sampled frames, their statistics, and where quality drops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from machine_iqa.curves import DROP, by_second, drops, statistics
from machine_iqa.frames import Frame, VideoFile
from machine_iqa.model import MIQAModel
from machine_iqa.opening import DEFAULT_MODEL
from miqd_builder.errors import ConfigError

FRAMES = 120
"""Frames of a video that are assessed, unless one says otherwise."""


class VideoMIQA:
    """Assesses videos with a quality model.

    Args:
        model: a model, or the name of one.
        frames: frames to assess, evenly spaced over the video; None for all.
        drop: a fall of the score by this much is a drop.
        options: of :class:`machine_iqa.MIQAModel`, where ``model`` is a name.

    Raises:
        ConfigError: the model can't be opened, or ``frames`` is not above 0.
    """

    def __init__(
        self, model: MIQAModel | str = DEFAULT_MODEL, *, frames: int | None = FRAMES, drop: float = DROP, **options: Any
    ) -> None:
        if frames is not None and frames < 1:
            raise ConfigError(f"frames must be 1 or more, got {frames}.")
        self.model = MIQAModel(model, **options) if isinstance(model, str) else model
        self.frames, self.drop = frames, drop

    def assess_video(self, path: str | Path, *, on_frames: Callable[[int], None] | None = None) -> dict[str, Any]:
        """Return the scores of a video for the model's task and label.

        Args:
            path: of a file that FFmpeg reads.
            on_frames: called with the number of frames just assessed.

        Returns:
            ``mean_score``, ``min``, ``max``, ``std`` of the frames; ``frames``: ``index``, ``time`` in seconds and ``score`` of
            each; ``seconds``: ``second``, ``mean``, ``min``, ``max``, ``std`` and ``n`` of each second; ``drops``: ``start``,
            ``end``, ``from``, ``to``, see :func:`machine_iqa.curves.drops`; ``fps``, ``size`` ``[width, height]`` and
            ``frame_count`` of the file; ``task``, ``label``, ``model``; ``damaged``, the pieces that could not be decoded.

        Raises:
            UnreadableVideoError: the file can't be opened, holds no frames, or none can be decoded.
        """
        video = VideoFile(path)
        found: list[dict[str, Any]] = []
        size = [0, 0]
        for some in _batches(video.frames(self.frames)):
            size = [some[0].image.shape[1], some[0].image.shape[0]]
            scores = self.model.assess_batch([frame.image for frame in some], channels="RGB")
            pairs = zip(some, scores, strict=True)
            found += [{"index": frame.index, "time": frame.time, "score": score} for frame, score in pairs]
            if on_frames is not None:
                on_frames(len(some))
        times, scores = [frame["time"] for frame in found], [frame["score"] for frame in found]
        overall = statistics(scores)
        return {
            "mean_score": overall.pop("mean"),
            **overall,
            "frames": found,
            "seconds": by_second(times, scores),
            "drops": drops(times, scores, self.drop),
            "fps": video.fps,
            "size": size,
            "frame_count": video.frame_count,
            "damaged": video.damaged,
            "model": self.model.name,
            "task": self.model.task,
            "label": self.model.label,
        }


def _batches(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    """Yield few frames at a time: those of a film take 25 MB each."""
    while some := list(islice(frames, 8)):
        yield some
