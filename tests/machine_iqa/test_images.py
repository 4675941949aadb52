"""Images as users have them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from machine_iqa.images import rgb
from miqd_builder.errors import ConfigError, UnreadableImageError
from tests.machine_iqa.pictures import picture

IMAGE = picture(40, 60)


def test_the_same_picture_in_every_form(tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    alpha = np.dstack([IMAGE, np.full(IMAGE.shape[:2], 128, np.uint8)])
    forms = [
        rgb(tmp_path / "a.png"),
        rgb(str(tmp_path / "a.png")),
        rgb(Image.fromarray(IMAGE)),
        rgb(Image.fromarray(alpha)),
        rgb(cv2.imread(str(tmp_path / "a.png"))),
        rgb(IMAGE, "RGB"),
        rgb(alpha, "RGB"),
        rgb(IMAGE[..., ::-1]),
        rgb(IMAGE[..., ::-1].astype(np.uint16) * 256 + 7),
    ]
    for form in forms:
        np.testing.assert_array_equal(form, IMAGE)
        assert form.dtype == np.uint8 and form.flags.c_contiguous


def test_grey_and_16_bit_and_turned_pictures(tmp_path: Path) -> None:
    grey = IMAGE[..., 0]
    three = np.repeat(grey[..., None], 3, 2)
    deep = Image.fromarray(grey.astype(np.uint16) * 256)
    for form in (grey, grey[..., None], Image.fromarray(grey), deep):
        np.testing.assert_array_equal(rgb(form), three)
    turned = Image.fromarray(IMAGE)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.png", exif=exif)
    for form in (tmp_path / "a.png", Image.open(tmp_path / "a.png")):
        np.testing.assert_array_equal(rgb(form), np.rot90(IMAGE, -1))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((0, 5, 3), np.uint8), "empty"),
        (IMAGE / 255, r"float64 from 0\S* to \S+; multiply by 255"),
        (IMAGE.astype(np.float32), r"float32 from"),
        (np.full((4, 4, 3), np.nan), "float64 with NaN"),
        (IMAGE.astype(np.int32), "int32"),
        (IMAGE.transpose(2, 0, 1), r"4 channels last, got \(3, 40, 60\)"),
        (IMAGE[None], r"got \(1, 40, 60, 3\)"),
        (np.zeros(5, np.uint8), r"got \(5,\)"),
        (None, "got NoneType"),
        (Image.new("RGB", (0, 3)), "empty"),
    ],
)
def test_what_is_no_image(image: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rgb(image)


def test_a_huge_file_is_refused_by_its_header(tmp_path: Path) -> None:
    header = b"P6 30000 20000 255 "  # 600 million pixels, of which none are there
    (tmp_path / "huge.png").write_bytes(header)
    with pytest.raises(
        UnreadableImageError, match=r"is 30000x20000 pixels, more than the 100000000 that are read: make it smaller"
    ):
        rgb(tmp_path / "huge.png")


def test_unknown_order_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected BGR"):
        rgb(IMAGE, "bgr")  # type: ignore[arg-type]
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no image")
    for name, message in (
        ("none.png", "can't be read"),
        ("empty.png", "0 bytes"),
        ("text.png", "no format"),
        ("", "can't be read"),
    ):
        with pytest.raises(UnreadableImageError, match=message):
            rgb(tmp_path / name)
    with pytest.raises(UnreadableImageError, match="floating-point"):
        rgb(Image.fromarray(np.zeros((4, 4), np.float32)))
