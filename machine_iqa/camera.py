"""Assess a camera as it runs: always its newest frame, never a queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from machine_iqa.errors import CameraError
from machine_iqa.images import Channels
from machine_iqa.model import MIQAModel, one_thread
from machine_iqa.opening import DEFAULT_MODEL
from miqd_builder.errors import ConfigError

ReadFrame = Callable[[], "NDArray[np.uint8] | None"]
"""Waits for the next frame of a camera, BGR, and returns it; None if there was none."""

PATIENCE = 5.0
"""Seconds without a frame after which a camera is gone."""

MISSES, MISS_SECONDS = 30, 0.02
"""Reads in a row without a frame after which a camera is gone, and the pause after each."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a camera at one moment.

    Attributes:
        time: seconds since the first frame was assessed.
        score: of this frame.
        smoothed: exponential mean of the scores.
        fps: frames assessed in a second, over the last ones.
        skipped: frames that the camera sent between the last assessed one and this.
    """

    time: float
    score: float
    smoothed: float
    fps: float
    skipped: int


class RealTimeIQA:
    """Assesses frames of a camera one by one.

    Args:
        model: a model, or the name of one.
        smoothing: weight of what was before in the smoothed score, 0 to below 1.
        options: of :class:`machine_iqa.MIQAModel`, where ``model`` is a name.

    Attributes:
        score: of the last frame; None before the first.
        smoothed: exponential mean of the scores.
        fps: frames assessed in a second, over the last ones; 0 before the second frame.

    Raises:
        ConfigError: the model can't be opened, or ``smoothing`` is out of range.
    """

    def __init__(self, model: MIQAModel | str = DEFAULT_MODEL, *, smoothing: float = 0.8, **options: Any) -> None:
        if not 0 <= smoothing < 1:
            raise ConfigError(f"smoothing must be from 0 to below 1, got {smoothing}.")
        self.model = MIQAModel(model, **options) if isinstance(model, str) else model
        self.smoothing = smoothing
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        self.score: float | None = None
        self.smoothed: float | None = None
        self._ends: list[float] = []

    @property
    def fps(self) -> float:
        """Frames assessed in a second."""
        return (len(self._ends) - 1) / max(1e-9, self._ends[-1] - self._ends[0]) if len(self._ends) > 1 else 0.0

    def assess_frame(self, frame: NDArray[np.uint8], *, channels: Channels = "BGR") -> float:
        """Return the score of a frame, and update ``smoothed`` and ``fps``."""
        score = self.model.assess(frame, channels=channels)
        before = score if self.smoothed is None else self.smoothed
        self.score, self.smoothed = score, self.smoothing * before + (1 - self.smoothing) * score
        self._ends = [*self._ends[-29:], time.monotonic()]
        return score

    def watch(self, camera: FrameGrabber) -> Iterator[Reading]:
        """Assess the newest frame, then the one that is newest by then, and so on, until the camera ends.

        Raises:
            CameraError: the camera stopped sending frames; what was read before was yielded.
        """
        start: float | None = None
        with one_thread():  # the other cores are for the camera and for what is done with the readings
            while (newest := camera.newest()) is not None:
                frame, skipped = newest
                start = time.monotonic() if start is None else start
                score = self.assess_frame(frame)
                assert self.smoothed is not None
                yield Reading(time.monotonic() - start, score, self.smoothed, self.fps, skipped)


class FrameGrabber:
    """Reads a camera in a thread and keeps its newest frame only; a context manager.

    Args:
        read: waits for the next frame of a camera.
        name: what errors call the camera.
        patience: seconds without a frame after which it is gone.
        close: called at the end.
    """

    def __init__(
        self, read: ReadFrame, name: str = "camera", *, patience: float = PATIENCE, close: Callable[[], None] | None = None
    ) -> None:
        self._read, self._name, self._patience, self._close = read, name, patience, close
        self._changed = threading.Condition()
        self._newest: NDArray[np.uint8] | None = None
        self._arrived = 0
        self._problem: str | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=f"frames of {name}", daemon=True)

    def __enter__(self) -> FrameGrabber:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self._thread.join(self._patience)
        if self._close is not None:
            self._close()

    def stop(self) -> None:
        """End the reading: :meth:`newest` returns None from now on."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def newest(self) -> tuple[NDArray[np.uint8], int] | None:
        """Return a frame that was not returned before, as soon as there is one, and how many came and went unseen before it.

        Returns:
            None once the grabber was stopped.

        Raises:
            CameraError: the camera is gone.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._stopped or self._problem, self._patience)
            if self._stopped:
                return None
            if self._newest is None:
                raise CameraError(self._problem or f"Camera {self._name} sent no frame for {self._patience:g} seconds.")
            frame, skipped = self._newest, self._arrived - 1
            self._newest, self._arrived = None, 0
            return frame, skipped

    def _run(self) -> None:
        misses = 0
        while not self._stopped:
            try:
                frame = self._read()
            except Exception as error:  # whatever a driver raises ends the thread, and is told to the reader
                return self._fail(f"Camera {self._name} failed: {' '.join(str(error).split()) or type(error).__name__}.")
            misses = 0 if frame is not None else misses + 1
            if frame is not None:
                with self._changed:
                    self._newest, self._arrived = frame, self._arrived + 1
                    self._changed.notify_all()
            elif misses >= MISSES:
                return self._fail(f"Camera {self._name} stopped sending frames.")
            else:
                time.sleep(MISS_SECONDS)
        return None

    def _fail(self, problem: str) -> None:
        with self._changed:
            self._problem = problem
            self._changed.notify_all()


def open_camera(number: int) -> FrameGrabber:
    """Return the grabber of a camera of this machine, through OpenCV.

    Raises:
        CameraError: there is no such camera, or it is in use.
    """
    import cv2

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # it warns of every way that it tries
    try:
        device = cv2.VideoCapture(number)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if not device.isOpened():
        raise CameraError(f"Camera {number} can't be opened: there is none, or another program uses it.")
    device.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def read() -> NDArray[np.uint8] | None:
        there, frame = device.read()
        return frame if there else None

    return FrameGrabber(read, str(number), close=device.release)
