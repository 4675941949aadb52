"""Sizes and patches of whole images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machine_iqa.networks.whole_image import central_square, input_size, native_patches, resized
from tests.machine_iqa.pictures import picture

SIDES = st.integers(1, 6000)


@given(SIDES, SIDES)
def test_input_sizes(height: int, width: int) -> None:
    rows, columns = input_size(height, width, 192 * 256)
    assert rows % 32 == columns % 32 == 0 and 0.7 < rows * columns / (192 * 256) < 1.4
    assert input_size(width, height, 192 * 256) == (columns, rows)
    if 1 / 2 <= width / height <= 2:
        assert 0.75 < (columns / rows) / (width / height) < 1.35


@pytest.mark.parametrize("size", [(400, 600), (20, 30), (20, 600), (1, 1)])
def test_resizing_keeps_the_mean(size: tuple[int, int]) -> None:
    image = picture(*size)
    small = resized(image, 96, 128)
    assert small.shape == (96, 128, 3)
    assert abs(float(small.mean()) - float(image.mean())) < 2


def test_the_central_square() -> None:
    """14/15 of the short side, in the middle, whatever surrounds it."""
    image = np.zeros((480, 700, 3), np.uint8)
    image[16:464, 126:574] = np.arange(224, dtype=np.uint8).repeat(2)[:, None]
    np.testing.assert_array_equal(central_square(image)[..., 0], np.arange(224, dtype=np.uint8)[None].repeat(224, 0))
    assert central_square(picture(1, 1)).shape == central_square(picture(1, 900)).shape == (224, 224, 3)


def test_shrinking_is_antialiased() -> None:
    stripes = np.zeros((200, 300, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(resized(stripes, 96, 100)) <= 86  # a third of a pixel more or less of one colour
    np.testing.assert_array_equal(resized(stripes, 100, 150), cv2.resize(stripes, (150, 100), interpolation=cv2.INTER_AREA))


@settings(max_examples=30)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([None, 0, 1]))
def test_patches_lie_inside_on_the_grid_of_blocks(height: int, width: int, seed: int | None) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(height)[:, None] % 8, np.arange(width) % 8
    patches = native_patches(image, None if seed is None else np.random.default_rng(seed))
    assert patches.shape == (9, 64, 64, 3)
    if height >= 64 and width >= 64:
        assert (patches[:, 0, :, 0] == 0).all() and (patches[:, :, 0, 1] == 0).all()
