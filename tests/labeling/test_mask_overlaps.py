"""Overlaps of masks against pycocotools' own, on masks of every shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from miqd_builder.labeling.mask_overlaps import joined_masks, mask_overlaps
from miqd_builder.responses.masks import encode_masks

KINDS = ("noise", "box", "blob", "empty", "full", "stripes", "pixel")


def mask_of(rng: np.random.Generator, kind: str, height: int, width: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[:height, :width]
    if kind == "noise":
        return rng.random((height, width)) < rng.random()
    if kind in ("empty", "full"):
        return np.full((height, width), kind == "full")
    if kind == "stripes":
        return np.asarray((y if rng.random() < 0.5 else x) % 2 == 0)
    cy, cx = rng.random() * height, rng.random() * width
    if kind == "pixel":
        return np.asarray((y == int(cy)) & (x == int(cx)))
    ry, rx = 1 + rng.random() * height / 2, 1 + rng.random() * width / 2
    if kind == "box":
        return np.asarray((abs(y - cy) <= ry) & (abs(x - cx) <= rx))
    return np.asarray(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1)


def masks(rng: np.random.Generator, count: int, height: int, width: int) -> list[bytes]:
    shapes = [mask_of(rng, str(rng.choice(KINDS)), height, width) for _ in range(count)]
    return encode_masks(np.stack(shapes)) if shapes else []


def by_pycocotools(
    found: list[bytes], wanted: list[bytes], crowd: NDArray[np.bool_], size: tuple[int, int]
) -> NDArray[np.float64]:
    sides = [[{"size": list(size), "counts": counts} for counts in side] for side in (found, wanted)]
    return np.asarray(coco_mask.iou(*sides, crowd.astype(np.uint8))).reshape(len(found), len(wanted))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 40), st.integers(0, 8), st.integers(1, 6))
def test_equal_to_pycocotools(seed: int, height: int, width: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    found, wanted, crowd = masks(rng, n, height, width), masks(rng, m, height, width), rng.random(m) < 0.3
    ids, own = rng.integers(1, 3, n), rng.integers(1, 3, m)
    overlaps = mask_overlaps(joined_masks(found), ids, joined_masks(wanted), own, crowd, height)
    if n:
        expected = by_pycocotools(found, wanted, crowd, (height, width))
        np.testing.assert_array_equal(overlaps, np.where(ids[:, None] == own[None], expected, 0))
    assert overlaps.shape == (n, m)


def test_large_masks_of_long_runs() -> None:
    rng = np.random.default_rng(3)
    found, wanted = masks(rng, 40, 480, 641), masks(rng, 12, 480, 641)
    crowd, ones = np.zeros(12, bool), np.ones(40, np.int64)
    overlaps = mask_overlaps(joined_masks(found), ones, joined_masks(wanted), ones[:12], crowd, 480)
    np.testing.assert_array_equal(overlaps, by_pycocotools(found, wanted, crowd, (480, 641)))
    assert (overlaps > 0).sum() > 50


@pytest.mark.parametrize("counts", [b"", b"0", b"oooooooooooooooooooooooo", b"P1" * 40, bytes(range(48, 112))])
def test_damaged_run_lengths_end_without_a_crash(counts: bytes) -> None:
    good = masks(np.random.default_rng(0), 2, 9, 9)
    one = np.ones(1, np.int64)
    found = mask_overlaps(joined_masks([counts]), one, joined_masks(good), np.ones(2, np.int64), np.zeros(2, bool), 9)
    assert found.shape == (1, 2)
