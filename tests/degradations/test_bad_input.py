"""Wrong arrays get a ValueError that says what was expected and what came."""

from __future__ import annotations

import re

import numpy as np
import pytest

import degradations

GOOD = np.zeros((8, 9, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "came"),
    [
        (GOOD.astype(np.float32), "float32 array of shape (8, 9, 3)"),
        (GOOD.astype(np.uint16), "uint16 array of shape (8, 9, 3)"),
        (np.zeros((8, 9, 4), np.uint8), "shape (8, 9, 4)"),
        (np.zeros((8, 9), np.uint8), "shape (8, 9)"),
        (np.zeros((0, 9, 3), np.uint8), "shape (0, 9, 3)"),
        (np.zeros((8, 0, 3), np.uint8), "shape (8, 0, 3)"),
        (np.zeros((8, 18, 3), np.uint8)[:, ::2], "not C-contiguous"),
        (GOOD[:, :, ::-1], "not C-contiguous"),
        (GOOD.tolist(), "list"),
        (None, "NoneType"),
    ],
)
@pytest.mark.parametrize(
    "function",
    [
        lambda image: degradations.render(image, source_id="x", names=["fog_1"]),
        lambda image: degradations.rank_candidates(image, source_id="x", distortion="fog"),
        lambda image: degradations.psnr(image, GOOD),
    ],
    ids=["render", "rank_candidates", "psnr"],
)
def test_images(function, image, came):
    with pytest.raises(ValueError, match=r"expected a C-contiguous uint8 RGB array") as error:
        function(image)
    assert came in str(error.value)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((9, 8), np.uint8), "image's shape (8, 9), got uint8 array of shape (9, 8)"),
        (np.zeros((8, 9, 1), np.uint8), "got uint8 array of shape (8, 9, 1)"),
        (np.zeros((8, 9), bool), "got bool array"),
        (np.zeros((8, 9), np.float64), "got float64 array"),
        (np.zeros((9, 8), np.uint8).T, "not C-contiguous"),
        (np.full((8, 9), 1, np.uint8), "only the values 0 and 255, got [1] too"),
        (np.arange(72, dtype=np.uint8).reshape(8, 9), "got [1, 2, 3, 4, 5] too"),
        ("mask.png", "got str 'mask.png'"),
    ],
)
def test_masks(mask, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        degradations.render(GOOD, mask, source_id="x")


def test_a_region_blend_needs_a_mask():
    with pytest.raises(ValueError, match="contrast_fg_stronger_fg2_bg1 needs a mask"):
        degradations.render(GOOD, source_id="x")
    assert len(list(degradations.render(GOOD, source_id="x", names=["fog_1", "fog_2"]))) == 2


def test_errors_come_before_the_first_variant_is_asked_for():
    with pytest.raises(degradations.UnknownDegradationError, match="fog_9"):
        degradations.render(GOOD, source_id="x", names=["fog_9"])


@pytest.mark.parametrize("psnrs", [[], [30.0] * 11, [30.0] * 13, [30.0] * 11 + [float("nan")]])
def test_cached_psnrs_must_be_twelve_numbers(psnrs):
    with pytest.raises(ValueError, match="PSNRs of fog: expected 12 numbers"):
        degradations.render(GOOD, source_id="x", names=["fog_1"], psnrs={"fog": psnrs})


def test_psnr_needs_equal_sizes():
    with pytest.raises(ValueError, match=r"\(8, 9, 3\) and \(1, 1, 3\)"):
        degradations.psnr(GOOD, np.zeros((1, 1, 3), np.uint8))
