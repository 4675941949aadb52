"""Registering distortions: what is accepted, what is refused, what the content hash covers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import degradations
from degradations import registry

TWELVE = [0.1 * k for k in range(1, 13)]


@pytest.fixture
def clean_registry(monkeypatch):
    """A copy of the registry that is thrown away afterwards."""
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))


def dim(image: np.ndarray, factor: float) -> np.ndarray:
    return (image * (1 - factor / 2)).astype(np.uint8)


@pytest.mark.usefixtures("clean_registry")
def test_a_registered_function_joins_names_severities_and_regions(picture, mask):
    assert degradations.register(category="sensor", candidates=TWELVE)(dim) is dim
    assert degradations.select(["dim_*"]) == degradations.names(["dim"])
    assert degradations.parse("dim_4").category == "sensor"
    assert "dim" not in {degradations.parse(name).distortion for name in degradations.names()}
    variants = list(degradations.render(picture, mask, source_id="a", names=degradations.select(["dim_*"])))
    assert [v.candidate_roi for v in variants[:5]] == [1, 5, 8, 10, 12]
    assert degradations.distortion("dim").random is False


@pytest.mark.usefixtures("clean_registry")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Dim"}, "name 'Dim': expected lower-case words"),
        ({"name": "dim light"}, "expected lower-case words"),
        ({"name": "dim_3"}, "not ending in a number"),
        ({"name": "dim_fg_stronger"}, "without 'fg_stronger'"),
        ({"name": "bg_stronger_dim"}, "'bg_stronger'"),
        ({"name": "original"}, "'original'"),
        ({"name": "../dim"}, "expected lower-case words"),
        ({"name": "fog"}, "'fog' exists already, from degradations.weather"),
        ({"category": ""}, "Category '' of distortion 'dim': expected one lower-case word"),
        ({"category": "two words"}, "Category 'two words'"),
        ({"candidates": TWELVE[:11]}, "expected 12 candidates .* got 11"),
        ({"candidates": [*TWELVE[:11], (1.0, 2.0)]}, r"got 12 with \[1, 2\] parameters"),
        ({"candidates": [*TWELVE[:11], float("nan")]}, "expected finite parameters"),
        ({"candidates": [(k, k) for k in TWELVE]}, "must take .image, 2 parameters"),
        ({"candidates": TWELVE, "ranked": False}, "expected 5 candidates"),
        ({"version": 0}, "Version 0"),
    ],
)
def test_what_breaks_the_contract_is_refused(changes, message):
    before = [d.name for d in degradations.distortions()]
    with pytest.raises(degradations.RegistrationError, match=message):
        degradations.register(**{"category": "sensor", "candidates": TWELVE} | changes)(dim)
    assert [d.name for d in degradations.distortions()] == before


@pytest.mark.usefixtures("clean_registry")
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda image, factor: image.astype(np.float32), "result of distortion 'broken': expected .* float32"),
        (lambda image, factor: np.ascontiguousarray(image[1:]), r"expected shape \(61, 83, 3\), got \(60, 83, 3\)"),
        (lambda image, factor: None, "NoneType"),
    ],
)
def test_a_function_that_returns_no_image_is_named(function, message, picture):
    degradations.register("broken", category="sensor", candidates=TWELVE)(function)
    with pytest.raises(ValueError, match=message):
        list(degradations.render(picture, source_id="a", names=["broken_1"]))


@pytest.mark.usefixtures("clean_registry")
def test_a_function_cannot_change_the_source(picture):
    def greedy(image: np.ndarray, factor: float) -> np.ndarray:
        image[:] = 0
        return image

    degradations.register(category="sensor", candidates=TWELVE)(greedy)
    with pytest.raises(ValueError, match="read-only"):
        list(degradations.render(picture, source_id="a", names=["greedy_1"]))


@pytest.mark.usefixtures("clean_registry")
def test_fixed_severities_are_used_as_they_are(picture):
    degradations.register("fixed", category="sensor", candidates=[0.9, 0.1, 0.5, 0.2, 0.3], ranked=False)(dim)
    variants = list(degradations.render(picture, source_id="a", names=[f"fixed_{k}" for k in range(1, 6)], psnrs={"fixed": ()}))
    assert [v.candidate_roi for v in variants] == [1, 2, 3, 4, 5]
    assert all(v.candidate_psnrs == () for v in variants)
    assert variants[0].psnr < variants[1].psnr
    assert degradations.rank_candidates(picture, source_id="a", distortion="fixed").selected == (1, 2, 3, 4, 5)
    with pytest.raises(ValueError, match="its severities are fixed"):
        degradations.render(picture, source_id="a", names=["fixed_1"], psnrs={"fixed": [30.0] * 12})


@pytest.mark.usefixtures("clean_registry")
def test_the_content_hash_changes_with_whatever_changes_pixels():
    prints = {d.name: degradations.content_hash(d.name) for d in degradations.distortions()}
    assert len(set(prints.values())) == len(prints)
    fog = degradations.distortion("fog")
    for change in ({"version": fog.version + 1}, {"candidates": ((0.2, 3.0), *fog.candidates[1:])}):
        changed = dataclasses.replace(fog, **change)
        assert registry.algorithm_hash(changed) != prints["fog"]
    assert registry.algorithm_hash(dataclasses.replace(fog, category="weather")) == prints["fog"]
    with pytest.raises(degradations.UnknownDegradationError, match="Did you mean 'fog'"):
        degradations.content_hash("frog")
