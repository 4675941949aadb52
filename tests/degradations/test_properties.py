"""What must hold for any image: sizes from 1x1, any content, every distortion that ships."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import degradations
from tests.degradations.pictures import ellipse, scene

BUILT_IN = [d.name for d in degradations.distortions() if d.function.__module__.startswith("degradations.") and d.ranked]
SOME_NAMES = [n for n in degradations.names(BUILT_IN) if n[-2:] in ("_1", "_3", "_5") or n.endswith(("fg5_bg2", "fg1_bg4"))]
RANDOM = [name for name in BUILT_IN if degradations.distortion(name).random]


@st.composite
def images(draw: st.DrawFn, largest: int = 24) -> np.ndarray:
    """Flat, noisy or structured images of any small size; now and then one far longer than wide."""
    height, width = draw(
        st.sampled_from([(1, 1), (1, largest), (largest, 1), (2, 3), (70, 2)]) | st.tuples(*[st.integers(1, largest)] * 2)
    )
    kind = draw(st.sampled_from(["flat", "noise", "scene"]))
    if kind == "flat":
        return np.full((height, width, 3), draw(st.tuples(*[st.integers(0, 255)] * 3)), np.uint8)
    if kind == "scene":
        return scene(height, width)
    return np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("distortion", BUILT_IN)
@settings(max_examples=12, deadline=None)
@given(image=images(), data=st.data())
def test_any_image_gives_images_of_falling_quality(distortion, image, data):
    before = image.copy()
    mask = np.where(np.random.default_rng(data.draw(st.integers(0, 9))).random(image.shape[:2]) < 0.5, 0, 255).astype(np.uint8)
    variants = list(degradations.render(image, mask, source_id="any", names=degradations.names([distortion])))
    np.testing.assert_array_equal(image, before)
    for variant in variants:
        assert variant.pixels.dtype == np.uint8
        assert variant.pixels.shape == image.shape
        assert variant.psnr == degradations.psnr(variant.pixels, image)
    psnrs = [variant.psnr for variant in variants[:5]]
    assert all(milder >= stronger for milder, stronger in itertools.pairwise(psnrs))
    assert [variants[k].psnr for k in range(5)] == sorted(
        (variants[0].candidate_psnrs[v.candidate_roi - 1] for v in variants[:5]), reverse=True
    )


@settings(max_examples=25, deadline=None)
@given(
    image=images(16),
    names=st.lists(st.sampled_from(SOME_NAMES), min_size=1, max_size=6),
    seed=st.integers(-3, 3),
)
def test_the_same_key_gives_the_same_bytes_in_any_order_and_subset(image, names, seed):
    mask = ellipse(*image.shape[:2])
    together = list(degradations.render(image, mask, source_id="a", seed=seed, names=names))
    assert [variant.degradation.name for variant in together] == names
    cache = {variant.degradation.distortion: variant.candidate_psnrs for variant in together}
    for variant in together:
        (alone,) = degradations.render(image, mask, source_id="a", seed=seed, names=[variant.degradation.name])
        (cached,) = degradations.render(image, mask, source_id="a", seed=seed, names=[variant.degradation.name], psnrs=cache)
        for other in (alone, cached):
            np.testing.assert_array_equal(other.pixels, variant.pixels)
            assert (other.psnr, other.candidate_roi, other.candidate_bg) == (
                variant.psnr,
                variant.candidate_roi,
                variant.candidate_bg,
            )


@pytest.mark.parametrize("distortion", RANDOM)
def test_another_key_gives_other_pixels(distortion, picture):
    def render(**key: object) -> bytes:
        (variant,) = degradations.render(picture, names=[f"{distortion}_5"], **{"source_id": "a", "seed": 0} | key)
        return variant.pixels.tobytes()

    assert render() == render()
    assert render() != render(seed=1)
    assert render() != render(source_id="b")


def test_candidates_of_one_image_draw_different_noise(picture):
    flat = np.full_like(picture, 128)
    mild, strong = degradations.render(flat, source_id="a", names=["gaussian_noise_1", "gaussian_noise_2"])
    correlation = np.corrcoef(mild.pixels.ravel(), strong.pixels.ravel())[0, 1]
    assert abs(correlation) < 0.05


def test_no_global_random_state_is_read_or_changed(picture):
    before = np.random.get_state()[1].copy()  # noqa: NPY002  (the state that must not change)
    first = [v.pixels for v in degradations.render(picture, source_id="a", names=[f"{name}_3" for name in RANDOM])]
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.random.random(3)  # noqa: NPY002  (moves the global state on)
    for pixels, variant in zip(
        first, degradations.render(picture, source_id="a", names=[f"{name}_3" for name in RANDOM]), strict=True
    ):
        np.testing.assert_array_equal(pixels, variant.pixels)


def test_variants_are_the_callers_own(picture, mask):
    names = ["fog_1", "fog_2", "fog_fg_stronger_fg2_bg1"]
    expected = [v.pixels.copy() for v in degradations.render(picture, mask, source_id="a", names=names)]
    for variant, pixels in zip(degradations.render(picture, mask, source_id="a", names=names), expected, strict=True):
        np.testing.assert_array_equal(variant.pixels, pixels)
        variant.pixels[:] = 0


def test_cached_psnrs_render_only_what_is_needed(picture, mask, monkeypatch):
    rendered: list[int] = []
    plain = degradations.Distortion.render
    monkeypatch.setattr(degradations.Distortion, "render", lambda self, p, c, rng: rendered.append(c) or plain(self, p, c, rng))
    ranking = degradations.rank_candidates(picture, source_id="a", distortion="snow")
    assert sorted(rendered) == list(range(1, 13))
    rendered.clear()
    list(degradations.render(picture, mask, source_id="a", names=["snow_fg_stronger_fg4_bg2"], psnrs={"snow": ranking.psnrs}))
    assert sorted(rendered) == sorted({ranking.selected[3], ranking.selected[1]})
    rendered.clear()
    list(degradations.render(picture, mask, source_id="a", names=["snow_3"], psnrs={"snow": ranking.psnrs}))
    assert rendered == [ranking.selected[2]]


def test_ranks_are_stable_for_equal_psnrs():
    black = np.zeros((4, 4, 3), np.uint8)
    ranking = degradations.rank_candidates(black, source_id="a", distortion="contrast")
    assert ranking.psnrs == (float("inf"),) * 12
    assert ranking.selected == (1, 5, 8, 10, 12)
