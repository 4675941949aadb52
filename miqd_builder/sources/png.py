"""Write and read the PNG files of a run: many, soon read again, and equal to the last bit.

Files are filtered in NumPy ("up": the difference from the row above) and compressed by ISA-L, three to four times as fast as
OpenCV's fastest setting and about as small (docs/performance.md). ISA-L picks its code by the CPU, so another CPU may write
other bytes of the same pixels: whatever must be the same anywhere is a hash of pixels, never of a file. Where the package
``isal`` can't be imported, OpenCV writes and reads the files.
"""

from __future__ import annotations

import struct
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import UnreadableImageError

try:
    from isal import isal_zlib as _isal

    ISAL: ModuleType | None = _isal
except ImportError:  # no wheel for this platform
    ISAL = None

WITHOUT_ISAL = (
    "PNG files are written by OpenCV, at a third of the speed, since the package 'isal' can't be imported: pip install isal."
)

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">IIBBBBB")
_RGB8 = (8, 2, 0, 0, 0)
"""Bits a sample, colour type, compression, filter method, interlace: what both encoders write."""
_UP = 2
_LEVEL = 1
"""Of ISA-L's 0 to 3: level 0 gives files 30 % larger, levels 2 and 3 take longer for less than 1 %."""


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode uint8 ``(height, width, 3)`` RGB as PNG, losslessly; on one machine, the same pixels give the same bytes.

    Raises:
        ValueError: an array of another shape or dtype, or without pixels.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise ValueError(
            f"An array of shape {pixels.shape} and dtype {pixels.dtype} can't be encoded as PNG: expected RGB, uint8."
        )
    if ISAL is None:
        return encode_png_portably(pixels)
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, 3 * width)
    filtered = np.empty((height, 1 + 3 * width), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    head = _chunk(ISAL, b"IHDR", _HEAD.pack(width, height, *_RGB8))
    return b"".join((_SIGNATURE, head, _chunk(ISAL, b"IDAT", ISAL.compress(filtered, _LEVEL)), _chunk(ISAL, b"IEND", b"")))


def encode_png_portably(pixels: NDArray[np.uint8]) -> bytes:
    """Encode RGB as :func:`encode_png` does, with OpenCV: slower, and the same bytes on any CPU."""
    import cv2

    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    fast += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
    ok, buffer = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), fast)
    if not ok:
        raise ValueError(f"OpenCV could not encode an array of shape {pixels.shape} and dtype {pixels.dtype} as PNG")
    return buffer.tobytes()


def decode_png(data: bytes) -> NDArray[np.uint8]:
    """Decode a PNG file of a run into uint8 ``(height, width, 3)`` RGB.

    Raises:
        UnreadableImageError: the data are no readable PNG.
    """
    pixels = _decode_own(ISAL, data) if ISAL is not None else None
    return _decode_any(data) if pixels is None else pixels


def _decode_own(isal: ModuleType, data: bytes) -> NDArray[np.uint8] | None:
    """Decode a file that :func:`encode_png` or OpenCV wrote with the filter "up"; None if it is any other or damaged."""
    chunks = _chunks(isal, data)
    if chunks is None or len(chunks) < 3 or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != _HEAD.size:
        return None
    width, height, *kind = _HEAD.unpack(chunks[0][1])
    if tuple(kind) != _RGB8 or not width or not height or any(name != b"IDAT" for name, _ in chunks[1:-1]):
        return None
    size = height * (1 + 3 * width)
    stream = isal.decompressobj()
    try:
        packed = chunks[1][1] if len(chunks) == 3 else b"".join(content for _, content in chunks[1:-1])
        content = stream.decompress(packed, size)
        if len(content) != size or not stream.eof:
            return None
    except isal.error:
        return None
    filtered = np.frombuffer(content, np.uint8).reshape(height, 1 + 3 * width)
    if (filtered[:, 0] != _UP).any():
        return None
    rows: NDArray[np.uint8] = np.add.accumulate(filtered[:, 1:], axis=0, dtype=np.uint8)
    return rows.reshape(height, width, 3)


def _chunks(isal: ModuleType, data: bytes) -> list[tuple[bytes, memoryview]] | None:
    """Return name and content of each chunk up to IEND; None where a length or a checksum is wrong, or anything follows."""
    view = memoryview(data)
    if view[:8] != _SIGNATURE:
        return None
    found: list[tuple[bytes, memoryview]] = []
    at = 8
    while at + 12 <= len(view):
        end = at + 8 + int.from_bytes(view[at : at + 4], "big")
        if end + 4 > len(view) or isal.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            return None
        found.append((bytes(view[at + 4 : at + 8]), view[at + 8 : end]))
        at = end + 4
        if found[-1][0] == b"IEND":
            return found if at == len(view) else None
    return None


def _decode_any(data: bytes) -> NDArray[np.uint8]:
    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if pixels is None:
        raise UnreadableImageError("A stored image is damaged or empty.")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _chunk(isal: ModuleType, name: bytes, content: bytes) -> bytes:
    checksum = isal.crc32(content, isal.crc32(name))
    return b"".join((struct.pack(">I", len(content)), name, content, struct.pack(">I", checksum)))
