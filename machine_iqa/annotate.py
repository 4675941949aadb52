"""Show a video's scores: a curve over time as a picture, and the video itself with its score and the growing curve."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from machine_iqa.frames import Frame, VideoFile

STRIP = 0.2
"""Height of the curve below the picture, of the picture's."""

LEAST_STRIP = 48
WHITE, GREY, LINE, FALL = (255, 255, 255), (90, 90, 90), (90, 200, 255), (255, 80, 60)
"""Colours, RGB."""


def draw_curve(assessed: dict[str, Any], file: Path) -> None:
    """Write a video's scores over time as a PNG, its drops shaded.

    Args:
        assessed: what :meth:`machine_iqa.VideoMIQA.assess_video` returned.
        file: the picture to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    times, scores = _series(assessed)
    for number, drop in enumerate(assessed["drops"]):
        axes.axvspan(drop["start"], drop["end"], color="tab:red", alpha=0.15, label=None if number else "drop")
    axes.plot(times, scores, linewidth=1.2, color="tab:blue")
    axes.axhline(
        assessed["mean_score"], linewidth=0.8, linestyle="--", color="grey", label=f"mean {assessed['mean_score']:.3f}"
    )
    axes.set(xlabel="seconds", ylabel=f"{assessed['task']} {assessed['label']}", ylim=(min(0, *scores), max(1, *scores)))
    axes.legend(loc="lower left", fontsize="small")
    figure.savefig(file, dpi=110)


def annotate_video(
    path: str | Path, assessed: dict[str, Any], file: Path, *, on_frame: Callable[[int], None] | None = None
) -> None:
    """Write a video as H.264 with the score of each frame on it, and below it the curve as far as it has come.

    Frames that were not assessed get the score between their neighbours'. Sound is left out.

    Args:
        path: of the video.
        assessed: what :meth:`machine_iqa.VideoMIQA.assess_video` returned for it.
        file: the video to write, ``.mp4``; it appears when it is complete.
        on_frame: called with 1 for each frame written.

    Raises:
        UnreadableVideoError: the video can't be read any more.
    """
    import av

    video = VideoFile(path)
    times, scores = _series(assessed)
    unfinished = file.with_name(f".{file.name}.part")
    with av.open(str(unfinished), "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(video.fps or 25).limit_denominator(1001))
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "23", "preset": "veryfast"}
        stream.time_base = Fraction(1, 90000)
        last = -1
        for frame in video.frames():
            image = annotated(frame, times, scores)
            if last < 0:
                stream.height, stream.width = image.shape[:2]
            drawn = av.VideoFrame.from_ndarray(cv2.resize(image, (stream.width, stream.height)), format="rgb24")
            last = max(last + 1, round(frame.time * 90000))  # times must rise, whatever the file says
            drawn.pts, drawn.time_base = last, stream.time_base
            container.mux(stream.encode(drawn))
            if on_frame is not None:
                on_frame(1)
        container.mux(stream.encode(None))
    unfinished.replace(file)


def annotated(frame: Frame, times: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return a frame with its score, and the curve until it in a strip below; sides are even, as H.264 needs them."""
    height, width = (max(2, side // 2 * 2) for side in frame.image.shape[:2])
    strip = max(LEAST_STRIP, round(height * STRIP) // 2 * 2)
    canvas = np.zeros((height + strip, width, 3), np.uint8)
    canvas[:height] = cv2.resize(frame.image, (width, height)) if frame.image.shape[:2] != (height, width) else frame.image
    score = float(np.interp(frame.time, times, scores))
    size = max(0.4, height / 480)
    for colour, thickness in (((0, 0, 0), 4), (WHITE, 1)):
        place = (round(8 * size), round(24 * size))
        cv2.putText(canvas, f"{score:.3f}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.7 * size, colour, thickness, cv2.LINE_AA)
    _draw_strip(canvas[height:], frame.time, score, times, scores)
    return canvas


def _draw_strip(
    strip: NDArray[np.uint8], now: float, score: float, times: NDArray[np.float64], scores: NDArray[np.float64]
) -> None:
    """Draw the curve until now into a black strip, 0 at its bottom and 1 at its top."""
    height, width = strip.shape[:2]
    end = max(float(times[-1]), 1e-9)
    past = times <= now
    x = np.append(times[past], now) / end * (width - 1)
    y = (1 - np.clip(np.append(scores[past], score), 0, 1)) * (height - 3) + 1
    points = np.stack([np.clip(x, 0, width - 1), y], 1).round().astype(np.int32)
    strip[height // 2, ::4] = GREY
    cv2.polylines(strip, [points.reshape(-1, 1, 2)], isClosed=False, color=LINE, thickness=1, lineType=cv2.LINE_AA)
    cv2.circle(strip, tuple(int(value) for value in points[-1]), 2, FALL, -1)


def _series(assessed: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    frames = assessed["frames"]
    return np.array([frame["time"] for frame in frames]), np.array([frame["score"] for frame in frames])
