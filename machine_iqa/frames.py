"""Frames of a video, read with PyAV: some evenly spaced ones, or all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from machine_iqa.errors import UnreadableVideoError

_FORMATS = "3gp,apng,asf,avi,dv,flv,gif,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mp4,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,webm,wtv"
_ONLY_THIS_FILE = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
"""Of FFmpeg: no playlists and lists of files, which would open whatever they name, and no network."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a video.

    Attributes:
        index: its number among all frames, from 0.
        time: seconds from the first frame.
        image: uint8 ``(height, width, 3)`` RGB, upright.
    """

    index: int
    time: float
    image: NDArray[np.uint8]


class VideoFile:
    """A video file.

    Args:
        path: of the file.

    Attributes:
        frame_count: frames that the file holds, counted without decoding them; what its header says plays no role.
        fps: frames a second, as the file says; 0 if it doesn't.
        damaged: pieces that could not be decoded, known once the frames were read.

    Raises:
        UnreadableVideoError: it can't be opened, or holds no frames.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.frame_count, self.fps = self._count()
        self.damaged = 0
        if not self.frame_count:
            raise UnreadableVideoError(f"Video '{self.path}' holds no frames.")

    def frames(self, count: int | None = None) -> Iterator[Frame]:
        """Decode the video and yield frames, damaged pieces left out.

        Args:
            count: so many, evenly spaced; all where the video has no more, or for None.

        Raises:
            UnreadableVideoError: no frame can be decoded.
        """
        self.damaged, found = 0, False
        wanted = None if count is None or count >= self.frame_count else _evenly(self.frame_count, count)
        first: float | None = None
        with self._opened() as container:
            for index, decoded in enumerate(self._decoded(container)):
                time = float(decoded.time) if decoded.time is not None else index / (self.fps or 25.0)
                first = time if first is None else first
                if wanted is None or index in wanted:
                    found = True
                    yield Frame(index, time - first, _upright(decoded))
        if not found:
            raise UnreadableVideoError(f"Video '{self.path}' is damaged: none of its {self.frame_count} frames can be decoded.")

    def _count(self) -> tuple[int, float]:
        with self._opened() as container:
            stream = container.streams.video[0]
            rate = stream.average_rate or stream.guessed_rate
            count = 0
            try:
                for packet in container.demux(stream):
                    count += packet.size > 0
            except FFmpegError:
                pass  # a file that was cut off: what comes before is a video too
            return count, float(rate) if rate else 0.0

    def _decoded(self, container: Any) -> Iterator[Any]:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:
                self.damaged += 1
                packet = None
            try:
                yield from stream.codec_context.decode(packet)
            except FFmpegError:
                self.damaged += packet is not None
            if packet is None:
                return

    def _opened(self) -> Any:
        if not self.path.is_file():
            raise UnreadableVideoError(f"Video '{self.path}' is not there.")
        try:
            container = av.open(str(self.path), options=_ONLY_THIS_FILE, metadata_errors="replace")
        except FFmpegError as error:
            raise UnreadableVideoError(
                f"Video '{self.path}' can't be opened ({error.strerror}): it is damaged or none."
            ) from None
        if not container.streams.video:
            container.close()
            raise UnreadableVideoError(f"File '{self.path}' has no video stream.")
        if container.streams.video[0].codec_context is None:
            container.close()
            raise UnreadableVideoError(
                f"Video '{self.path}' is of a codec that FFmpeg doesn't know: it is damaged, or has to be converted."
            )
        return container


def _evenly(frames: int, count: int) -> set[int]:
    """Return the numbers of ``count`` frames, the first and the last among them."""
    return set(np.linspace(0, frames - 1, count).round().astype(int).tolist())


def _upright(frame: Any) -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4  # degrees, counterclockwise
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
