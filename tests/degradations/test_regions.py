"""Region blends against the formula of the published generator, written down in floating point."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import degradations
from tests.degradations.pictures import ellipse, scene


def published_blend(roi: np.ndarray, background: np.ndarray, mask: np.ndarray) -> np.ndarray:
    smooth = cv2.GaussianBlur(mask, (65, 65), 0) / 255.0
    smooth[cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=2) > 0] = 1
    fused = roi * smooth[..., None] + background * (1 - smooth[..., None])
    softer = cv2.GaussianBlur(fused, (3, 3), 0)
    band = (smooth > 0.05) & (smooth < 0.95)
    fused[band] = 0.5 * fused[band] + 0.5 * softer[band]
    return fused.astype(np.uint8)


def frame(height: int, width: int) -> np.ndarray:
    """A mask that touches the border and has a hole."""
    mask = np.full((height, width), 255, np.uint8)
    mask[height // 4 : height // 2, width // 4 :] = 0
    return mask


@pytest.mark.parametrize("make_mask", [ellipse, frame])
@pytest.mark.parametrize(("height", "width"), [(61, 83), (200, 150), (5, 7), (1, 1), (1, 40), (2, 3)])
def test_blends_equal_the_formula(height, width, make_mask):
    image, mask = scene(height, width), make_mask(height, width)
    names = [name for d in ("jpeg_compression", "gaussian_noise") for name in degradations.names([d])]
    variants = {v.degradation.name: v for v in degradations.render(image, mask, source_id="x", names=names)}
    for variant in variants.values():
        facts = variant.degradation
        roi = variants[f"{facts.distortion}_{facts.roi_severity}"].pixels
        background = variants[f"{facts.distortion}_{facts.bg_severity}"].pixels
        if facts.region == "uniform":
            continue
        difference = np.abs(variant.pixels.astype(int) - published_blend(roi, background, mask))
        # In floating point a sum that should be whole may fall just below it: one level off on few values.
        assert difference.max() <= 1
        assert np.count_nonzero(difference) <= max(3, 0.005 * difference.size)


@pytest.mark.parametrize(("value", "side"), [(255, "roi_severity"), (0, "bg_severity")])
def test_full_and_empty_masks_leave_one_side(value, side, picture):
    mask = np.full(picture.shape[:2], value, np.uint8)
    variants = {
        v.degradation.name: v for v in degradations.render(picture, mask, source_id="x", names=degradations.names(["fog"]))
    }
    for variant in variants.values():
        uniform = variants[f"fog_{getattr(variant.degradation, side)}"]
        np.testing.assert_array_equal(variant.pixels, uniform.pixels)
        assert variant.psnr == uniform.psnr


def test_far_from_the_edge_each_side_is_untouched():
    image, mask = scene(200, 240), ellipse(200, 240)
    one, five, blend = degradations.render(
        image, mask, source_id="x", names=["contrast_1", "contrast_5", "contrast_fg_stronger_fg5_bg1"]
    )
    inside = cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=2) > 0
    outside = cv2.dilate(mask, np.ones((3, 3), np.uint8), iterations=33) == 0
    assert inside.any() and outside.any()
    np.testing.assert_array_equal(blend.pixels[inside], five.pixels[inside])
    np.testing.assert_array_equal(blend.pixels[outside], one.pixels[outside])
    assert (blend.candidate_roi, blend.candidate_bg) == (five.candidate_roi, one.candidate_bg)
