"""The report as a page: its numbers, its safety, what it says of what is absent."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest

from miqd_builder.auditing.document import Against, AgainstTask, AuditDocument
from miqd_builder.auditing.page.assembly import page
from miqd_builder.auditing.page.pictures import Pictures
from tests.auditing.documents import DISTORTIONS, Page, declines, document, full_task, record, run, statistic, task

EVIL = "<img src=x onerror=alert(1)>\"'&{{ 7 * 7 }}"


def shown(of: AuditDocument, **arguments: Any) -> Page:
    return Page(page(of, {}, **arguments))


@pytest.fixture(scope="module")
def full() -> tuple[AuditDocument, str]:
    made = document({name: full_task(seed) for seed, name in enumerate(("cls", "det", "ins"))})
    return made, page(made, {})


def three(value: float) -> str:
    return f"{value:.3f}"


def test_numbers_are_those_of_the_document(full: tuple[AuditDocument, str]) -> None:
    made, html = full
    rows = Page(html).table("All values: Labels by severity")
    records = made.tasks["cls"].statistics["severity"].records
    assert len(rows) == len(DISTORTIONS) * 5
    found = {(row["distortion"], row["severity"]): row for row in rows}
    for one in records:
        row = found[str(one.distortion).replace("_", " "), str(one.severity)]
        assert one.low is not None and one.high is not None
        assert row[one.label] == f"{three(one.value)} [{three(one.low)}, {three(one.high)}]"
        assert (row["n"], row["source images"]) == ("8", "4")


def test_every_value_of_the_grid_is_in_its_cell(full: tuple[AuditDocument, str]) -> None:
    made, html = full
    hints = set(Page(html).hints)
    for one in made.tasks["det"].statistics["grid"].records:
        if one.label == "accuracy":
            where = f"ROI severity {one.roi_severity}, background severity {one.bg_severity}"
            assert f"{where}: accuracy {three(one.value)} [{three(one.low or 0)}, {three(one.high or 0)}], n 8" in hints


def test_differences_say_whether_their_interval_excludes_0() -> None:
    records = [
        record("accuracy", value, difference=True, distortion=name, category="c")
        for name, value in {"fog": -0.2, "snow": 0.01}.items()
    ]
    rows = shown(document({"det": task({"region_difference": statistic(records)})})).table("A title")
    assert [(row["distortion"], row["excludes 0"]) for row in rows] == [("fog", "yes"), ("snow", "no")]


def test_no_interval_is_a_missing_interval() -> None:
    records = [record("accuracy", 12.0, half=None, distortion="fog", category="c", sources=1)]
    rows = shown(document({"det": task({"distortion_decline": statistic(records, unit="per cent")})})).table("A title")
    assert rows[0]["accuracy (per cent)"] == "12.0"


def test_names_from_data_are_text() -> None:
    names = {EVIL: "environment"}
    statistics = {
        "severity": statistic([record("accuracy", 0.5, distortion=EVIL, category=EVIL, severity=s) for s in (1, 2)]),
        "distortion_decline": statistic(declines(dict.fromkeys(names, 40.0)), unit="per cent"),
        "models": statistic([record("rPC", 0.5, model=name) for name in (EVIL, "b")], title=EVIL),
        "grid": statistic([record("accuracy", 0.5, distortion=EVIL, roi_severity=1, bg_severity=1)], sample=EVIL),
        "model_severity": statistic([record("consistency", 0.5, model=EVIL, distortion=EVIL, severity=1)]),
        "error_types": statistic([record("errors", 1.0, error="Cls", distortion=EVIL)]),
    }
    of = task(statistics, {"mce": EVIL}, models=[EVIL, "b"])
    made = document({"det": of}, run=run(EVIL, versions={EVIL: EVIL}, environment={EVIL: EVIL}))
    read = Page(page(made, {"det": Pictures(reason=EVIL)}, [("Explorer", "explore.html")]))
    assert {tag for tag, _ in read.elements} & {"img", "script", "iframe", "object", "link", "base", "form"} == set()
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    assert EVIL in read.text and "49" not in read.text
    assert {row["model"] for row in read.table("Models")} == {EVIL, "b"}


def test_nothing_is_loaded_or_run(full: tuple[AuditDocument, str]) -> None:
    _, html = full
    read = Page(html)
    policy = next(a["content"] for tag, a in read.elements if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(read.styles[0].encode()).digest()).decode()
    assert policy == (f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'")
    assert len(read.styles) == 1 and not any("style" in attributes for _, attributes in read.elements)
    links = [value for _, a in read.elements for name, value in a.items() if name in ("href", "src", "xlink:href")]
    assert all(re.fullmatch(r"#[a-z-]+|[a-z]+\.html|data:image/webp;base64,.*", link or "") for link in links)
    assert "http:" not in html and "https:" not in html and "url(" not in html and "@import" not in html


def test_every_link_into_the_page_has_its_place(full: tuple[AuditDocument, str]) -> None:
    read = Page(full[1])
    ids = [a["id"] for _, a in read.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {str(a["href"])[1:] for _, a in read.elements if str(a.get("href", "")).startswith("#")} <= set(ids)


def test_what_scrolls_can_be_reached_by_the_keyboard(full: tuple[AuditDocument, str]) -> None:
    scrolling = [a for tag, a in Page(full[1]).elements if tag == "div" and a.get("class") in ("scroll", "panels one")]
    assert scrolling and all(a["tabindex"] == "0" and a["role"] == "region" and a["aria-label"] for a in scrolling)


def test_a_drawing_has_a_name_or_is_hidden(full: tuple[AuditDocument, str]) -> None:
    drawings = [a for tag, a in Page(full[1]).elements if tag == "svg"]
    assert drawings and all(a.get("aria-label") or a.get("aria-hidden") == "true" for a in drawings)


def test_the_same_document_gives_the_same_page(full: tuple[AuditDocument, str]) -> None:
    made, html = full
    again = AuditDocument.model_validate_json(made.to_json())
    assert page(again, {}) == html


def test_what_is_absent_is_named_with_its_reason() -> None:
    absent = {
        "models": "no scores",
        "mce": "no scores",
        "severity.accuracy": "no ground truth",
        "smr": "no scores",
        "news": "why",
    }
    read = shown(document({"cls": task({"severity": statistic([])}, absent, models=())}))
    assert "Not here: models, mce. Reason: no scores." in read.text
    assert "Not here: severity (accuracy). Reason: no ground truth." in read.text
    assert "Not here: smr. Reason: no scores." in read.text and "Not here: news. Reason: why." in read.text
    assert "scores of single models not known" in read.text
    assert "nan" not in read.text.lower().split() and "None" not in read.text


def test_an_unknown_statistic_is_shown_with_its_values(full: tuple[AuditDocument, str]) -> None:
    made, html = full
    rows = Page(html).table("All values: A later statistic")
    values = [one.value for one in made.tasks["cls"].statistics["something_new"].records]
    assert [row["news (score)"].split()[0] for row in rows] == [three(value) for value in values]


def test_provenance_names_versions_hashes_and_commands(full: tuple[AuditDocument, str]) -> None:
    read = Page(full[1])
    assert {"package": "numpy", "version": "2.4.6"} in read.table("Versions")
    command = read.table("Commands that made it")[0]
    assert command["SHA-256 of the run file"] == "f" * 64 and "zoo.yaml " + "e" * 64 in command.values()
    assert ["hash of the labels", "0123abcd"] in next(rows for name, rows in read.tables if name == "Run")
    models = {"model": "alpha", "task": "Classification", "weight in the labels": "50", "content hash": "h0"}
    assert read.table("Models")[0] == models


def test_two_runs_compared() -> None:
    records = [record("accuracy", -0.1, difference=True, n=77), record("composite", 0.02, difference=True, n=77)]
    by_severity = [
        record("accuracy", 0.1 * s, difference=True, distortion="fog", category="environment", severity=s) for s in range(1, 6)
    ]
    of = AgainstTask(
        sources=4,
        rows=77,
        only_here=3,
        only_there=5,
        statistics={
            "severity_difference": statistic(by_severity, title="By severity"),
            "overall_difference": statistic(records, title="Overall", baseline="the other run, on the same images"),
        },
        absent={"models_difference": "the runs share no model with scores"},
    )
    against = Against(run=run("older"), tasks={"det": of}, absent={"cls": "the other run has no labels of this task"})
    read = shown(document({"det": task({})}, against=against))
    assert read.table("Overall")[0]["accuracy"] == "-0.100 [-0.150, -0.050]"
    assert read.table("Overall")[0]["excludes 0"] == "yes / no"
    assert (
        "Object detection On the 77 shared images, this run less the other: mean accuracy differs by -0.100 [-0.150, -0.050], "
        "excludes 0; mean composite differs by 0.020 [-0.030, 0.070], includes 0."
    ) in read.text
    assert "77 labels of 4 source images are in both; 3 here only, 5 there only." in read.text
    assert "Not here: cls. Reason: the other run has no labels of this task." in read.text
    assert "Not here: models difference. Reason: the runs share no model with scores." in read.text
    assert "Against the other run, on the same images" in read.text
    assert [title for title, _ in read.tables][:2] == ["Overall", "All values: By severity (5 rows)"]


def test_without_a_comparison_there_is_no_section(full: tuple[AuditDocument, str]) -> None:
    assert "Against" not in [text.strip() for text in Page(full[1]).texts]


def test_a_run_of_the_papers_size_stays_small() -> None:
    made = document({"cls": many_models(40)})
    assert len(page(made, {}).encode()) < 1_500_000


def many_models(count: int) -> Any:
    names = [f"model_number_{index}" for index in range(count)]
    severities = [(name, d, s) for name in names for d in DISTORTIONS for s in range(1, 6)]
    records = [record("consistency", 0.5, model=m, distortion=d, severity=s) for m, d, s in severities]
    pairs = [record("rPC", 0.1, model=a, other=b, difference=True) for a in names for b in names if a < b]
    scores = [record("rPC", 0.5, model=name) for name in names]
    statistics = {"model_severity": records, "model_difference": pairs, "models": scores}
    return task({name: statistic(of) for name, of in statistics.items()}, models=names)
