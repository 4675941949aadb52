"""The three sentences, from chosen numbers."""

from __future__ import annotations

from typing import Any

import pytest

from miqd_builder.auditing.document import TaskDocument
from miqd_builder.auditing.page.answer import answer, by_harm, leading_label
from tests.auditing.documents import NO_TRUTH, declines, record, statistic, task


def said(of: TaskDocument) -> list[str]:
    return [sentence.words.striptags() for sentence in answer(of)]


def differences(pairs: dict[tuple[str, str], float], label: str = "accuracy") -> list[Any]:
    return [record(label, v, distortion=a, other=b, difference=True) for (a, b), v in pairs.items()]


def where(overall: float, of: dict[str, float], label: str = "accuracy", half: float | None = 0.05) -> Any:
    each = [record(label, v, half=half, distortion=name, difference=True) for name, v in of.items()]
    return statistic([record(label, overall, half=half, difference=True), *each])


def full() -> dict[str, Any]:
    return {
        "distortion_decline": statistic(declines({"fog": 30.0, "snow": 61.5, "glass_blur": 2.0})),
        "distortion_difference": statistic(differences({("fog", "snow"): 0.3, ("snow", "glass_blur"): -0.04})),
        "region_difference": where(-0.12, {"fog": -0.2, "snow": -0.05}),
        "models": statistic([record("rPC", v, model=name) for name, v in {"alpha": 0.6, "beta": 0.8, "gamma": 0.7}.items()]),
        "model_difference": statistic([record("rPC", -0.2, model="alpha", other="beta", difference=True)]),
    }


def test_what_hurts_where_and_which_model() -> None:
    assert said(task(full())) == [
        "Snow hurts most: mean accuracy falls by 61.5 % [56.5, 66.5] against the originals, more than under the next, fog (the "
        "difference excludes 0). Glass blur hurts least: 2.0 % [-3.0, 7.0], which includes 0 (the difference from snow "
        "includes 0).",
        "Degrading the object (ROI) hurts more than degrading the background as much: difference in mean accuracy, ROI less "
        "background, -0.120 [-0.170, -0.070], excludes 0; most so under fog, -0.200 [-0.250, -0.150].",
        "beta suffers least: rPC, the share of its clean accuracy that is left, is 0.800 [0.750, 0.850]. alpha suffers most: "
        "0.600 [0.550, 0.650]; their difference, 0.200 [0.150, 0.250], excludes 0.",
    ]


def test_different_severities_are_pointed_out() -> None:
    care = "compare with care"
    for severities, said_so in (({"fog": (1, 3), "snow": (1, 3)}, False), ({"fog": (1, 3), "snow": (2, 3)}, True)):
        records = [record("accuracy", 0.5, distortion=name, severity=k) for name, own in severities.items() for k in own]
        assert (care in said(task(full() | {"severity": statistic(records)}))[0]) is said_so


def test_a_background_that_matters_more() -> None:
    of = task(full() | {"region_difference": where(0.3, {"fog": 0.2, "snow": 0.4})})
    assert said(of)[1].startswith("Degrading the background hurts more than degrading the object (ROI) as much: difference")
    assert said(of)[1].endswith("most so under snow, 0.400 [0.350, 0.450].")


def test_what_may_be_no_harm_at_all_is_no_claim() -> None:
    of = task(full() | {"distortion_decline": statistic(declines({"fog": 1.0, "snow": 4.5}))})
    assert said(of)[0] == (
        "Nothing hurts for certain: the largest decline of mean accuracy against the originals, under snow, is 4.5 % "
        "[-0.5, 9.5], which includes 0."
    )


def test_a_worst_that_may_not_be_the_worst_is_not_called_so() -> None:
    near = differences({("fog", "snow"): 0.01, ("snow", "glass_blur"): -0.3})
    of = task(full() | {"distortion_difference": statistic(near)})
    assert ", not certainly more than under the next, fog (the difference includes 0). Glass blur" in said(of)[0]


def test_no_difference_is_no_claim() -> None:
    of = task(full() | {"region_difference": where(0.04, {"fog": 0.2})})
    assert said(of)[1] == (
        "Neither the object (ROI) nor the background can be told to matter more: difference in mean accuracy, ROI less "
        "background, 0.040 [-0.010, 0.090], includes 0."
    )


def test_one_source_image_has_no_intervals() -> None:
    of = task(
        {
            "distortion_decline": statistic(declines({"fog": 30.0, "snow": 10.0}, half=None)),
            "distortion_difference": statistic([record("accuracy", -0.2, half=None, distortion="fog", other="snow")]),
            "region_difference": where(-0.3, {}, half=None),
            "models": statistic([record("rPC", v, half=None, model=n) for n, v in {"a": 0.5, "b": 0.4}.items()]),
        }
    )
    what, place, which = said(of)
    assert what == (
        "Fog hurts most: mean accuracy falls by 30.0 % against the originals. Snow hurts least: 10.0 % (the difference from "
        "fog has no interval)."
    )
    assert place == (
        "Not certain whether the object (ROI) or the background matters more: difference in mean accuracy, ROI less "
        "background, -0.300, without an interval."
    )
    assert which.endswith("b suffers most: 0.400; their difference is not known.")


def test_without_ground_truth_it_is_about_consistency() -> None:
    of = task(
        {
            "distortion_decline": statistic(declines({"fog": 30.0, "snow": 10.0}, "consistency")),
            "region_difference": where(-0.2, {"fog": -0.2}, "consistency"),
            "models": statistic([record("consistency", v, model=n) for n, v in {"alpha": 0.5, "beta": 0.9}.items()]),
            "model_difference": statistic([record("consistency", 0.0, model="beta", other="alpha", difference=True)]),
        },
        {"distortion_decline.accuracy": NO_TRUTH},
    )
    what, place, which = said(of)
    assert leading_label(of) == "consistency" and what.startswith("Fog hurts most: mean consistency falls by 30.0 %")
    assert "difference in mean consistency" in place
    assert which == (
        "The models can't be told apart: of beta, mean consistency is 0.900 [0.850, 0.950], and of alpha 0.500 [0.450, 0.550]; "
        "their difference, 0.000 [-0.050, 0.050], includes 0."
    )


def test_accuracy_that_some_distortions_lack_does_not_lead() -> None:
    both = declines({"fog": 90.0}) + declines({"fog": 10.0, "snow": 40.0}, "consistency")
    of = task({"distortion_decline": statistic(both)})
    assert leading_label(of) == "consistency" and by_harm(of) == ["snow", "fog", "glass_blur", "jpeg_compression"]


@pytest.mark.parametrize(
    ("statistics", "sentence"),
    [
        (
            {"distortion_decline": statistic(declines({"fog": 30.0}))},
            "Under fog, the run's only distortion, mean accuracy falls by 30.0 % [25.0, 35.0] against the originals.",
        ),
        (
            {"models": statistic([record("rPC", 0.5, model="alpha")])},
            "alpha is the run's only model: rPC, the share of its clean accuracy that is left, is 0.500 [0.450, 0.550].",
        ),
        ({}, "Not known: the labels were imported."),
        ({}, "Not known: the audit holds no such statistic."),
    ],
)
def test_runs_of_which_little_is_known(statistics: dict[str, Any], sentence: str) -> None:
    of = task(statistics, {"models": "the labels were imported"})
    assert sentence in said(of)
