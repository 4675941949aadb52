"""Videos for the tests, made from a picture: a pan whose later part is dark and blurred."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from tests.machine_iqa.pictures import picture


def film(file: Path, frames: int = 40, size: tuple[int, int] = (64, 96), fps: int = 10, good: int | None = None) -> Path:
    """Write a pan over a picture; frames from ``good`` on (half of them by default) are blurred and dark."""
    height, width = size
    scene = picture(height, width + frames)
    good = frames // 2 if good is None else good
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.options = {"g": "10"}
        container.start_encoding()
        for index in range(frames):
            image = scene[:, index : index + width]
            if index >= good:
                image = (cv2.GaussianBlur(image, (0, 0), 4) * 0.2).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode(None))
    return file
