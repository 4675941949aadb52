"""A camera: the newest frame wins, and one that disappears is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from machine_iqa import MIQAModel, RealTimeIQA
from machine_iqa.camera import FrameGrabber, open_camera
from machine_iqa.errors import CameraError
from miqd_builder.errors import ConfigError
from tests.machine_iqa.pictures import picture


class SimulatedCamera:
    """Sends numbered frames at a rate, then does what ``end`` says: nothing (None), or fails."""

    def __init__(self, fps: float = 200, frames: int = 10**9, end: Exception | None = None) -> None:
        self.pause, self.frames, self.end, self.sent = 1 / fps, frames, end, 0

    def read(self) -> np.ndarray | None:
        time.sleep(self.pause)
        if self.sent >= self.frames:
            if self.end is not None:
                raise self.end
            return None
        self.sent += 1
        return np.full((4, 4, 3), self.sent % 256, np.uint8)


def test_the_newest_frame_wins() -> None:
    camera = SimulatedCamera()
    with FrameGrabber(camera.read) as grabber:
        first = grabber.newest()
        time.sleep(0.2)
        before = camera.sent
        second = grabber.newest()
        third = grabber.newest()
    assert first is not None and second is not None and third is not None
    assert before <= second[0][0, 0, 0] <= camera.sent  # not the one after the first
    assert second[1] >= 10 and third[1] <= 5 and third[0][0, 0, 0] > second[0][0, 0, 0]
    assert grabber.newest() is None  # stopped


@pytest.mark.parametrize(("end", "message"), [(None, "stopped sending frames"), (OSError("unplugged"), "failed: unplugged")])
def test_a_camera_that_disappears(end: Exception | None, message: str) -> None:
    camera = SimulatedCamera(frames=3, end=end)
    closed: list[bool] = []
    grabber = FrameGrabber(camera.read, "7", close=lambda: closed.append(True))
    with pytest.raises(CameraError, match=f"Camera 7 {message}"), grabber:
        while grabber.newest() is not None:
            pass
    assert closed == [True]


def test_a_camera_that_hangs() -> None:
    release = threading.Event()
    with FrameGrabber(lambda: release.wait(20) and None, "7", patience=0.1) as grabber:  # type: ignore[func-returns-value]
        with pytest.raises(CameraError, match=r"sent no frame for 0\.1 seconds"):
            grabber.newest()
        release.set()


def test_readings(model: MIQAModel) -> None:
    frames: Iterator[np.ndarray] = iter([picture(seed=i) for i in range(5)])
    read_next = threading.Semaphore(1)

    def read() -> np.ndarray | None:
        if not read_next.acquire(timeout=5):
            return None
        return next(frames, None)

    watcher, readings = RealTimeIQA(model, smoothing=0.5), []
    with FrameGrabber(read) as grabber, pytest.raises(CameraError):
        for reading in watcher.watch(grabber):
            readings.append(reading)
            read_next.release(40)
            if len(readings) == 1:
                time.sleep(0.2)  # meanwhile the others come
    assert readings[0].smoothed == readings[0].score == model.assess(picture(seed=0))
    assert readings[1].score == pytest.approx(model.assess(picture(seed=4)), abs=1e-5) and readings[1].skipped == 3
    assert readings[1].smoothed == pytest.approx((readings[0].score + readings[1].score) / 2)
    assert watcher.score == readings[1].score and watcher.fps > 0


def test_one_frame(model: MIQAModel) -> None:
    watcher = RealTimeIQA(model)
    assert (watcher.score, watcher.smoothed, watcher.fps) == (None, None, 0)
    assert watcher.assess_frame(picture()) == model.assess(picture()) == watcher.score == watcher.smoothed
    watcher.reset()
    assert watcher.score is None
    with pytest.raises(ConfigError, match="smoothing"):
        RealTimeIQA(model, smoothing=1)


def test_no_camera(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CameraError, match="Camera 99 can't be opened"):
        open_camera(99)
    assert capfd.readouterr().err == ""
