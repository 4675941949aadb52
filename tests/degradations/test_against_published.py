"""The figures of the published generator for the astronaut, and its pictures where they are at hand."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

import degradations
from degradations.motion import blur_along_line
from tests.degradations.pictures import GOLDEN, ellipse

EXACT = ("contrast", "pixelate", "jpeg_compression")
DETERMINISTIC = (*EXACT, "darkness", "defocus_blur")
RANDOM_TOLERANCE = {"gaussian_noise": 0.1, "glass_blur": 0.1, "motion_blur": 0.5, "snow": 0.5, "fog": 0.5}
KEYS = 20


def short_hash(image: np.ndarray) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()[:16]


def all_candidates(image: np.ndarray, name: str) -> list[np.ndarray]:
    distortion = degradations.distortion(name)
    prepared = distortion.prepare(image) if distortion.prepare else image
    return [distortion.render(prepared, candidate, np.random.default_rng(0)) for candidate in range(1, 13)]


def assert_nearly_equal(image: np.ndarray, expected: np.ndarray) -> None:
    """Within one grey level, on at most 1 % of the values."""
    difference = np.abs(image.astype(int) - expected.astype(int))
    assert difference.max() <= 1
    assert np.count_nonzero(difference) <= 0.01 * difference.size


def test_candidates_are_the_published_ones():
    published = json.loads((GOLDEN / "published_candidates.json").read_text())["distortions"]
    for name, facts in published.items():
        expected = tuple(tuple(c) if isinstance(c, list) else (c,) for c in facts["candidates"])
        assert degradations.distortion(name).candidates == expected


def test_the_image_and_the_mask_are_the_published_ones(astronaut):
    published = json.loads((GOLDEN / "published_astronaut.json").read_text())
    assert hashlib.sha256(astronaut.tobytes()).hexdigest() == published["sha256"]
    assert hashlib.sha256(ellipse(512, 512).tobytes()).hexdigest() == published["mask_sha256"]


@pytest.mark.parametrize("name", ["contrast", "pixelate"])
def test_pixels_of_every_candidate_are_identical(name, astronaut, reference):
    assert [short_hash(image) for image in all_candidates(astronaut, name)] == reference[name]["sha256_per_candidate"]


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_psnr_of_every_candidate_and_their_choice(name, astronaut, reference):
    ranking = degradations.rank_candidates(astronaut, source_id="astronaut", distortion=name)
    assert ranking.psnrs == pytest.approx(reference[name]["psnr_per_candidate"], abs=0.02)
    assert list(ranking.selected) == reference[name]["selected_candidates_1based"]


@pytest.mark.parametrize("name", ["darkness", "defocus_blur"])
def test_severities_equal_the_pictures(name, astronaut, reference_png):
    for variant in degradations.render(astronaut, source_id="astronaut", names=[f"{name}_{k}" for k in range(1, 6)]):
        assert_nearly_equal(variant.pixels, reference_png(variant.degradation.name))


@pytest.mark.parametrize(("name", "tolerance"), RANDOM_TOLERANCE.items())
def test_mean_psnr_of_random_candidates_and_their_choice(name, tolerance, astronaut, reference):
    rankings = [degradations.rank_candidates(astronaut, source_id=f"astronaut-{k}", distortion=name) for k in range(KEYS)]
    mean = np.mean([ranking.psnrs for ranking in rankings], axis=0)
    assert mean == pytest.approx(reference[name]["psnr_per_candidate"], abs=tolerance)
    assert rankings[0].selected == (1, 5, 8, 10, 12)


@pytest.mark.parametrize("candidate", [4, 8])
@pytest.mark.parametrize("angle", [-30, 0, 20])
def test_motion_blur_at_fixed_angles(candidate, angle, astronaut, reference_png):
    radius, sigma = degradations.distortion("motion_blur").candidates[candidate - 1]
    blurred = blur_along_line(astronaut, radius, sigma, angle)
    assert_nearly_equal(blurred, reference_png(f"motion_blur_candidate{candidate}_angle{angle}"))


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_psnr_of_region_blends(name, astronaut, reference):
    names = [n for n in degradations.names([name]) if "stronger" in n]
    variants = degradations.render(astronaut, ellipse(512, 512), source_id="astronaut", names=names)
    psnrs = {variant.degradation.name.removeprefix(f"{name}_"): variant.psnr for variant in variants}
    assert psnrs == pytest.approx(reference[name]["fused_psnr"], abs=0.02)


@pytest.mark.parametrize("pair", ["fg_stronger_fg5_bg1", "bg_stronger_fg2_bg4"])
@pytest.mark.parametrize("name", ["darkness", "defocus_blur"])
def test_region_blends_equal_the_pictures(name, pair, astronaut, reference_png):
    (variant,) = degradations.render(astronaut, ellipse(512, 512), source_id="astronaut", names=[f"{name}_{pair}"])
    assert_nearly_equal(variant.pixels, reference_png(variant.degradation.name))
