"""Made-up audit documents, and the report read back as a browser would."""

from __future__ import annotations

from collections.abc import Iterable
from html.parser import HTMLParser
from itertools import combinations
from typing import Any

import numpy as np

from miqd_builder.auditing.document import (
    AuditDocument,
    CommandFacts,
    DistortionFacts,
    ModelFacts,
    Record,
    RunFacts,
    Statistic,
    TaskDocument,
)

DISTORTIONS = {"fog": "environment", "snow": "environment", "glass_blur": "blur", "jpeg_compression": "digital"}
MODELS = ("alpha", "beta", "gamma")
NO_TRUTH = "no image has a ground truth of this task"


def record(label: str, value: float, *, half: float | None = 0.05, n: int = 8, sources: int = 4, **keys: Any) -> Record:
    """Return a record whose interval reaches ``half`` to both sides; of a difference if ``difference`` is among the keys."""
    ends: dict[str, Any] = {} if half is None else {"low": value - half, "high": value + half}
    if keys.pop("difference", False) and half is not None:
        ends["excludes_zero"] = abs(value) > half
    return Record(label=label, value=value, n=n, sources=sources, **ends, **keys)


def statistic(records: Iterable[Record], *, title: str = "A title", unit: str = "score", **about: Any) -> Statistic:
    """Return a statistic."""
    fixed = {"definition": "What it is.", "severities": "all uniform severities", "interval": "bootstrap, 1000 draws"}
    return Statistic(title=title, unit=unit, records=tuple(records), **(fixed | about))


def task(
    statistics: dict[str, Statistic], absent: dict[str, str] | None = None, models: Iterable[str] = MODELS, **changes: Any
) -> TaskDocument:
    """Return a task of some statistics."""
    fields: dict[str, Any] = {
        "recipe": "miqd_v1",
        "consistency_share": 0.5,
        "rows": 800,
        "sources": 4,
        "rows_with_accuracy": 800,
        "incomplete_rows": 0,
        "models": tuple(
            ModelFacts(name=name, weight=50.0 + place, content_hash=f"h{place}") for place, name in enumerate(models)
        ),
        "distortions": tuple(DistortionFacts(name=n, category=c, degradations=25) for n, c in DISTORTIONS.items()),
        "statistics": statistics,
        "absent": absent or {},
    }
    return TaskDocument(**(fields | changes))


def document(tasks: dict[str, TaskDocument], **changes: Any) -> AuditDocument:
    """Return a document of some tasks."""
    return AuditDocument(**({"resamples": 1000, "seed": 0, "run": run(), "tasks": tasks} | changes))


def run(name: str = "run-1", **changes: Any) -> RunFacts:
    """Return facts of a run."""
    command = CommandFacts(
        command="label --task det", recipe="miqd_v1", weights="metric", run_file_sha256="f" * 64, zoo={"zoo.yaml": "e" * 64}
    )
    fields: dict[str, Any] = {
        "name": name,
        "content_hash": "0123abcd",
        "seed": 17,
        "images": "png",
        "roi": "masks",
        "layout": 3,
        "sources": 4,
        "degradations": 100,
        "parts": 2,
        "quarantined": 1,
        "versions": {"python": "3.11.7", "numpy": "2.4.6"},
        "environment": {"os": "Linux", "cores": 2, "gpu": None},
        "commands": (command,),
    }
    return RunFacts(**(fields | changes))


def declines(values: dict[str, float], label: str = "accuracy", half: float | None = 5.0) -> list[Record]:
    """Return declines of distortions in per cent."""
    return [
        record(label, v, half=half, distortion=n, category=DISTORTIONS.get(n, "other"), difference=True)
        for n, v in values.items()
    ]


def full_task(seed: int = 0) -> TaskDocument:
    """Return a task with every kind of drawing, of random values."""
    rng = np.random.default_rng(seed)
    named = [{"distortion": name, "category": category} for name, category in DISTORTIONS.items()]
    labels = ("consistency", "accuracy", "composite")

    def values(keys: Iterable[dict[str, Any]], of: Iterable[str] = labels, **fixed: Any) -> list[Record]:
        return [record(label, float(rng.random()), **fixed, **key) for key in keys for label in of]

    severities = [{**key, "severity": s} for key in named for s in range(1, 6)]
    grid = [{**key, "roi_severity": a, "bg_severity": b} for key in named for a in range(1, 6) for b in range(1, 6)]
    pairs = [{"distortion": a, "other": b} for a, b in combinations(DISTORTIONS, 2)]
    models = [{"model": name} for name in MODELS]
    by_model = [{**model, **key} for model in models for key in severities]
    model_pairs = [{"model": a, "other": b} for a, b in combinations(MODELS, 2)]
    two, figures = ("consistency", "accuracy"), ("P", "mPC", "rPC", "consistency")
    errors = [{**key, "error": error} for key in [{}, *named] for error in ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")]
    thresholds = [{**key, "threshold": t} for key in severities for t in (0.5, 0.75, 0.9)]
    rate = [{"distortion": codec, "severity": s} for codec in ("jpeg", "webp") for s in range(1, 6)]
    statistics = {
        "severity": statistic(values(severities), title="Labels by severity"),
        "severity_decline": statistic(values(severities, difference=True), unit="per cent"),
        "grid": statistic(values(grid), title="Labels on the grid"),
        "region": statistic(values([{"region": r} for r in ("uniform", "roi", "background")])),
        "region_difference": statistic(values([{}, *named], difference=True)),
        "distortion_decline": statistic(values(named, difference=True), unit="per cent", title="Decline by distortion"),
        "distortion_difference": statistic(values(pairs, difference=True), baseline="the other distortion"),
        "models": statistic(values(models, figures), title="Models: clean and degraded"),
        "model_difference": statistic(values(model_pairs, figures, difference=True)),
        "model_severity": statistic(values(by_model, two), title="Scores by model"),
        "smr": statistic(values(thresholds, ("smr",)), unit="share", title="Satisfied machine ratio"),
        "calibration": statistic(values([{"severity": s} for s in range(6)], ("ece",)), unit="share", title="Calibration"),
        "error_types": statistic(values(errors, ("errors",)), unit="errors per image", title="Detection errors"),
        "rate": statistic(values(rate, ("bits_per_pixel", *two)), unit="as the label says", title="Rate"),
        "noise_ceiling": statistic(values([{}]), unit="SRCC", title="Noise ceiling"),
        "something_new": statistic(values(named, ("news",)), title="A later statistic"),
    }
    return task(statistics, {"mce": "no baseline model was named", "effective_robustness": "too few models"})


class Page(HTMLParser):
    """A page read back.

    Attributes:
        elements: tag and attributes of each.
        tables: title and rows of each, cells as text without that of drawings.
        styles: content of the style elements.
        texts: everything else that is shown.
        hints: what the drawings say when they are pointed at.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[tuple[str, list[list[str]]]] = []
        self.styles: list[str] = []
        self.texts: list[str] = []
        self.hints: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        """All that is shown outside of drawings, with single spaces."""
        return " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self._open.append(tag)
        if tag == "div" and dict(attrs).get("class") == "scroll":
            self.tables.append((dict(attrs)["aria-label"] or "", []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "svg" in self._open:
            if self._open[-1] == "title":
                self.hints.append(data)
            return
        if self._open and self._open[-1] == "style":
            self.styles.append(data)
            return
        self.texts.append(data)
        if ("td" in self._open or "th" in self._open) and self.tables:
            self.tables[-1][1][-1][-1] += data

    def table(self, title: str) -> list[dict[str, str]]:
        """Return the rows of the first table of a title, by the columns' names; a number of rows may follow the title."""
        rows = next(rows for name, rows in self.tables if name == title or name.startswith(f"{title} ("))
        return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
