"""Charts: where things are drawn, and what they say."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from markupsafe import Markup

from miqd_builder.auditing.page.charts import (
    BOTTOM,
    LEFT,
    LINE_HEIGHT,
    LINE_WIDTH,
    MARK_PAD,
    MARK_WIDTH,
    RIGHT,
    TOP,
    Cell,
    Line,
    Mark,
    Point,
    heat_level,
    heat_strips,
    line_chart,
    marks,
    severity_grid,
    stacked_bar,
)
from miqd_builder.auditing.page.drawings import marked
from miqd_builder.auditing.page.numbers import number
from miqd_builder.auditing.page.scale import Scale, tick_text
from miqd_builder.auditing.page.tables import MOST_DRAWN, MOST_ROWS, drawn_table, values_table
from tests.auditing.documents import record, statistic, task

SEVERITIES = Scale(1, 5, (1, 2, 3, 4, 5))


def tree(svg: Markup) -> ET.Element:
    return ET.fromstring(str(svg))


def of_class(svg: Markup, name: str) -> list[ET.Element]:
    return [one for one in tree(svg).iter() if name in (one.get("class") or "").split()]


@pytest.mark.parametrize(
    ("values", "zero", "ends", "ticks"),
    [
        ([0.0, 1.0], False, (0.0, 1.0), (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ([0.31, 0.34], False, (0.31, 0.34), (0.31, 0.32, 0.33, 0.34)),
        ([3.0, 57.0], True, (0.0, 60.0), (0.0, 20.0, 40.0, 60.0)),
        ([-0.2, -0.1], True, (-0.2, 0.0), (-0.2, -0.15, -0.1, -0.05, 0.0)),
        ([0.0], True, (0.0, 0.2), (0.0, 0.2)),
        ([], False, (0.0, 0.2), (0.0, 0.2)),
        ([7.0], False, (6.0, 8.0), (6.0, 8.0)),
    ],
)
def test_axes_have_round_ends(values: list[float], zero: bool, ends: tuple[float, float], ticks: tuple[float, ...]) -> None:
    scale = Scale.of(values, zero=zero)
    assert (scale.low, scale.high) == pytest.approx(ends) or len(values) < 2
    assert len(scale.ticks) <= 6 and scale.ticks[0] <= min(values, default=0) and scale.ticks[-1] >= max(values, default=0)
    if len(values) > 1:
        assert scale.ticks == pytest.approx(ticks)


def test_places_on_an_axis() -> None:
    assert [Scale(0, 10, ()).place(v, 200) for v in (0, 2.5, 10, 11, -1)] == [0, 50, 200, 200, 0]
    ratios = Scale.ratios([0.25, 0.9, 3.0])
    assert (ratios.low, ratios.high, ratios.ticks) == (0.25, 4.0, (0.25, 0.5, 1.0, 2.0, 4.0))
    assert [ratios.place(v, 100) for v in (0.25, 1.0, 4.0)] == [0, 50, 100]


@pytest.mark.parametrize(("value", "text"), [(0.5, ".5"), (-0.25, "-.25"), (0, "0"), (20.0, "20"), (1.0, "1"), (1.5, "1.5")])
def test_ticks_are_short(value: float, text: str) -> None:
    assert tick_text(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "label", "text"),
    [
        (-0.0001, "score", "accuracy", "0.000"),
        (0.6666, "score", "accuracy", "0.667"),
        (12.345, "per cent", "accuracy", "12.3"),
        (-12.35, "per cent", "accuracy", "-12.3"),
        (101.26, "per cent", "mCE", "101.3"),
        (31.47, "dB", "psnr", "31.5"),
    ],
)
def test_numbers_have_the_decimals_of_their_unit(value: float, unit: str, label: str, text: str) -> None:
    assert number(value, unit, label) == text


def test_a_line_is_where_its_values_are() -> None:
    points = [Point(s, value, value - 0.1, value + 0.1, f"at {s}") for s, value in enumerate((1.0, 0.75, 0.5, 0.25, 0.0), 1)]
    svg = line_chart([Line(0, points)], SEVERITIES, x_title="severity", label="a & b")
    width, height = LINE_WIDTH - LEFT - RIGHT, LINE_HEIGHT - TOP - BOTTOM
    circles = [one for one in tree(svg).iter() if one.tag.endswith("circle")]
    assert [float(c.get("cx", "")) for c in circles] == pytest.approx([LEFT + width * k / 4 for k in range(5)], abs=0.06)
    assert [float(c.get("cy", "")) for c in circles] == pytest.approx([TOP + height * k / 4 for k in range(5)], abs=0.06)
    assert [c[0].text for c in circles] == [f"at {s}" for s in range(1, 6)]
    [band] = of_class(svg, "band")
    corners = [tuple(map(float, corner.split(","))) for corner in band.get("points", "").split()]
    assert len(corners) == 10
    assert corners[1][1] == pytest.approx(TOP + height * (1 - 0.85), abs=0.06)
    assert corners[-2][1] == pytest.approx(TOP + height * (1 - 0.65), abs=0.06)
    assert tree(svg).get("aria-label") == "a & b"


def test_points_without_intervals_have_no_band_and_one_point_a_whisker() -> None:
    bare = Point(1, 0.5, None, None, "")
    assert not of_class(line_chart([Line(0, [bare, bare])], SEVERITIES, x_title="", label="x"), "band")
    single = line_chart([Line(0, [Point(3, 0.5, 0.25, 0.75, "")])], SEVERITIES, x_title="", label="x")
    assert not of_class(single, "band") and len(of_class(single, "whisker")) == 1


def test_the_grid_has_the_roi_upwards_and_the_background_to_the_right() -> None:
    cells = {(1, 5): Cell(0.9, "a", "a"), (5, 1): Cell(0.1, "b", "b"), (3, 3): Cell(0.5, "c", "c")}
    svg = severity_grid(cells, [1, 2, 3, 4, 5], label="grid")
    place = {one[0].text: (float(one.get("x", "")), float(one.get("y", ""))) for one in of_class(svg, "heat")}
    assert place["a"][0] > place["c"][0] > place["b"][0] and place["a"][1] > place["c"][1] > place["b"][1]
    assert len(of_class(svg, "none")) == 22 and [one[0].text for one in of_class(svg, "own")] == ["c"]
    assert {one[0].text: re.search(r"h(\d+)", one.get("class", ""))[1] for one in of_class(svg, "heat")} == {  # type: ignore[index]
        "a": "18",
        "b": "2",
        "c": "10",
    }


def test_heat_stays_within_its_steps() -> None:
    assert [heat_level(heat) for heat in (-0.3, 0, 0.5, 1, 1.7)] == [0, 0, 10, 20, 20]


def test_a_strip_has_a_cell_a_severity() -> None:
    strips = {("m", "fog"): [Cell(0.1 * k, "", f"fog {k}") for k in range(5)], ("m", "snow"): [Cell(1, "", "snow 3")]}
    svg = heat_strips(["m"], ["fog", "snow"], strips, label="matrix")
    assert [one[0].text for one in of_class(svg, "heat")] == [*(f"fog {k}" for k in range(5)), "snow 3"]


def test_marks_are_on_their_axis() -> None:
    lines = [Mark(0, 0.0, -0.5, 0.5, "zero", hollow=True), Mark(1, 1.0, None, None, "one")]
    svg = marks(lines, Scale(-1, 1, ()))
    inner = MARK_WIDTH - 2 * MARK_PAD
    circles = [one for one in tree(svg).iter() if one.tag.endswith("circle")]
    assert [float(c.get("cx", "")) for c in circles] == [MARK_PAD + inner / 2, MARK_PAD + inner]
    assert ["hollow" in (c.get("class") or "") for c in circles] == [True, False]
    [whisker] = of_class(svg, "whisker")
    start, end = re.findall(r"[MH]([\d.]+)", whisker.get("d", ""))
    assert (float(start), float(end)) == (MARK_PAD + inner / 4, MARK_PAD + 3 * inner / 4)
    assert len(of_class(svg, "zero")) == 1 and not of_class(marks(lines[1:], Scale(0.5, 1, ())), "zero")


def test_a_bar_is_as_long_as_its_parts() -> None:
    parts = [one for one in tree(stacked_bar([(0, 1.0, "a"), (3, 2.0, "b")], 4.0)).iter() if one.tag.endswith("rect")]
    assert [(float(r.get("x", "")), float(r.get("width", ""))) for r in parts] == [
        (0, MARK_WIDTH / 4),
        (MARK_WIDTH / 4, MARK_WIDTH / 2),
    ]
    assert "NaN" not in str(stacked_bar([(0, 0.0, "a")], 0.0))


def test_long_tables_are_cut_and_say_so() -> None:
    made = statistic([record("consistency", 0.5, source_id=f"s{index}") for index in range(MOST_ROWS + 1)])
    assert not values_table(made).rows and f"({MOST_ROWS + 1} rows): in audit.json" in values_table(made).note
    drawn = drawn_table(made, keys=["source_id"])
    assert len(drawn.rows) == MOST_DRAWN and drawn.note == f"The first {MOST_DRAWN} of {MOST_ROWS + 1} rows."


def test_rows_that_differ_in_n_say_all_of_them() -> None:
    made = statistic([record("P", 0.5, n=8, model="a"), record("mPC", 0.4, n=1400, model="a")])
    table = values_table(made)
    assert table.rows == [["a", "0.500 [0.450, 0.550]", "0.400 [0.350, 0.450]", "8 / 1,400", "4"]]
    assert list(table.head) == ["model", "P", "mPC", "n", "source images"]


def test_a_key_can_take_the_place_of_the_label() -> None:
    shares = [record("bits_per_pixel", q, distortion="fog", threshold=0.75, quantile=q) for q in (0.9, 0.5, 0.75)]
    [table] = marked("distortion", "threshold", series="quantile")(task({}), statistic(shares)).tables
    assert list(table.head)[2:] == ["quantile 0.5", "quantile 0.75", "quantile 0.9", "n", "source images"]
    assert table.rows[0][0] == "fog, 0.75" and list(table.rows[0])[2:4] == ["0.500 [0.450, 0.550]", "0.750 [0.700, 0.800]"]
    errors = [record("errors", 1.0, distortion="fog", error=error) for error in ("Miss", "Bkg")]
    [table] = marked("distortion", series="error")(task({}), statistic(errors)).tables
    assert list(table.head)[2:4] == ["Miss", "Bkg"]
