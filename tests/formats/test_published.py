"""Names of the published form."""

from __future__ import annotations

import pytest

import degradations
from miqd_builder.formats.miqd.published import split_image_name, stem
from miqd_builder.tables.splits import validation_sources

IDS = [f"ILSVRC2012_val_{n:08d}" for n in range(200)]


@pytest.mark.parametrize("source_id", ["000000000139", "139", "ILSVRC2012_val_00000001", "scene_0", "fog_3", "a_b_fog_3"])
@pytest.mark.parametrize("task", ["cls", "det", "ins"])
def test_every_name_comes_apart_again(task: str, source_id: str) -> None:
    for name in degradations.names():
        assert split_image_name(task, stem(task, source_id), f"{source_id}_{name}.png") == (source_id, name)


@pytest.mark.parametrize(
    "image", ["000000000140_fog_3.png", "000000000139.png", "000000000139_fog_3.jpg", "", "../x_fog_3.png"]
)
def test_name_of_another_image_is_refused(image: str) -> None:
    assert split_image_name("det", "000000000139", image) is None


@pytest.mark.parametrize(("fraction", "expected"), [(0, 0), (0.2, 40), (0.001, 1), (1, 200)])
def test_validation_split_has_its_share(fraction: float, expected: int) -> None:
    assert len(validation_sources(IDS, fraction=fraction, seed=0)) == expected


def test_validation_split_depends_on_the_seed_alone() -> None:
    chosen = validation_sources(IDS, fraction=0.2, seed=0)
    assert validation_sources(reversed(IDS), fraction=0.2, seed=0) == chosen
    assert validation_sources(IDS, fraction=0.2, seed=1) != chosen


def test_new_sources_move_few_of_the_others() -> None:
    before = validation_sources(IDS[:100], fraction=0.2, seed=0)
    after = validation_sources(IDS, fraction=0.2, seed=0)
    assert len((after & set(IDS[:100])) ^ before) <= 10
