"""Every kind of image file that people have on disk."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageFile

from miqd_builder.errors import UnreadableImageError
from miqd_builder.sources.images import decode_image

RGB = np.random.default_rng(1).integers(0, 256, (9, 7, 3), dtype=np.uint8)


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def test_plain_rgb() -> None:
    np.testing.assert_array_equal(decode_image(saved(Image.fromarray(RGB)), "x"), RGB)


def test_grayscale_palette_and_alpha() -> None:
    gray = decode_image(saved(Image.fromarray(RGB[..., 0])), "x")
    np.testing.assert_array_equal(gray, np.repeat(RGB[..., :1], 3, axis=2))
    rgba = np.dstack([RGB, np.full(RGB.shape[:2], 128, np.uint8)])
    np.testing.assert_array_equal(decode_image(saved(Image.fromarray(rgba)), "x"), RGB)
    palette = Image.fromarray(RGB).quantize(16)
    np.testing.assert_array_equal(decode_image(saved(palette), "x"), np.asarray(palette.convert("RGB")))
    assert decode_image(saved(Image.fromarray(RGB[..., 0] > 99)), "x").max() == 255


def test_cmyk_jpeg() -> None:
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    pixels = decode_image(saved(red, "JPEG", quality=100), "x").astype(int)
    assert (pixels[..., 0] > 200).all() and (pixels[..., 1:] < 60).all()


def test_16_bit_is_scaled_not_clipped() -> None:
    deep = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    pixels = decode_image(saved(Image.fromarray(deep)), "x")
    np.testing.assert_array_equal(pixels[0, :, 0], [0, 0, 1, 128, 255])


def test_exif_orientation_is_applied() -> None:
    image = Image.fromarray(RGB)
    exif = image.getexif()
    exif[0x0112] = 6
    np.testing.assert_array_equal(decode_image(saved(image, exif=exif), "x"), np.rot90(RGB, -1))


def test_one_pixel() -> None:
    assert decode_image(saved(Image.fromarray(RGB[:1, :1])), "x").shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"no image at all", "no format that Pillow reads"),
        (saved(Image.fromarray(np.zeros((64, 64, 3), np.uint8)), "JPEG")[:300], "is damaged"),
        (saved(Image.fromarray(RGB.repeat(20, 0)))[:-200], "is damaged"),
        (saved(Image.fromarray(RGB[..., 0].astype(np.float32)), "TIFF"), "floating-point"),
    ],
)
def test_unreadable_files_name_the_file(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableImageError, match=f"'holiday.jpg'.*{message}"):
        decode_image(data, "holiday.jpg")


def test_unknown_format_when_ultralytics_has_replaced_pillows_open() -> None:
    pytest.importorskip("ultralytics", reason="the optional extra ultralytics is not installed")
    with pytest.raises(UnreadableImageError, match="no format that Pillow reads"):
        decode_image(b"no image at all", "x")


FORMATS = {"PNG": {}, "JPEG": {}, "BMP": {}, "GIF": {}, "WEBP": {}, "TIFF": {}, "PPM": {}}


@pytest.mark.parametrize("format", FORMATS)
def test_images_above_the_limit_are_refused_before_they_are_decoded(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(Image.fromarray(RGB), format)
    assert decode_image(data, "x", max_pixels=63).shape == (9, 7, 3)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    message = r"'big' is 7x9 pixels, more than source\.max_pixels = 62: raise the limit, or leave the image out"
    with pytest.raises(UnreadableImageError, match=message):
        decode_image(data, "big", max_pixels=62)


def test_a_bomb_costs_no_memory() -> None:
    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", size), (b"IDAT", b""))
    chunks = (struct.pack(">I", len(c)) + name + c + struct.pack(">I", zlib.crc32(name + c)) for name, c in parts)
    header = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    with pytest.raises(UnreadableImageError, match=r"is 60000x60000 pixels, more than source\.max_pixels = 100000000"):
        decode_image(header, "bomb")


@pytest.mark.parametrize("limit", [10, 40])
@pytest.mark.parametrize("format", FORMATS)
def test_pillows_own_limit_is_not_in_the_way(format: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(Image.fromarray(RGB), format)
    expected = decode_image(data, "x")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(decode_image(data, "x"), expected)
        with pytest.raises(UnreadableImageError, match=r"7x9 pixels, more than source\.max_pixels|63 pixels, more than"):
            decode_image(data, "x", max_pixels=50)
        with pytest.raises(UnreadableImageError, match=r"pixels, more than source\.max_pixels = 12"):
            decode_image(data, "x", max_pixels=12)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_pillows_limit_is_back_after_threads_and_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    good, broken = saved(Image.fromarray(RGB.repeat(20, 0)), "TIFF"), saved(Image.fromarray(RGB.repeat(20, 0)))[:-200]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)

    def work(index: int) -> bool:
        try:
            return decode_image((good, broken)[index % 2], "x").shape == (180, 7, 3)
        except UnreadableImageError as error:
            return "is damaged" in str(error)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(400)))
    assert Image.MAX_IMAGE_PIXELS == 10
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(good))
