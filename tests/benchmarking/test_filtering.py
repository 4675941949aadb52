"""Filtering curves of a toy run, against a loop in plain Python; their files and figures."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import miqd_builder as mb
from miqd_builder.benchmarking.figures import figure
from miqd_builder.benchmarking.filtering import OUTCOMES, Filtering
from miqd_builder.benchmarking.pages import Figure, Heading, Items, Paragraph, Table, to_html, to_markdown
from miqd_builder.correlation.filtering import filtering_curves
from miqd_builder.tables.schema import SCORE_COLUMNS
from tests.auditing.conftest import write_labels
from tests.benchmarking.conftest import Key, label_rows
from tests.conftest import Outcome

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def found(toy_run: Path) -> dict[tuple[str, str], Filtering]:
    """Curves by label and measure."""
    curves = mb.benchmark(toy_run, task="det", measures="psnr", resamples=5, filtering=True).filtering
    return {(one.label, one.measure): one for one in curves}


def reached(scores: Sequence[float], outcomes: Sequence[float], share: float) -> float:
    """Drop level by level; the level at the cut stays in part."""
    gone = share * len(scores)
    total = weight = 0.0
    for level in sorted(set(scores)):
        rows = [outcome for score, outcome in zip(scores, outcomes, strict=True) if score == level]
        stays = 1 - min(1.0, gone / len(rows))
        gone = max(0.0, gone - len(rows))
        total += stays * sum(rows)
        weight += stays * len(rows)
    return total / weight


def by_hand(toy_run: Path, label: str, measure: str, model: str) -> tuple[list[float], list[float]]:
    """Scores and outcomes of the images with a label, joined by key."""
    column = {"consistency": "consistency_weighted", "accuracy": "accuracy_weighted"}[label]
    rows = label_rows(toy_run, "det")
    outcome: dict[Key, float] = {
        (row["source_id"], row["degradation"]): row[f"{label}_ap75"]
        for row in mb.open_run(toy_run).scores("det", model=model).to_pylist()
    }
    kept = [key for key, row in rows.items() if row[column] is not None]
    others = {
        (source, name): [rows[key][column] for key in kept if key[1] == name and key[0] != source] for source, name in kept
    }
    orders = {
        "psnr": lambda key: rows[key]["psnr"],
        "oracle": lambda key: rows[key][column],
        "degradation_mean": lambda key: round(sum(others[key]) / len(others[key]), 12),
    }
    return [orders[measure](key) for key in kept], [outcome[key] for key in kept]


@pytest.mark.parametrize("label", ["consistency", "accuracy"])
@pytest.mark.parametrize("measure", ["psnr", "oracle", "degradation_mean"])
def test_curves_are_those_of_a_loop(toy_run: Path, found: dict[tuple[str, str], Filtering], label: str, measure: str) -> None:
    one = found[label, measure]
    assert len(one.models) == 4 and one.curves.n == {"consistency": 125, "accuracy": 100}[label]
    for index, model in enumerate(one.models):
        scores, outcomes = by_hand(toy_run, label, measure, model)
        expected = [reached(scores, outcomes, share) for share in one.curves.shares]
        assert one.curves.reached[:, index] == pytest.approx(expected, abs=1e-6)
        assert one.curves.random[index] == pytest.approx(np.mean(outcomes), abs=1e-6)
    assert one.mean == pytest.approx(one.curves.reached.mean(axis=1))
    assert one.mean_area == pytest.approx(np.trapezoid(one.mean - one.mean_random, one.curves.shares))


def test_the_oracle_gains_most(found: dict[tuple[str, str], Filtering]) -> None:
    areas = {measure: one.mean_area for (label, measure), one in found.items() if label == "consistency"}
    assert areas["oracle"] == max(areas.values()) > 0.01


def test_outcomes_are_columns_of_the_scores() -> None:
    assert {task: set(columns.values()) <= set(SCORE_COLUMNS[task]) for task, columns in OUTCOMES.items()} == dict.fromkeys(
        SCORE_COLUMNS, True
    )


def test_the_command_writes_numbers_and_figures(toy_run: Path, miqd: Callable[..., Outcome]) -> None:
    old = toy_run / "report/filtering_det_accuracy_gone.svg"
    old.parent.mkdir(exist_ok=True)
    old.write_text("<svg/>")
    command = ("benchmark", "--out", toy_run, "--task", "det", "--measures", "psnr", "--resamples", 5)
    without = miqd(*command)
    assert without.code == 0 and "by share left out" not in without.out and old.is_file()
    done = miqd(*command, "--filtering")
    assert done.code == 0, done.err
    records = json.loads((toy_run / "report/filtering.json").read_text())
    assert len(records) == 2 * 3 * 4 and {r["measure"] for r in records} == {"psnr", "oracle", "degradation_mean"}
    assert records[0]["shares"][0] == 0 and records[0]["shares"][-1] == 0.7 and len(records[0]["reached"]) == 15
    figures = sorted(path.name for path in (toy_run / "report").glob("*.svg"))
    assert figures == ["filtering_det_accuracy_psnr.svg", "filtering_det_consistency_psnr.svg"]
    assert "by share left out" in done.out and figures[0] in done.out and "…" not in done.out
    page = (toy_run / "report/benchmark.html").read_text()
    assert page.count("<svg ") == 2 and "Filtering curves" in page
    drawn = ET.parse(toy_run / "report" / figures[0]).getroot()
    curves = [line.get("points", "").split() for line in drawn.iter(f"{SVG}polyline")]
    assert len(curves) == 4 + 4 and all(len(points) == 15 for points in curves)
    words = [text.text for text in drawn.iter(f"{SVG}text")]
    assert {"oracle", "random", "degradation_mean", "mean AP75 of an image against the ground truth"} <= set(words)


def test_pages_hold_the_figures_and_escape_names() -> None:
    blocks = [Heading(2, "<b>"), Table(["a|b"], [["<i>"]]), Items(["&"]), Figure("<svg></svg>", "f.svg"), Paragraph("x < y")]
    html = to_html("<title>", blocks)
    assert "<h2>&lt;b&gt;</h2>" in html and "<td>&lt;i&gt;</td>" in html and "<li>&amp;</li>" in html
    assert "<svg></svg>" in html and "<title>&lt;title&gt;</title>" in html and "x &lt; y" in html
    assert to_markdown(blocks) == "## <b>\n\n| a\\|b |\n| --- |\n| <i> |\n\n- &\n\n![f.svg](f.svg)\n\nx < y\n"


def test_names_are_never_markup() -> None:
    curves = filtering_curves(np.arange(4.0), np.array([[0.0], [1], [1], [math.nan]]))
    drawn = ET.fromstring(figure(Filtering("det", "accuracy", "a<b>&", ("<script>",), curves), []))
    assert any((text.text or "").startswith("<script> (") for text in drawn.iter(f"{SVG}text"))
    assert any("lowest a<b>& left out" in (text.text or "") for text in drawn.iter(f"{SVG}text"))


def test_imported_labels_have_no_curves(tmp_path: Path, miqd: Callable[..., Outcome]) -> None:
    write_labels(tmp_path / "run", "det", 3, ["fog_1", "fog_5"])
    done = miqd("benchmark", "--out", tmp_path / "run", "--filtering", "--resamples", 5)
    assert done.code == 0 and "No filtering curves: there are no scores" in done.out
    assert json.loads((tmp_path / "run/report/filtering.json").read_text()) == []
