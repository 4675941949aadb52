"""The report of whole runs: ``miqd audit`` end to end, and runs of which little is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miqd_builder.auditing.audit import audit_run
from miqd_builder.auditing.document import DistortionFacts
from miqd_builder.auditing.page.assembly import page
from miqd_builder.auditing.page.tables import MOST_ROWS
from miqd_builder.auditing.report import write_report
from miqd_builder.errors import StoreError
from miqd_builder.store.folder import RunFolder
from tests.auditing.conftest import write_labels
from tests.auditing.documents import Page, document, record, statistic, task
from tests.conftest import Outcome

Miqd = Callable[..., Outcome]
NAMES = [
    *(f"{name}_{s}" for name in ("fog", "glass_blur") for s in range(1, 6)),
    *(f"fog_fg_stronger_fg{a}_bg{b}" for a, b in ((3, 1), (5, 2))),
    *(f"fog_bg_stronger_fg{a}_bg{b}" for a, b in ((1, 3), (2, 5))),
]


def report_of(out: Path, **arguments: Any) -> Page:
    folder = RunFolder(str(out))
    write_report(folder, audit_run(folder, resamples=50, **arguments))
    return Page((out / "report/index.html").read_text())


def test_the_page_shows_the_numbers_of_the_file_beside_it(miqd: Miqd, run_file: Path, tmp_path: Path) -> None:
    for name in ("det", "ins"):
        assert miqd("label", "--task", name, "--run", run_file).code == 0
    (tmp_path / "out/report").mkdir()
    (tmp_path / "out/report/explore.html").write_text("")
    audit = ("audit", "--out", tmp_path / "out", "--resamples", 50, "--baseline", "blobs")
    assert miqd(*audit).code == 0
    html = (tmp_path / "out/report/index.html").read_bytes()
    read, stored = Page(html.decode()), json.loads((tmp_path / "out/report/audit.json").read_text())
    lacking, compared = _lacking(read, stored)
    assert lacking == [] and compared > 1000
    assert ("a", {"href": "explore.html"}) in read.elements and ("a", {"href": "benchmark.html"}) not in read.elements
    assert miqd(*audit).code == 0 and (tmp_path / "out/report/index.html").read_bytes() == html


def _lacking(read: Page, stored: dict[str, Any]) -> tuple[list[str], int]:
    """Values of the file that no table of theirs shows, formatted by this test itself, and how many were looked for."""
    digits = {"per cent": 1, "dB": 1, "severity": 2, "errors per image": 2}
    shown = [(title, {cell for row in rows for cell in row}) for title, rows in read.tables]
    lacking, compared = [], 0
    for of in stored["tasks"].values():
        for name, one in of["statistics"].items():
            if name == "extremes":
                continue
            cells = set().union(*(found for title, found in shown if one["title"] in title))
            if not cells:
                assert len(one["records"]) > MOST_ROWS, name
                continue
            compared += len(one["records"])
            for value in one["records"]:
                decimals = 1 if value["label"] in ("mCE", "CE", "relative_mCE") else digits.get(one["unit"], 3)
                ends = [value[end] for end in ("low", "high") if end in value]
                text = [f"{round(number, decimals) + 0.0:.{decimals}f}" for number in (value["value"], *ends)]
                wanted = f"{text[0]} [{text[1]}, {text[2]}]" if ends else text[0]
                if wanted not in cells:
                    lacking.append(f"{name}: {wanted}")
    return lacking, compared


def test_imported_labels(tmp_path: Path) -> None:
    write_labels(tmp_path / "out", "cls", 6, NAMES)
    read = report_of(tmp_path / "out")
    assert "Which model Not known: the labels were imported and come without the scores of single models." in read.text
    assert "Not here: pictures. Reason:" in read.text and "scores of single models not known" in read.text
    assert {row["distortion"] for row in read.table("All values: Labels by distortion")} == {"fog", "glass blur"}
    assert "None" not in read.text and "nan" not in read.text.lower().split()


def test_one_source_image(tmp_path: Path) -> None:
    write_labels(tmp_path / "out", "cls", 1, NAMES)
    read = report_of(tmp_path / "out")
    assert "Not certain whether the object (ROI) or the background matters more" in read.text
    assert "[" not in read.text.split("Brackets are")[0] and "has no interval" in read.text


def test_no_ground_truth(tmp_path: Path) -> None:
    write_labels(tmp_path / "out", "det", 6, NAMES, accuracy_weighted=None, composite=None)
    read = report_of(tmp_path / "out")
    assert "mean consistency falls by" in read.text and "mean accuracy" not in read.text.split("Brackets are")[0]
    assert "(accuracy)" in read.text and "Reason: no image has a ground truth of this task." in read.text


def test_uniform_degradations_alone_have_no_place(tmp_path: Path) -> None:
    write_labels(tmp_path / "out", "cls", 4, NAMES[:10])
    read = report_of(tmp_path / "out")
    assert "All degradations of the run are uniform: there is no grid to draw." in read.text
    assert "Where Not known: no distortion has both a stronger ROI and a stronger background." in read.text


def test_a_codec_suite_has_its_rate_curves_and_eight_severities() -> None:
    names = ("codec_jpeg", "codec_avif")
    levels = [{"distortion": name, "severity": s} for name in names for s in range(1, 9)]
    rate = [record("bits_per_pixel", 2.0 / key["severity"], **key) for key in levels]
    values = [record("consistency", 0.9 - 0.1 * key["severity"], **key) for key in levels]
    statistics = {
        "severity": statistic(values, title="Labels by severity"),
        "rate": statistic([*rate, *values], title="Rate", unit="as the label says"),
    }
    facts = tuple(DistortionFacts(name=name, category="codec", degradations=8) for name in names)
    read = Page(page(document({"cls": task(statistics, distortions=facts)}), {}))
    assert "codec avif 8, 0.250 bits per pixel: 0.100 [0.050, 0.150]" in read.hints
    assert "severity 8: consistency 0.100 [0.050, 0.150], n 8" in read.hints


def test_only_the_tasks_that_were_asked_for(miqd: Miqd, run_file: Path, tmp_path: Path) -> None:
    for name in ("det", "ins"):
        assert miqd("label", "--task", name, "--run", run_file).code == 0
    assert miqd("audit", "--out", tmp_path / "out", "--task", "ins", "--resamples", 20).code == 0
    text = Page((tmp_path / "out/report/index.html").read_text()).text
    assert "Instance segmentation" in text and "Object detection" not in text
    assert "blob_masks is the run's only model" in text


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    write_labels(tmp_path / "out", "cls", 2, NAMES)
    folder = RunFolder(str(tmp_path / "out"))
    made = audit_run(folder, resamples=10)
    (tmp_path / "out/report").write_text("a file in the way")
    with pytest.raises(StoreError, match=r"Can't write .*index.html.*choose another --out"):
        write_report(folder, made)
