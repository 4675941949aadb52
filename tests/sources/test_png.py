"""PNG files of a run: lossless, read by any decoder, the same with and without ISA-L; only pixels are hashed."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from miqd_builder.errors import UnreadableImageError
from miqd_builder.sources import png
from miqd_builder.sources.png import decode_png, encode_png, encode_png_portably

Pixels = NDArray[np.uint8]
SIZES = st.tuples(st.integers(1, 40), st.integers(1, 41), st.just(3))


def by_pillow(data: bytes) -> Pixels:
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.mode) == ("PNG", "RGB")
    return np.asarray(image)


def photograph(height: int = 60, width: int = 91) -> Pixels:
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(7).integers(0, 9, (height, width))
    return np.stack([y * 3 + noise, x * 2, (x + y + noise)], axis=-1).astype(np.uint8)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def file_of(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks)


def head(width: int, height: int, kind: int = 2) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, SIZES))
def test_any_image_is_the_same_after_writing_and_reading(pixels: Pixels) -> None:
    data = encode_png(pixels)
    assert data == encode_png(pixels)
    np.testing.assert_array_equal(by_pillow(data), pixels)
    for written in (data, encode_png_portably(pixels)):
        np.testing.assert_array_equal(decode_png(written), pixels)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (1, 333), (333, 1), (7, 5), (480, 641)])
@pytest.mark.parametrize("kind", ["photograph", "gray", "black", "white", "noise", "view"])
def test_sizes_and_contents(size: tuple[int, int], kind: str) -> None:
    pixels = photograph(*size)
    if kind == "gray":
        pixels = np.repeat(pixels[..., :1], 3, axis=-1)
    elif kind in ("black", "white"):
        pixels = np.full_like(pixels, 0 if kind == "black" else 255)
    elif kind == "noise":
        pixels = np.random.default_rng(1).integers(0, 256, pixels.shape, np.uint8)
    elif kind == "view":
        pixels = photograph(size[0], 2 * size[1])[::-1, ::2]
    before = pixels.copy()
    np.testing.assert_array_equal(by_pillow(encode_png(pixels)), before)
    np.testing.assert_array_equal(decode_png(encode_png(pixels)), before)
    np.testing.assert_array_equal(pixels, before)


def test_without_isal_the_pixels_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert png.ISAL is not None, "isal is a dependency"
    written = encode_png(photograph())
    monkeypatch.setattr(png, "ISAL", None)
    np.testing.assert_array_equal(decode_png(written), photograph())
    portable = encode_png(photograph())
    assert portable == encode_png_portably(photograph())
    monkeypatch.undo()
    np.testing.assert_array_equal(decode_png(portable), photograph())


def test_no_larger_than_by_opencv() -> None:
    pixels = photograph(375, 500)
    assert len(encode_png(pixels)) <= 1.03 * len(encode_png_portably(pixels))


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_rgb_is_refused(pixels: Pixels) -> None:
    with pytest.raises(ValueError, match=r"shape \(.*can't be encoded as PNG: expected RGB, uint8"):
        encode_png(pixels)


def test_files_of_other_programs_are_read() -> None:
    for options in ({"optimize": True}, {"compress_level": 0}):
        file = io.BytesIO()
        Image.fromarray(photograph()).save(file, "PNG", **options)
        np.testing.assert_array_equal(decode_png(file.getvalue()), photograph())
    file = io.BytesIO()
    Image.fromarray(photograph()[..., 0]).save(file, "PNG")
    np.testing.assert_array_equal(decode_png(file.getvalue()), np.repeat(photograph()[..., :1], 3, axis=-1))


def test_data_in_many_chunks() -> None:
    rows = photograph(3, 4).reshape(3, 12)
    filtered = b"".join(b"\x02" + row.tobytes() for row in np.diff(rows, axis=0, prepend=np.zeros((1, 12), np.uint8)))
    packed = zlib.compress(filtered)
    pieces = [(b"IDAT", packed[i : i + 5]) for i in range(0, len(packed), 5)]
    np.testing.assert_array_equal(decode_png(file_of(head(4, 3), *pieces, (b"IEND", b""))), photograph(3, 4))


@pytest.mark.parametrize("data", [b"", b"nothing", encode_png(photograph())[:30], encode_png(photograph())[:200]])
def test_damaged_files(data: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        decode_png(data)


@pytest.mark.parametrize("at", [20, 36, 45, 60, -20, -14])
def test_a_changed_byte_is_never_taken_for_the_image(at: int) -> None:
    data = bytearray(encode_png(photograph()))
    data[at] ^= 4
    try:
        found = decode_png(bytes(data))
    except UnreadableImageError:
        return
    assert found.shape != photograph().shape or (found != photograph()).any() or at == -14


def test_a_bomb_is_not_unpacked() -> None:
    bomb = file_of(head(2, 2), (b"IDAT", zlib.compress(bytes(50_000_000))), (b"IEND", b""))
    assert png.ISAL is not None
    tracemalloc.start()
    try:
        assert png._decode_own(png.ISAL, bomb) is None
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
