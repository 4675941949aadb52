"""The ImageNet-C suite through imagecorruptions: equal to the package under the same random state, and repeatable by key."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import degradations
from degradations.imagenet_c import SUITE, corrupt
from tests.degradations.pictures import scene

CORRUPTIONS = [name for names in SUITE.values() for name in names]


def test_the_suite_is_named_with_or_without_the_package():
    names = degradations.select(["imagenet_c_*_[1-5]"])
    uniform = [name for name in names if "stronger" not in name]
    assert len(uniform) == 19 * 5
    assert degradations.parse("imagenet_c_zoom_blur_4").category == "blur"


def test_the_suite_is_that_of_the_package():
    package = pytest.importorskip("imagecorruptions")
    assert sorted(CORRUPTIONS) == sorted(package.get_corruption_names("all"))


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_equal_to_the_package_and_repeatable(corruption, monkeypatch):
    package = pytest.importorskip("imagecorruptions")
    image = scene(48, 64)
    state = np.random.get_state()  # noqa: NPY002  (the state that must not change)
    name = f"imagenet_c_{corruption}_3"
    first, again = (next(degradations.render(image, source_id="a", names=[name])) for _ in range(2))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert (first.candidate_roi, first.candidate_psnrs) == (3, ())
    ours = corrupt(corruption, image, 3, np.random.default_rng(5))
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), state, strict=True))  # noqa: NPY002

    rng = np.random.default_rng(5)
    for function in ("normal", "uniform", "poisson", "randint"):
        private = np.random.RandomState(rng.bit_generator)
        monkeypatch.setattr(np.random, function, getattr(private, function))
    seed = {"seed": int(rng.integers(2**31))} if corruption in ("impulse_noise", "glass_blur") else {}
    np.testing.assert_array_equal(ours, package.corrupt(image, severity=3, corruption_name=corruption, **seed))


def test_small_images_are_refused():
    with pytest.raises(ValueError, match="imagenet_c_fog needs an image of at least 32x32 pixels, got 40x31"):
        list(degradations.render(scene(31, 40), source_id="a", names=["imagenet_c_fog_1"]))


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecorruptions.corruptions", None)
    with pytest.raises(ValueError, match="pip install imagecorruptions-imaug"):
        list(degradations.render(scene(40, 40), source_id="a", names=["imagenet_c_fog_1"]))
