"""The codec suite: images as still-image and video codecs leave them, with the bytes that they took.

``codec_jpeg``, ``codec_webp``, ``codec_avif`` and ``codec_jxl`` are files of one image (Pillow and its plug-in for JPEG XL),
``codec_h264`` and ``codec_h265`` one intra frame (x264 and x265 through PyAV), each at 8 given quality levels, 1 the best. The
control ``identity_like`` changes almost nothing: level 1 is JPEG of quality 100, level 2 a shift by one pixel. Uniform only. As
for ``jpeg_compression``, pixels and bytes depend on the codec's build.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from degradations.definition import Coded
from degradations.errors import DegradationError
from degradations.inputs import Image
from degradations.registry import register

CATEGORY = "codec"
QUALITIES = {
    "jpeg": (95, 85, 75, 60, 45, 30, 20, 10),
    "webp": (95, 85, 75, 60, 45, 30, 15, 5),
    "avif": (90, 80, 70, 60, 50, 40, 25, 10),
    "jxl": (95, 90, 80, 70, 55, 40, 25, 10),
}
"""Quality settings of Pillow by format, best first."""
RATE_FACTORS = (12, 17, 22, 27, 32, 37, 42, 47)
"""Constant rate factors of x264 and x265, best first."""

_ONE_THREAD: dict[str, dict[str, int]] = {"jpeg": {}, "webp": {}, "avif": {"max_threads": 1}, "jxl": {"num_threads": 1}}
_ENCODERS = {"h264": "libx264", "h265": "libx265"}
_SMALLEST = 64
"""Pixels a side of the smallest frame that all encoders take; smaller images are continued by their edge."""


class MissingCodecError(DegradationError):
    """The package or the build that holds a codec is not there."""


def coded_still(codec: str, image: Image, quality: float, **options: int) -> Coded:
    """Return the image as a still-image codec leaves it.

    Args:
        codec: jpeg, webp, avif or jxl.
        image: uint8 ``(height, width, 3)``.
        quality: Pillow's setting, 0..100.
        options: further settings of Pillow.

    Raises:
        MissingCodecError: Pillow can't write the format.
    """
    from PIL import Image as Pillow

    if codec == "jxl":
        _import_jxl()
    file = io.BytesIO()
    try:
        Pillow.fromarray(image).save(file, codec.upper(), quality=int(quality), **_ONE_THREAD[codec], **options)
    except (KeyError, OSError) as error:
        raise MissingCodecError(f"This Pillow can't write {codec.upper()} ({error}): pip install -U pillow") from error
    size = file.tell()
    file.seek(0)
    with Pillow.open(file) as opened:
        return Coded(np.array(opened.convert("RGB")), size)


def coded_frame(codec: str, image: Image, rate_factor: float) -> Coded:
    """Return the image as one intra frame of a video codec (4:2:0) leaves it; the bytes are those of the elementary stream.

    Args:
        codec: h264 or h265.
        image: uint8 ``(height, width, 3)``.
        rate_factor: constant rate factor, 0..51.

    Raises:
        MissingCodecError: PyAV or its build lacks the codec.
    """
    av = _import_av()
    height, width = image.shape[:2]
    sides = (max(_SMALLEST, side + side % 2) - side for side in (height, width))
    frame = av.VideoFrame.from_ndarray(np.pad(image, ((0, next(sides)), (0, next(sides)), (0, 0)), mode="edge"), "rgb24")
    try:
        encoder = av.CodecContext.create(_ENCODERS[codec], "w")
        encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuv420p"
        encoder.time_base, encoder.thread_count = _one_second(), 1
        encoder.options = {"crf": str(int(rate_factor)), "preset": "medium"} | _quiet(codec)
        packets = [*encoder.encode(frame.reformat(format="yuv420p")), *encoder.encode(None)]
        decoder = av.CodecContext.create("h264" if codec == "h264" else "hevc", "r")
        decoder.thread_count = 1
        frames = [found for packet in packets for found in decoder.decode(packet)] + decoder.decode(None)
    except (av.FFmpegError, ValueError) as error:
        raise MissingCodecError(f"This PyAV can't code {codec} with {_ENCODERS[codec]} ({error}): pip install -U av") from error
    pixels = frames[0].to_ndarray(format="rgb24")[:height, :width]
    return Coded(np.ascontiguousarray(pixels), sum(_stream_bytes(codec, bytes(packet)) for packet in packets))


def _stream_bytes(codec: str, packet: bytes) -> int:
    """Bytes of a packet without messages (SEI): the encoders write their name and settings there, hundreds of bytes."""
    units = packet.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
    kinds = ((unit[0] & 0x1F) == 6 if codec == "h264" else (unit[0] >> 1) & 0x3F in (39, 40) for unit in units)
    return sum(3 + len(unit) for unit, message in zip(units, kinds, strict=True) if not message)


def identity_like(image: Image, level: float) -> Image:
    """Return the image almost as it is: as JPEG of quality 100 (level 1), or shifted by one pixel to the right (level 2)."""
    if int(level) == 1:
        return coded_still("jpeg", image, 100, subsampling=0).pixels
    return np.concatenate([image[:, :1], image[:, :-1]], axis=1)


def _quiet(codec: str) -> dict[str, str]:
    return {"x265-params": "log-level=none:pools=none:frame-threads=1"} if codec == "h265" else {}


def _one_second() -> Any:
    from fractions import Fraction

    return Fraction(1, 1)


def _import_av() -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingCodecError(f"codec_h264 and codec_h265 need PyAV: pip install av ({error})") from error
    return av


def _import_jxl() -> None:
    try:
        import pillow_jxl  # noqa: F401  (it registers the format)
    except ImportError as error:
        raise MissingCodecError(f"codec_jxl needs pillow-jxl-plugin: pip install pillow-jxl-plugin ({error})") from error


def _distortion(code: Callable[[str, Image, float], Coded], codec: str) -> FunctionType:
    def distort(image: Image, quality: float) -> Coded:
        return code(codec, image, quality)

    distort.__qualname__ = f"distort.{codec}"
    assert isinstance(distort, FunctionType)
    return distort


for _codec, _qualities in QUALITIES.items():
    register(f"codec_{_codec}", category=CATEGORY, candidates=_qualities, ranked=False, regional=False)(
        _distortion(coded_still, _codec)
    )
for _codec in _ENCODERS:
    register(f"codec_{_codec}", category=CATEGORY, candidates=RATE_FACTORS, ranked=False, regional=False)(
        _distortion(coded_frame, _codec)
    )
register("identity_like", category="control", candidates=(1, 2), ranked=False, regional=False)(identity_like)
