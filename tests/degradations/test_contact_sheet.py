"""The contact sheet: labelled, complete, for any size of image."""

from __future__ import annotations

import numpy as np
import pytest

import degradations
from degradations.contact_sheet import contact_sheet
from tests.degradations.pictures import ellipse, scene


def occurrences(sheet: np.ndarray, picture: np.ndarray) -> int:
    """How often ``picture`` is in ``sheet``, pixel for pixel."""
    height, width = picture.shape[:2]
    first_row, found = picture[0].tobytes(), 0
    for y in range(len(sheet) - height + 1):
        line, at = sheet[y].tobytes(), -1
        while (at := line.find(first_row, at + 1)) >= 0:
            x = at // 3
            found += at % 3 == 0 and np.array_equal(sheet[y : y + height, x : x + width], picture)
    return found


def test_it_shows_every_severity_and_every_blend():
    image, mask = scene(135, 180), ellipse(135, 180)
    sheet = contact_sheet(image, mask, source_id="a", seed=4, grid_distortion="glass_blur")
    assert sheet.dtype == np.uint8
    assert sheet.ndim == 3
    assert occurrences(sheet, image) >= 1
    names = [f"{name}_{k}" for name in degradations.MIQD_DISTORTIONS for k in (1, 5)]
    names += ["glass_blur_fg_stronger_fg5_bg1", "glass_blur_bg_stronger_fg3_bg4"]
    for variant in degradations.render(image, mask, source_id="a", seed=4, names=names):
        # Thumbnails of this size are the pictures themselves; the uniform ones of the grid are shown twice.
        wanted = 2 if variant.degradation.distortion == "glass_blur" and variant.degradation.region == "uniform" else 1
        assert occurrences(sheet, variant.pixels) == wanted, variant.degradation.name


def test_it_is_repeatable_and_leaves_its_input_alone():
    image, mask = scene(50, 70), ellipse(50, 70)
    before = image.copy()
    first = contact_sheet(image, mask, source_id="a")
    np.testing.assert_array_equal(first, contact_sheet(image, mask, source_id="a"))
    np.testing.assert_array_equal(image, before)
    assert (first != contact_sheet(image, mask, source_id="b")).any()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (300, 20), (20, 300)])
def test_any_size_and_any_mask(height, width):
    image = scene(height, width)
    for value in (0, 255):
        sheet = contact_sheet(image, np.full((height, width), value, np.uint8), source_id="a" * 300)
        assert sheet.shape[1] == contact_sheet(scene(40, 60), ellipse(40, 60), source_id="a").shape[1]


def test_an_unknown_distortion_is_named():
    with pytest.raises(degradations.UnknownDegradationError, match="frog"):
        contact_sheet(scene(9, 9), ellipse(9, 9), source_id="a", grid_distortion="frog")
