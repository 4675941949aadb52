"""Names: the 250, parsing, selecting."""

from __future__ import annotations

import itertools

import pytest

import degradations
from degradations import UnknownDegradationError


def test_the_250_names_are_those_of_the_table():
    expected = []
    for distortion in degradations.MIQD_DISTORTIONS:
        expected += [f"{distortion}_{k}" for k in range(1, 6)]
        pairs = list(itertools.combinations(range(1, 6), 2))
        expected += [f"{distortion}_fg_stronger_fg{high}_bg{low}" for low, high in pairs]
        expected += [f"{distortion}_bg_stronger_fg{low}_bg{high}" for low, high in pairs]
    assert degradations.names() == expected
    assert len(set(expected)) == 250


def test_categories_of_the_ten():
    by_category: dict[str, list[str]] = {}
    for distortion in degradations.distortions()[:10]:
        by_category.setdefault(distortion.category, []).append(distortion.name)
    assert by_category == {
        "digital": ["contrast", "pixelate", "jpeg_compression"],
        "blur": ["motion_blur", "defocus_blur", "glass_blur"],
        "environment": ["fog", "snow", "darkness"],
        "noise": ["gaussian_noise"],
    }


def test_parse_says_what_a_name_stands_for():
    assert degradations.parse("fog_3") == degradations.Degradation("fog_3", "fog", "environment", "uniform", 3, 3)
    roi = degradations.parse("jpeg_compression_fg_stronger_fg5_bg2")
    assert (roi.distortion, roi.region, roi.roi_severity, roi.bg_severity) == ("jpeg_compression", "roi", 5, 2)
    background = degradations.parse("snow_bg_stronger_fg1_bg4")
    assert (background.region, background.roi_severity, background.bg_severity) == ("background", 1, 4)


def test_globs_mean_the_250_before_the_further_distortions():
    assert degradations.select(["*"]) == degradations.names()
    assert {degradations.parse(name).distortion for name in degradations.select(["gaussian_*"])} == {"gaussian_noise"}
    assert len(degradations.select(["frost_*"])) == 25


def test_every_name_of_every_distortion_parses_to_itself():
    names = degradations.names(distortion.name for distortion in degradations.distortions())
    assert len(names) == sum(25 if one.regional else len(one.severities) for one in degradations.distortions())
    for name in names:
        parsed = degradations.parse(name)
        assert parsed.name == name
        assert (parsed.region == "uniform") == (parsed.roi_severity == parsed.bg_severity)
        assert (parsed.region == "roi") == (parsed.roi_severity > parsed.bg_severity)


@pytest.mark.parametrize(
    "name",
    [
        "fog",
        "fog_0",
        "fog_6",
        "fog_33",
        "fog_fg_stronger_fg1_bg5",
        "fog_bg_stronger_fg5_bg1",
        "fog_fg_stronger_fg3_bg3",
        "rain_3",
        "original",
        "",
    ],
)
def test_parse_refuses_what_is_no_degradation(name):
    with pytest.raises(UnknownDegradationError, match="Unknown degradation"):
        degradations.parse(name)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownDegradationError, match=r"'gausian_noise_3'\. Did you mean 'gaussian_noise_3'"):
        degradations.parse("gausian_noise_3")
    with pytest.raises(ValueError, match=r"'foggy_\*'"):
        degradations.select(["fog_*", "foggy_*"])
    with pytest.raises(UnknownDegradationError, match="Did you mean 'fog'"):
        degradations.names(["frog"])


def test_select_is_in_canonical_order_without_duplicates():
    assert degradations.select(["fog_[21]", "contrast_5", "fog_*_fg5_bg4", "fog_2"]) == [
        "contrast_5",
        "fog_1",
        "fog_2",
        "fog_fg_stronger_fg5_bg4",
    ]
    assert degradations.select(degradations.names()[::-1]) == degradations.names()


def test_select_needs_a_pattern():
    with pytest.raises(UnknownDegradationError, match="at least one"):
        degradations.select([])


def test_names_of_chosen_distortions():
    names = degradations.names(["frost", "fog"])
    assert len(names) == 50
    assert names[0] == "frost_1"
    assert names[25] == "fog_1"
